package index

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"testing"

	"github.com/ubunye-go/modelregistry/internal/document"
	"github.com/ubunye-go/modelregistry/internal/pyjson"
)

var fuzzCheckpoint = regexp.MustCompile(`,"checkpoint":\d+`)

// notedLog returns the frozen history as a release writes it that leaves notes.
func notedLog(log []byte) (noted []byte) {
	hash := ""
	for line := range bytes.Lines(log) {
		held, _ := Unseal(bytes.TrimRight(line, " \n"))
		held = fuzzPrev.ReplaceAll(fuzzCheckpoint.ReplaceAll(held, nil), []byte(`"prev":"`+hash+`"`))
		sealed := Seal(held)
		hash = HashLine(sealed)
		noted = append(append(noted, sealed...), '\n')
	}
	return noted
}

// FuzzThreeWay checks merges with a known base: each field has the other
// program's value if that program changed it, and the history's value
// otherwise.
func FuzzThreeWay(f *testing.F) {
	frozen, documents := fuzzStore(f)
	log := notedLog(frozen)
	ours, events, err := Replay(fuzzUseCase, fuzzModelName, log, int64(len(log)))
	if err != nil {
		f.Fatal(err)
	}
	for at := range events {
		for _, doc := range documents {
			gone := bytes.Replace(doc, []byte(`"modelregistry"`), []byte(`"gone"`), 1)
			f.Add(gone, uint8(at), uint8(255))
			f.Add(bytes.Replace(gone, []byte(`"metrics": {`), []byte(`"metrics": {"x": 1, `), -1), uint8(at), uint8(255))
			f.Add(bytes.Replace(gone, []byte(`"stage": "development"`), []byte(`"stage": "staging"`), -1), uint8(at), uint8(255))
			f.Add(bytes.Replace(gone, []byte(`"1.0.1": {`), []byte(`"3.0.0": {`), 1), uint8(at), uint8(1))
		}
	}
	f.Fuzz(func(t *testing.T, doc []byte, at, trees uint8) {
		d, err := document.Parse(doc)
		if err != nil || d.Mark != nil {
			t.Skip()
		}
		base := events[int(at)%len(events)]
		hasFiles := map[string]bool{}
		for i, e := range ours.Entries {
			hasFiles[e.Version] = trees>>i&1 == 1
		}
		tree := func(version string) Tree {
			if hasFiles[version] {
				return OurTree
			}
			return NoTree
		}
		s, all, err := Replay(fuzzUseCase, fuzzModelName, log, int64(len(log)))
		if err != nil {
			t.Fatal(err)
		}
		s.Merge(d, all, DocumentNote{Text: fmt.Sprint(base.Number, " ", base.Hash), Kept: true}, true, tree)
		then := New(fuzzUseCase, fuzzModelName)
		for _, e := range events {
			if e.Number <= base.Number {
				then.Apply(e, 0)
			}
		}
		theirs := map[string][]byte{}
		for _, e := range d.Entries {
			theirs[e.Version] = e.Raw
		}
		doubted := map[string]bool{}
		if s.Pending != nil {
			for _, doubt := range s.Pending.Doubts {
				doubted[doubt.Version] = true
			}
		}
		for _, e := range ours.Entries {
			if theirs[e.Version] == nil {
				is := s.Get(e.Version) != nil
				if want := hasFiles[e.Version]; is != want {
					t.Errorf("%s is not in the document; files exist: %t; listed: %t", e.Version, want, is)
				}
			}
		}
		for version, raw := range theirs {
			is, our := s.Get(version), ours.Get(version)
			switch {
			case is == nil:
				t.Errorf("%s of the document is lost", version)
			case our == nil:
				if !pyjson.Equal(is.Raw, raw) {
					t.Errorf("%s was added as %s, and is %s", version, raw, is.Raw)
				}
			case then.Get(version) != nil && !differentVersions(our.Raw, raw):
				checkThreeWay(t, version, then.Get(version).Raw, our.Raw, raw, is.Raw, doubted[version])
			}
		}
	})
}

// checkThreeWay compares a merged entry with the rule, field by field.
func checkThreeWay(t *testing.T, version string, base, ours, theirs, merged []byte, doubted bool) {
	t.Helper()
	b, o, h, m := fieldsOf(base), fieldsOf(ours), fieldsOf(theirs), fieldsOf(merged)
	if h == nil || m == nil {
		return // not an entry of the format
	}
	same := func(x, y map[string]string, keys ...string) bool {
		return !slices.ContainsFunc(keys, func(key string) bool { return x[key] != y[key] })
	}
	move := []string{"stage", "promoted_to_staging", "promoted_to_prod", "archived_at", "promoted_by"}
	keys := map[string]bool{}
	for _, f := range []map[string]string{b, o, h, m} {
		for key := range f {
			keys[key] = !slices.Contains(move, key)
		}
	}
	for key, alone := range keys {
		want := h
		if same(h, b, key) {
			want = o
		}
		if alone && m[key] != want[key] {
			t.Errorf("%s: %s is %s; it was %s, the history has %s and the document %s", version, key, m[key], b[key], o[key], h[key])
		}
	}
	archived := m["stage"] == `"archived"` && o["stage"] == `"production"` // another version was promoted
	switch {
	case archived && !same(m, h, move...):
	case same(h, b, move...) && !same(m, o, move...), !same(h, b, move...) && same(o, b, move...) && !doubted && !same(m, h, move...):
		t.Errorf("%s: the move is %v; it was %v, the history has %v and the document %v", version, m, b, o, h)
	case !same(m, h, move...) && !same(m, o, move...):
		t.Errorf("%s: the move is %v, of both sides: the history has %v and the document %v", version, m, o, h)
	}
}

// fieldsOf returns the compact values of an entry except null, or nil if it is
// not an entry.
func fieldsOf(raw []byte) map[string]string {
	members, err := pyjson.Object(raw)
	if err != nil {
		return nil
	}
	fields := map[string]string{"stage": `"development"`}
	for _, m := range members {
		delete(fields, m.Key)
		value := string(sortedJSON(m.Value))
		if m.Key == "stage" && (value == "null" || value == `""`) {
			value = `"development"`
		}
		if value != "null" {
			fields[m.Key] = value
		}
	}
	if fields["stage"] == "" {
		fields["stage"] = `"development"`
	}
	return fields
}

// sortedJSON returns a value with the members of objects in order.
func sortedJSON(raw []byte) []byte {
	members, err := pyjson.Object(raw)
	if err != nil {
		list, err := pyjson.Array(raw)
		if err != nil {
			return pyjson.Compact(nil, raw)
		}
		b := []byte("[")
		for _, v := range list {
			b = append(append(b, sortedJSON(v)...), ',')
		}
		return append(b, ']')
	}
	var parts [][]byte
	for _, m := range members {
		parts = append(parts, append(append(pyjson.Quote(m.Key), ':'), sortedJSON(m.Value)...))
	}
	slices.SortStableFunc(parts, bytes.Compare)
	return append(append([]byte("{"), bytes.Join(parts, []byte(","))...), '}')
}
