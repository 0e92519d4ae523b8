package turns

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	mr "github.com/ubunye-go/modelregistry"
)

// tagKey is the key of the tags.
const tagKey = "team"

// again returns the version that was registered with the key of a registration.
func (m *spec) again(s step, content string) (number string, result outcome, known bool) {
	for _, v := range m.now.versions {
		if v.key != s.once {
			continue
		}
		if v.content != content || s.version != "" && s.version != v.number {
			return v.number, exists, true
		}
		m.unchanged()
		return v.number, ok, true
	}
	number, known = m.now.dead[s.once]
	return number, exists, known
}

// unchanged makes a call that succeeds and changes nothing. It records Python's
// changes.
func (m *spec) unchanged() {
	if m.pending() != "" {
		m.record()
	}
}

// setAlias sets an alias, or removes it if the step has no version.
func (m *spec) setAlias(s step, at stamp) (string, outcome) {
	from := m.now.aliases[s.alias]
	switch {
	case m.now.order == nil && !m.known, s.version != "" && m.now.versions[s.version] == nil:
		return "", m.missing(s.version)
	case from == s.version:
		m.unchanged()
		return "", ok
	}
	m.commit("alias", fmt.Sprintf("alias   to  by %q%s", s.actor(), aliasChange(s.alias, from, s.version)), at, func() {
		if m.now.aliases == nil {
			m.now.aliases = map[string]string{}
		}
		if m.now.aliases[s.alias] = s.version; s.version == "" {
			delete(m.now.aliases, s.alias)
		}
	})
	return "", ok
}

func aliasChange(alias, from, to string) string {
	return fmt.Sprintf(" %s from %s to %s", alias, from, to)
}

// annotate sets the note of a version, or of the model.
func (m *spec) annotate(s step, at stamp) (string, outcome) {
	v := m.now.versions[s.version]
	if m.now.order == nil && !m.known || s.version != "" && v == nil {
		return "", m.missing(s.version)
	}
	before := m.now.note
	if v != nil {
		before = v.note
	}
	after := before.changed(s)
	if after == before {
		m.unchanged()
		return "", ok
	}
	about := fmt.Sprintf("annotate %s  to  by %q", s.version, s.actor())
	if after.tag != before.tag {
		about += " tag " + after.tag
	}
	if after.text != before.text {
		about += " text " + after.text
	}
	m.commit("annotate", about, at, func() {
		if v == nil {
			m.now.note = after
			return
		}
		noted := *v
		noted.note = after
		m.now.set(&noted)
	})
	return "", ok
}

// changed returns the note after a step.
func (n note) changed(s step) note {
	for _, x := range []struct {
		part *string
		to   string
	}{{&n.tag, s.tag}, {&n.text, s.text}} {
		switch x.to {
		case "":
		case "none":
			*x.part = ""
		default:
			*x.part = x.to
		}
	}
	return n
}

// change returns the note of a step for Go.
func (s step) change() (n mr.Note) {
	switch s.tag {
	case "":
	case "none":
		n.Remove = []string{tagKey}
	default:
		n.Set = map[string]string{tagKey: s.tag}
	}
	if s.text != "" {
		text := strings.TrimPrefix(s.text, "none")
		n.Description = &text
	}
	return n
}

// callName makes a step of Go that changes a name or a note.
func callName(ctx context.Context, r *mr.ModelRegistry, s step) error {
	switch o := (&mr.NoteOptions{Actor: s.actor()}); {
	case s.do == "alias":
		return r.SetAliases(ctx, modelName, map[string]string{s.alias: s.version}, &mr.AliasOptions{Actor: s.actor()})
	case s.version == "":
		return r.AnnotateModel(ctx, modelName, s.change(), o)
	default:
		return r.Annotate(ctx, modelName.At(s.version), s.change(), o)
	}
}

// aliasesOf returns the aliases of a version, sorted.
func (s state) aliasesOf(number string) (list []string) {
	for _, alias := range slices.Sorted(maps.Keys(s.aliases)) {
		if s.aliases[alias] == number {
			list = append(list, alias)
		}
	}
	return list
}

func noteOf(tags map[string]string, text string) (note, error) {
	n := note{tags[tagKey], text}
	if len(tags) > 1 || len(tags) == 1 && n.tag == "" {
		return n, fmt.Errorf("there are the tags %v, want at most %s", tags, tagKey)
	}
	return n, nil
}

// checkNames compares aliases and notes: in the listing, by reference and by
// history.
func (w *world) checkNames(ctx context.Context, r *mr.ModelRegistry, list []mr.ModelVersion) error {
	now := w.spec.now
	for _, v := range list {
		want := now.versions[v.Version]
		got, err := noteOf(v.Tags, v.Description)
		if err != nil || got != want.note || !slices.Equal(v.Aliases, now.aliasesOf(v.Version)) {
			return fmt.Errorf("version %s has the aliases %q and the note %+v, %w; want %q and %+v",
				v.Version, v.Aliases, got, err, now.aliasesOf(v.Version), want.note)
		}
	}
	facts, err := r.Facts(ctx, modelName)
	if err != nil && !errors.Is(err, mr.ErrNotFound) {
		return err
	}
	if got, err := noteOf(facts.Tags, facts.Description); err != nil || got != now.note || !maps.Equal(facts.Aliases, now.aliases) {
		return fmt.Errorf("the model has the aliases %v and the note %+v, %w; want %v and %+v", facts.Aliases, got, err, now.aliases, now.note)
	}
	for _, alias := range []string{"champion", "canary"} {
		if err := w.checkAlias(ctx, r, alias); err != nil {
			return err
		}
	}
	return nil
}

func (w *world) checkAlias(ctx context.Context, r *mr.ModelRegistry, alias string) error {
	number := w.spec.now.aliases[alias]
	p, err := r.AliasAt(ctx, modelName, alias, time.Time{})
	if p.Version != number || (err == nil) != (number != "") || err != nil && !errors.Is(err, mr.ErrNotFound) {
		return fmt.Errorf("by the history %s names %q, %w; want %q", alias, p.Version, err, number)
	}
	if w.spec.now.versions[number] == nil {
		number = "" // it was deleted
	}
	v, err := r.GetVersion(ctx, modelName.Aliased(alias))
	if v.Version != number || (err == nil) != (number != "") || err != nil && !errors.Is(err, mr.ErrNotFound) {
		return fmt.Errorf("%s means version %q, %w; want %q", alias, v.Version, err, number)
	}
	return nil
}
