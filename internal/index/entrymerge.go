package index

import (
	"bytes"
	"fmt"
	"slices"
	"sync"

	"github.com/ubunye-go/modelregistry/internal/document"
	"github.com/ubunye-go/modelregistry/internal/pyjson"
)

// moveKeys are the keys of an entry that a move changes. They are merged as
// one, so that no version gets the stage of one side with the times of the
// other.
var moveKeys = []string{"stage", "promoted_to_staging", "promoted_to_prod", "archived_at", "promoted_by"}

// An entryMerge merges one version's entry. It is a three-way merge if the
// entry is known that the other program started from, and a guess otherwise.
type entryMerge struct {
	base     []byte // the entry that the other program started from; nil if it is not known
	ours     []byte // the entry in the history
	theirs   []byte // the entry in the document
	proven   bool   // the document's key says that it started from base
	presumed bool   // base is likely, without evidence
	past     [][]byte

	// promotions are the raw times at which the other program put versions into
	// production. If it archived a version at one of these times, the promotion
	// was the reason.
	promotions map[string]bool

	baseFields *document.Fields // of base, or nil
	pastFields func() []document.Fields

	doubts []string
}

// A part is one or more fields of an entry that are merged as one.
type part struct {
	name string
	keys []string
}

// merge returns the merged entry, or nil if ours does not change.
func (m *entryMerge) merge() []byte {
	ours, err := document.Cut(m.ours)
	theirs, theirErr := document.Cut(m.theirs)
	if err != nil || theirErr != nil {
		return m.mergeWhole()
	}
	if base, err := document.Cut(m.base); m.base != nil && err == nil {
		m.baseFields = &base
	}
	m.pastFields = sync.OnceValue(m.cutPast)
	var kept []pyjson.Member
	changed := false
	for _, p := range parts(&ours, &theirs) {
		switch {
		case p.same(&ours, &theirs):
		case m.takesTheirs(p, &ours, &theirs):
			changed = true
		default:
			for _, key := range p.keys {
				kept = append(kept, pyjson.Member{Key: key, Value: layOutValue(ours.Get(key))})
			}
		}
	}
	switch {
	case !changed:
		return nil
	case kept == nil:
		return m.theirs
	}
	return document.Overlay(m.theirs, kept)
}

// layOutValue lays out a value that is not nil.
func layOutValue(raw []byte) []byte {
	if raw == nil {
		return nil
	}
	return document.Lay(pyjson.Compact(nil, raw))
}

// parts returns the parts of two entries: the move, and every other field.
func parts(entries ...*document.Fields) []part {
	list := []part{{"stage", moveKeys}}
	listed := map[string]bool{}
	for _, key := range moveKeys {
		listed[key] = true
	}
	add := func(key string) {
		if !listed[key] {
			listed[key] = true
			list = append(list, part{key, []string{key}})
		}
	}
	for _, key := range document.Keys {
		add(key)
	}
	for _, f := range entries {
		for _, m := range f.Others() {
			add(m.Key)
		}
	}
	return list
}

func (p part) same(a, b *document.Fields) bool {
	for _, key := range p.keys {
		if !sameValue(fieldOf(a, key), fieldOf(b, key)) {
			return false
		}
	}
	return true
}

// fieldOf returns a raw value. A missing stage means development.
func fieldOf(f *document.Fields, key string) []byte {
	raw := f.Get(key)
	if key == "stage" && sameValue(raw, nil) {
		return []byte(`"` + Development + `"`)
	}
	return raw
}

// sameValue compares raw values. A missing value equals null.
func sameValue(a, b []byte) bool {
	if a == nil {
		a = []byte("null")
	}
	if b == nil {
		b = []byte("null")
	}
	return bytes.Equal(a, b) || pyjson.Same(a, b)
}

// takesTheirs reports whether the merged entry gets the document's value of a
// part in which the entries differ.
func (m *entryMerge) takesTheirs(p part, ours, theirs *document.Fields) bool {
	base := m.baseFields
	if base == nil {
		return m.guess(p, theirs)
	}
	switch {
	case p.same(base, theirs):
		return false // the other program did not change it
	case p.isMove() && !m.proven && !follows(base, theirs) && m.hadBefore(p, theirs):
		m.doubts = append(m.doubts, "the stage in the document is an older one, which a program that read the present one would not write; it stays as the history has it")
		return false
	case !p.isMove() || p.same(base, ours):
		if m.presumed && m.hadBefore(p, theirs) {
			m.doubt(p, "it counts")
		}
		return true
	}
	// Both sides moved the version, and the other program did not know our
	// move. Its own move came later and counts. One case is different: the
	// other program found the version in production, where it no longer is, and
	// only changed a name or another time.
	if stageIn(theirs) == Production && !moved(base, theirs) {
		m.doubts = append(m.doubts, "a time or a name beside the stage was edited while the version left production; it is not put back there")
		return false
	}
	return !m.archivedByPromotion(base, theirs)
}

func (p part) isMove() bool { return p.name == "stage" }

// guess is takesTheirs if the base is not known. If the history never had the
// document's value, the other program wrote it. Otherwise that program may have
// written it, or may have read an older document. Then the history's value
// stays, because it was acknowledged.
func (m *entryMerge) guess(p part, theirs *document.Fields) bool {
	if !m.hadBefore(p, theirs) {
		return true
	}
	m.doubt(p, "it stays as the history has it")
	return false
}

func (m *entryMerge) doubt(p part, made string) {
	m.doubts = append(m.doubts, fmt.Sprintf("%s in the document is as it was before: another program set it so, or did not know of the last change; %s", p.name, made))
}

// hadBefore reports whether the history ever had the value of a part in an
// entry.
func (m *entryMerge) hadBefore(p part, as *document.Fields) bool {
	return slices.ContainsFunc(m.pastFields(), func(f document.Fields) bool { return p.same(&f, as) })
}

func (m *entryMerge) cutPast() (list []document.Fields) {
	for _, raw := range m.past {
		if f, err := document.Cut(raw); err == nil {
			list = append(list, f)
		}
	}
	return list
}

// mergeWhole merges entries as a whole, if one of them is not an object.
func (m *entryMerge) mergeWhole() []byte {
	switch {
	case pyjson.Same(m.ours, m.theirs), m.base != nil && pyjson.Same(m.base, m.theirs):
		return nil
	case m.base == nil && slices.ContainsFunc(m.past, func(raw []byte) bool { return pyjson.Same(raw, m.theirs) }):
		m.doubts = append(m.doubts, "the entry in the document is as it was before; it stays as the history has it")
		return nil
	}
	return m.theirs
}

// follows reports whether moves can turn one entry into the other. No program
// takes back the time of a move.
func follows(before, after *document.Fields) bool {
	for _, key := range moveKeys {
		if key == "stage" || key == "promoted_by" {
			continue
		}
		was, is := before.Get(key), after.Get(key)
		if sameValue(was, is) || sameValue(was, nil) {
			continue
		}
		if sameValue(is, nil) || is[0] != '"' {
			return false
		}
		if was[0] != '"' {
			continue
		}
		x, err1 := parseTime(pyjson.Text(was))
		y, err2 := parseTime(pyjson.Text(is))
		if err1 == nil && err2 == nil && y.Before(x) {
			return false
		}
	}
	return true
}

// moved reports whether a version was moved between two entries: its stage
// differs, or it entered the same stage again.
func moved(before, after *document.Fields) bool {
	if !sameValue(fieldOf(before, "stage"), fieldOf(after, "stage")) {
		return true
	}
	key := stageTimeKeys[stageIn(after)]
	return key != "" && !sameValue(before.Get(key), after.Get(key))
}

// archivedByPromotion reports whether the other program archived a version only
// because it put another version into production.
func (m *entryMerge) archivedByPromotion(base, theirs *document.Fields) bool {
	return m.promotions[string(theirs.Get("archived_at"))] && stageIn(base) == Production && stageIn(theirs) == Archived
}

func stageIn(f *document.Fields) string {
	raw := fieldOf(f, "stage")
	if raw[0] != '"' {
		return Development // the default, as in entryStage
	}
	return stageNamed(pyjson.Text(raw))
}
