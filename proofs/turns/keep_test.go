package turns

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	mr "github.com/ubunye-go/modelregistry"
	store "github.com/ubunye-go/modelregistry/driver"
	"github.com/ubunye-go/modelregistry/internal/fsstore"
)

// anotherProgram is the name under which Go shows Python's deletions.
const anotherProgram = "another program"

// missing returns the outcome of a call about a version that is not listed.
func (m *spec) missing(number string) outcome {
	if _, dead := m.now.graves[number]; dead {
		return deleted
	}
	return notFound
}

// unrecorded reports whether Python deleted a version and no event says so yet.
// Until then Go does not know that there was such a version.
func (m *spec) unrecorded(number string) bool {
	_, dead := m.now.graves[number]
	_, recorded := m.last.graves[number]
	return dead && !recorded
}

func (m *spec) setTree(number, content string, ours bool) {
	if m.trees == nil {
		m.trees, m.sealed = map[string]string{}, map[string]bool{}
	}
	m.trees[number], m.sealed[number] = content, ours
}

// refusesFiles reports whether Python fails to write the files of a version.
// The files of a deleted version are there until a purge. They have no write
// bits, which stop any user but root.
func (m *spec) refusesFiles(number string) bool {
	_, there := m.trees[number]
	return there && m.sealed[number] && os.Geteuid() > 0
}

// keep makes a step of Go that deletes versions, or keeps them from it. It
// returns the versions that a retention or a purge removes.
func (m *spec) keep(s step, at stamp) (string, outcome) {
	v := m.now.versions[s.version]
	_, dead := m.now.graves[s.version]
	about := fmt.Sprintf("%s %s  to  by %q", s.do, s.version, s.actor())
	switch {
	case s.do == "retain":
		return m.retain(s, at)
	case s.do == "purge":
		return m.purge(s, about, at)
	case s.do == "undelete" && v == nil && dead:
		return "", m.undelete(s, at)
	case s.do == "undelete" && v != nil, s.do == "delete" && v == nil && dead,
		s.do == "hold" && v != nil && v.held, s.do == "unhold" && v != nil && !v.held:
		m.unchanged()
		return "", ok
	case v == nil:
		return "", m.missing(s.version)
	case s.do == "delete":
		reason := m.protection(v)
		if v.held || reason != "" && !s.force {
			return "", protected
		}
		m.delete(v, s.actor(), reason != "", at)
	default:
		m.commit(s.do, about, at, func() {
			after := *v
			after.held = s.do == "hold"
			m.now.set(&after)
		})
	}
	return "", ok
}

func (m *spec) delete(v *version, actor string, forced bool, at stamp) {
	about := fmt.Sprintf("delete %s %s to  by %q", v.number, m.now.shown(v), actor)
	if forced {
		about += " forced"
	}
	m.commit("delete", about, at, func() { m.now.remove(v.number, actor) })
}

// protection returns why a version is not deleted without force, or "".
func (m *spec) protection(v *version) string {
	switch {
	case v == m.now.production():
		return "production"
	case v.number == m.previous():
		return "previous"
	case len(m.now.aliasesOf(v.number)) > 0:
		return "alias"
	case next([]string{v.number}) == next(m.now.order):
		return "highest"
	}
	return ""
}

func (m *spec) undelete(s step, at stamp) outcome {
	g := m.now.graves[s.version]
	if g.purged {
		return deleted
	}
	if _, there := m.trees[s.version]; !there {
		return gone
	}
	v := g.version
	if v.stage == "production" {
		v = v.entered("archived", at)
	}
	m.commit("undelete", fmt.Sprintf("undelete %s  to %s by %q", v.number, v.stage, s.actor()), at, func() {
		m.now.set(v)
		m.now.standByTime()
		if m.now.dead[v.key] == v.number {
			delete(m.now.dead, v.key)
		}
	})
	return ok
}

func (m *spec) retain(s step, at stamp) (string, outcome) {
	if m.now.order == nil && !m.known {
		return "", notFound
	}
	last, _ := strconv.Atoi(s.keep)
	var list []*version
	for i, number := range m.now.order {
		v := m.now.versions[number]
		switch {
		case len(m.now.order)-i <= last, s.keep == "tag" && v.note.tag != "", s.keep == "served" && v.served != stamp{}:
		case !v.held && m.protection(v) == "":
			list = append(list, v)
		}
	}
	var numbers []string
	for _, v := range list {
		m.delete(v, s.actor(), false, at)
		numbers = append(numbers, v.number)
	}
	return strings.Join(numbers, " "), ok
}

// purgeable returns the deleted versions with files.
func (m *spec) purgeable() (list []string) {
	for number := range m.now.graves {
		if _, there := m.trees[number]; there {
			list = append(list, number)
		}
	}
	slices.SortFunc(list, func(a, b string) int { return slices.Compare(parts(a), parts(b)) })
	return list
}

func (m *spec) purge(s step, about string, at stamp) (string, outcome) {
	if m.now.order == nil && !m.known {
		return "", notFound
	}
	list := m.purgeable()
	if len(list) == 0 {
		return "", ok
	}
	if slices.ContainsFunc(list, func(number string) bool { return !m.now.graves[number].purged }) {
		m.commit("purge", about, at, func() {
			for _, number := range list {
				g := m.now.graves[number]
				g.purged = true
				m.now.graves[number] = g
			}
		})
	} else {
		m.unchanged()
	}
	m.docs = []state{m.last} // the document is up to date before files are removed
	if s.torn {
		return "", torn
	}
	for _, number := range list {
		delete(m.trees, number)
	}
	return strings.Join(list, " "), ok
}

// callKeep makes a step of Go that deletes versions, or keeps them from it.
func callKeep(ctx context.Context, r *mr.ModelRegistry, s step) (v mr.ModelVersion, err error) {
	ref, o := modelName.At(s.version), &mr.KeepOptions{Actor: s.actor(), Force: s.force}
	var numbers []string
	switch s.do {
	case "delete":
		err = r.Delete(ctx, ref, o)
	case "undelete":
		err = r.Undelete(ctx, ref, o)
	case "hold":
		err = r.Hold(ctx, ref, o)
	case "unhold":
		err = r.Unhold(ctx, ref, o)
	case "retain":
		var list []mr.RetainedVersion
		list, err = r.Retain(ctx, modelName, s.retention(), &mr.RetainOptions{Actor: s.actor(), Apply: true})
		for _, x := range slices.Backward(list) {
			if x.Deleted {
				numbers = append(numbers, x.Version)
			}
		}
	case "purge":
		var report mr.PurgeReport
		report, err = r.Purge(ctx, modelName, &mr.PurgeOptions{Actor: s.actor(), Now: true, Apply: true})
		for _, x := range report.Versions {
			if x.Removed {
				numbers = append(numbers, x.Version)
			}
		}
	}
	v.Version = strings.Join(numbers, " ")
	return v, err
}

func (s step) retention() (keep mr.Retention) {
	switch s.keep {
	case "tag":
		keep.KeepTagged = []string{tagKey}
	case "served":
		keep.KeepEverInProduction = true
	default:
		keep.KeepLast, _ = strconv.Atoi(s.keep)
	}
	return keep
}

// A tornStore removes no files, as if the process ended before.
type tornStore struct{ *fsstore.Store }

var errTorn = errors.New("interrupted")

func (tornStore) RemoveTrees(context.Context, string, string, func(store.View) ([]string, error)) ([]string, error) {
	return nil, errTorn
}

// interrupted calls fn with a new registry that can't remove files.
func (w *world) interrupted(fn func(*mr.ModelRegistry) error) error {
	s, err := fsstore.Open(w.store)
	if err != nil {
		return err
	}
	r := mr.New(tornStore{s}, nil)
	return errors.Join(fn(r), r.Close())
}

// checkDeleted compares holds, and what Go says about deleted versions.
func (w *world) checkDeleted(ctx context.Context, r *mr.ModelRegistry, list []mr.ModelVersion) error {
	now := w.spec.now
	for _, v := range list {
		if want := now.versions[v.Version].held; (v.Hold != nil) != want {
			return fmt.Errorf("version %s has the hold %+v, want one: %t", v.Version, v.Hold, want)
		}
	}
	for number, g := range now.graves {
		_, err := r.GetVersion(ctx, modelName.At(number))
		if w.spec.unrecorded(number) && errors.Is(err, mr.ErrNotFound) {
			continue
		}
		var d *mr.DeletedError
		if !errors.As(err, &d) || d.By != g.by || d.Purged.IsZero() == g.purged {
			return fmt.Errorf("version %s: got error %w, want that it was deleted by %q, purged %t", number, err, g.by, g.purged)
		}
	}
	return nil
}

// checkPurge compares what Purge would remove.
func (w *world) checkPurge(r *mr.ModelRegistry) error {
	var got []string
	report, err := r.Purge(context.Background(), modelName, &mr.PurgeOptions{Now: true})
	if err != nil && !errors.Is(err, mr.ErrNotFound) {
		return err
	}
	for _, x := range report.Versions {
		got = append(got, x.Version)
	}
	if d := difference(w.spec.purgeable(), got); d != "" {
		return fmt.Errorf("a purge would remove the files of other versions (-want +got):\n%s", d)
	}
	return nil
}

// checkFiles compares the versions that have files, and their content.
func (w *world) checkFiles() error {
	got := map[string]string{}
	folders, err := filepath.Glob(filepath.Join(w.store, modelName.UseCase, modelName.Model, "versions", "*"))
	if err != nil {
		return err
	}
	for _, folder := range folders {
		content, err := os.ReadFile(filepath.Join(folder, "model", "weights"))
		if err != nil {
			return err
		}
		got[filepath.Base(folder)] = string(content)
	}
	if !maps.Equal(got, w.spec.trees) {
		return fmt.Errorf("these versions have files: %q, want %q", got, w.spec.trees)
	}
	return nil
}
