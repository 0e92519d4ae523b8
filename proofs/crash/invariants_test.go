//go:build unix

package crash

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/internal/document"
)

// whole is stages, and each version is whole (invariant 1), also one that was
// deleted and not purged.
func (l *load) whole(ctx context.Context) (map[string]string, error) {
	m, err := l.stages(ctx)
	if err != nil || len(m) == 0 {
		return m, err
	}
	if err := l.kept(m); err != nil {
		return nil, err
	}
	list, err := l.ListVersions(ctx, loadModel)
	for _, v := range list {
		m, err := l.GetModel(ctx, loadModel.At(v.Version), &mr.GetOptions{Verify: true})
		if err != nil {
			return nil, fmt.Errorf("version %s shows and is not whole: %w", v.Version, err)
		}
		m.Close()
	}
	return m, err
}

// stages returns what a reader finds: the stage of each version, the version of
// each alias, as "@alias", and the tags, as "version#key" and "#key", and the
// deleted versions, as "-version". A model that can't be read and two versions
// in production are errors (invariant 3).
func (l *load) stages(ctx context.Context) (map[string]string, error) {
	list, err := l.ListVersions(ctx, loadModel)
	if errors.Is(err, mr.ErrNotFound) {
		return map[string]string{}, nil
	}
	m := map[string]string{}
	production := 0
	for _, v := range list {
		m[v.Version] = string(v.Stage)
		for key, value := range v.Tags {
			m[v.Version+"#"+key] = value
		}
		if v.Stage == mr.Production {
			production++
		}
		if len(v.Problems) > 0 {
			return nil, fmt.Errorf("version %s: %s", v.Version, v.Problems)
		}
	}
	for _, version := range []string{deletedVersion, heldVersion} {
		var deleted *mr.DeletedError
		if _, err := l.GetVersion(ctx, loadModel.At(version)); !errors.As(err, &deleted) {
			continue
		}
		if m["-"+version] = "deleted"; !deleted.Purged.IsZero() {
			m["-"+version] = "purged"
		}
	}
	facts, factsErr := l.Facts(ctx, loadModel)
	err = errors.Join(err, factsErr)
	showFacts(m, facts.Aliases, facts.Tags)
	if production > 1 {
		err = fmt.Errorf("%d versions in production", production)
	}
	return m, err
}

// showFacts replaces what a map has about the model itself.
func showFacts(m, aliases, tags map[string]string) {
	maps.DeleteFunc(m, func(key, _ string) bool { return key[0] == '@' || key[0] == '#' })
	for alias, version := range aliases {
		m["@"+alias] = version
	}
	for key, value := range tags {
		m["#"+key] = value
	}
}

// forget removes what a map has about a version.
func forget(m map[string]string, version string) {
	maps.DeleteFunc(m, func(key, _ string) bool { return key == version || strings.HasPrefix(key, version+"#") })
}

// A replayed is what a log alone says, read as simply as can be, and apart from
// the registry's own reading.
type replayed struct {
	stages map[string]string
	last   int64 // the last event's number
	end    int   // bytes up to the end of the last whole append
	size   int   // bytes in the file
}

// replayLog reads the log of a store from its first event (invariant 11). The
// chain of digests must be whole; only the end may be torn.
func replayLog(dir string) (replayed, error) {
	r := replayed{stages: map[string]string{}}
	data, err := os.ReadFile(filepath.Join(dir, loadPath("history.jsonl")))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return r, err
	}
	r.size = len(data)
	type event struct {
		Event   int64
		Prev    string
		Reset   bool
		Removed []string
		After   map[string]struct{ Stage string }
		Extra   map[string]struct{ Tags map[string]string }
		Model   *struct{ Aliases, Tags map[string]string }
		Deleted map[string]*struct{ Purged string }
	}
	var waiting []event // of an append whose end was not seen yet
	prev, at := "", 0
	for line := range bytes.Lines(data) {
		at += len(line)
		var e event
		if !bytes.HasSuffix(line, []byte("\n")) || json.Unmarshal(line, &e) != nil {
			break
		}
		if n := r.last + int64(len(waiting)) + 1; e.Event != n || e.Prev != prev {
			return r, fmt.Errorf("got event %d after %q, want event %d after %q", e.Event, e.Prev, n, prev)
		}
		sum := sha256.Sum256(bytes.TrimRight(line, " \n"))
		prev = hex.EncodeToString(sum[:])
		if waiting = append(waiting, e); bytes.HasSuffix(line, []byte(" \n")) {
			continue
		}
		for _, e := range waiting {
			if e.Reset {
				clear(r.stages)
			}
			for _, v := range e.Removed {
				forget(r.stages, v)
			}
			for v, stone := range e.Deleted {
				if delete(r.stages, "-"+v); stone != nil {
					r.stages["-"+v] = "deleted"
					if stone.Purged != "" {
						r.stages["-"+v] = "purged"
					}
				}
			}
			for v, entry := range e.After {
				forget(r.stages, v)
				r.stages[v] = entry.Stage
				for key, value := range e.Extra[v].Tags {
					r.stages[v+"#"+key] = value
				}
			}
			if e.Model != nil {
				showFacts(r.stages, e.Model.Aliases, e.Model.Tags)
			}
			r.last = e.Event
		}
		waiting, r.end = nil, at
	}
	if rest := data[r.end:]; bytes.Contains(rest, []byte(`"prev":"`+prev)) && bytes.HasSuffix(rest, []byte("}\n")) && !bytes.Contains(rest, []byte{0}) {
		return r, fmt.Errorf("a whole line follows damage: %q", rest)
	}
	return r, nil
}

// A document is found in one of these conditions.
const (
	docMissing = "missing"
	docDamaged = "damaged"
	docForeign = "foreign"
	docOurs    = "ours"
)

// documentOf returns the condition of the document and its event.
func documentOf(dir string) (condition string, event int64, err error) {
	data, err := os.ReadFile(filepath.Join(dir, loadPath("registry.json")))
	if errors.Is(err, fs.ErrNotExist) {
		return docMissing, 0, nil
	}
	if err != nil {
		return "", 0, err
	}
	d, err := document.Parse(data)
	switch {
	case err != nil:
		return docDamaged, 0, nil
	case d.Mark == nil || !d.Intact:
		return docForeign, 0, nil
	}
	return docOurs, d.Mark.Event, nil
}

// agrees compares what a reader found with the log, replayed from its first
// event. A change that another program made to the document is not in the log
// yet.
func agrees(dir string, found map[string]string) error {
	log, err := replayLog(dir)
	if err != nil {
		return err
	}
	condition, event, err := documentOf(dir)
	switch {
	case err != nil:
		return err
	case condition == docForeign:
		return nil
	case event > log.last:
		return fmt.Errorf("the document stands at event %d, the log ends at %d", event, log.last)
	case !maps.Equal(log.stages, found):
		return fmt.Errorf("a reader finds %v, the log has %v", found, log.stages)
	}
	return nil
}

// work runs a whole workload on the store. The store must go on without a
// repair, whatever happened to it (invariant 5). After that, the log alone and
// the document alone must have what a reader should find, and no other files
// may be there. The document may be damaged only if another program's write was
// cut short.
func (l *load) work(ctx context.Context, before map[string]string, mayBeDamaged bool) error {
	condition, _, err := documentOf(l.dir)
	if err != nil {
		return err
	}
	if condition == docDamaged && !mayBeDamaged {
		return errors.New("the document is damaged")
	}
	if !l.alone && (condition == docOurs || condition == docForeign) {
		// Another program may be the first to write. It must not undo what the
		// document does not have.
		if err := l.python(""); err != nil {
			return err
		}
		if found, err := l.stages(ctx); err != nil || !maps.Equal(found, before) {
			return fmt.Errorf("after another program wrote it reads %v, %w, want %v", found, err, before)
		}
	}
	want := maps.Clone(before)
	for v, stage := range want {
		if stage == string(mr.Production) {
			want[v] = string(mr.Archived)
		}
	}
	a, err := l.register(ctx, mr.RegisterOptions{})
	if err != nil {
		return fmt.Errorf("registering: %w", err)
	}
	if err := l.promote(ctx, a.Version, mr.Production); err != nil {
		return fmt.Errorf("promoting: %w", err)
	}
	b, err := l.register(ctx, mr.RegisterOptions{})
	if err != nil {
		return fmt.Errorf("registering again: %w", err)
	}
	for _, v := range []string{a.Version, b.Version} {
		_, taken := before[v]
		if _, deleted := before["-"+v]; taken || deleted || a.Version == b.Version {
			return fmt.Errorf("version %s was given out twice", v)
		}
	}
	if _, err := l.Archive(ctx, loadModel.At(b.Version), nil); err != nil {
		return fmt.Errorf("archiving: %w", err)
	}
	if err := l.promote(ctx, b.Version, mr.Production); err != nil {
		return fmt.Errorf("promoting again: %w", err)
	}
	if v, err := l.Rollback(ctx, loadModel, nil); err != nil || v.Version != a.Version {
		return fmt.Errorf("rolling back to %q: %w", v.Version, err)
	}
	for version, state := range deletions(before) {
		if err := l.settle(ctx, version, state, want); err != nil {
			return err
		}
	}
	if err := l.Close(); err != nil {
		return err
	}
	want[a.Version], want[b.Version] = string(mr.Production), string(mr.Archived)
	return inOrder(ctx, l, want, condition == docDamaged)
}

// inOrder checks a closed store (invariants 11 and 12). A document that another
// program left damaged stays damaged.
func inOrder(ctx context.Context, l *load, want map[string]string, damaged bool) error {
	log, err := replayLog(l.dir)
	if err != nil {
		return err
	}
	if !maps.Equal(log.stages, want) || log.end != log.size {
		return fmt.Errorf("the log has %v in %d of %d bytes, want %v", log.stages, log.end, log.size, want)
	}
	condition, event, err := documentOf(l.dir)
	if err != nil {
		return err
	}
	if !(damaged && condition == docDamaged) && (condition != docOurs || event != log.last) {
		return fmt.Errorf("the document is %s and stands at event %d of %d", condition, event, log.last)
	}
	if debris := l.debris(); debris != nil && !damaged { // the next document would take the place of a half written one
		return fmt.Errorf("left lying about: %q", debris)
	}
	whole, err := l.fresh(ctx, want)
	if err != nil {
		return fmt.Errorf("afresh: %w", err)
	}
	if err := os.Remove(filepath.Join(l.dir, loadPath("registry.json"))); err != nil {
		return err
	}
	replayed, err := l.fresh(ctx, want)
	if err != nil {
		return fmt.Errorf("without a document: %w", err)
	}
	if whole != replayed {
		return fmt.Errorf("with a document %s\nwithout %s", whole, replayed)
	}
	return nil
}

// debris returns what is neither a version nor kept on purpose.
func (l *load) debris() []string {
	var list []string
	for _, pattern := range []string{".staging/*", ".registry.json.tmp"} {
		found, _ := filepath.Glob(filepath.Join(l.dir, loadPath(pattern)))
		list = append(list, found...)
	}
	return list
}

// fresh reads the store with a new registry. It returns all that can be read.
func (l *load) fresh(ctx context.Context, want map[string]string) (string, error) {
	f := &load{dir: l.dir, under: noSync}
	if err := f.open(0); err != nil {
		return "", err
	}
	defer f.Close()
	got, err := f.stages(ctx)
	if err != nil {
		return "", err
	}
	if !maps.Equal(got, want) {
		return "", fmt.Errorf("it reads %v, want %v", got, want)
	}
	list, err := f.ListVersions(ctx, loadModel)
	if err != nil && !errors.Is(err, mr.ErrNotFound) {
		return "", err
	}
	raw, err := json.Marshal(list)
	return string(raw), err
}

// hasOrphan reports whether the tree that must not be lost is still there, in
// its place or put aside.
func hasOrphan(dir string) bool {
	for _, pattern := range []string{"versions/*/manifest.json", ".orphans/*/manifest.json"} {
		found, _ := filepath.Glob(filepath.Join(dir, loadPath(pattern)))
		for _, name := range found {
			if data, _ := os.ReadFile(name); strings.TrimSpace(string(data)) == orphanMark {
				return true
			}
		}
	}
	return false
}
