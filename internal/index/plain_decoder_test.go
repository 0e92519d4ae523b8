package index

// The decoders before they read a line in one pass, which are slower and
// simpler. FuzzReference compares the present decoders with them.

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/ubunye-go/modelregistry/internal/document"
	"github.com/ubunye-go/modelregistry/internal/format"
	"github.com/ubunye-go/modelregistry/internal/pyjson"
)

// FuzzReference checks that a line, and the entries in it, are read, refused
// and written as by the plain decoders.
func FuzzReference(f *testing.F) {
	logs, err := filepath.Glob("../../testdata/stores/*/*/*/history.jsonl")
	if err != nil || len(logs) == 0 {
		f.Fatalf("no histories: %v", err)
	}
	for _, name := range append(logs, "../../testdata/history/history.jsonl") {
		log, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		for line := range bytes.Lines(log) {
			line = bytes.TrimRight(line, " \n")
			held, _ := Unseal(line)
			f.Add(line, false)
			f.Add(held, true)
		}
	}
	for _, held := range []string{
		`{"event":1,"op":"a","event":2,"op":"\u0062","after":{"1":{}},"after":{"1":{},"2":7,"\u0033":[]},"extra":{"1":{"entered":4}},"extra":{"1":{"entered":5},"3":{"entered":-6,"\u0061":"é"}}`,
		`{"extra":{"1":{"gates":{"min_a":NaN}}},"after":{"1":{}},"event":3,"op":"x"`,
		`{"extra":{"1":{"later":{"a":[NaN]},"gates":[1],"entered":"7"}},"after":{"1":{}},"event":3,"op":"x","model":{"needs":["a"],"é":NaN},"model":7`,
		`{"event":3,"op":"x","model":{"a":1},"model": {"promotion_gates":{"min_a":0.5}} ,"checkpoint":0`,
		`{"after":{"1":{"stage":"\u0070roduction","stage":1,"promotion_gates":{"min_a":1,"b":2}},"2":{"stage":""},"3":[]},"event":3,"op":"x","reset":null`,
		`{"event":99999999999999999999,"time":"2026-02-30T00:00:00.000000+00:00","after":null,"extra":[1]`,
		`{"event":1e3,"refused":1,"id":null,"actor":NaN,"from":"\ud800","to":7,"removed":["a",null]`,
		` {"event" : 1 , "op" : "x" , "gates" : [ {"name":"\"", "actual":Infinity}, 3 ],"after":{"1.0.0":{"z":1,"version":"2","z":2,"registered_at":"x","metrics":[]}}`,
		`{"\u0065vent":1,"op":"x","prev":"a","unknown":{"a":[[[1]]]},"after":{"a":{"stage":"` + "\x7f" + `"}}`,
		`{"event":1,"op":"x","after":{"a":{"b":tru}}`, `{"after":{"a":`, `{"event":1,"op":"x"}}`, `[]`, ``, "{\"id\":\"\xff\"",
	} {
		f.Add([]byte(held), true)
		f.Add([]byte(held), false)
	}
	f.Fuzz(func(t *testing.T, line []byte, seal bool) {
		if seal {
			line = Seal(line)
		}
		want, wantErr := plainEvent(line)
		got, err := DecodeEvent(line)
		if diff := cmp.Diff(faultIn(wantErr), faultIn(err)); diff != "" {
			t.Fatalf("the error (-want +got):\n%s", diff)
		}
		effect, effectErr := decodeEffect(line, "")
		if diff := cmp.Diff(faultIn(err), faultIn(effectErr)); diff != "" {
			t.Fatalf("the error of its effect (-event +effect):\n%s", diff)
		}
		if err != nil && !errors.Is(err, ErrChecksum) {
			return
		}
		withoutTexts := *got
		withoutTexts.ID, withoutTexts.Actor, withoutTexts.Reason, withoutTexts.Gates = "", "", "", nil
		withoutTexts.Aliases, withoutTexts.Note = nil, nil
		if diff := cmp.Diff(fmt.Sprintf("%#v", withoutTexts), fmt.Sprintf("%#v", *effect)); diff != "" {
			t.Errorf("its effect (-event +effect):\n%s", diff)
		}
		for i := range got.After {
			im := &got.After[i]
			if stage := plainStage(im.Raw); im.Stage() != stage || stageOf(im.Raw) != stage {
				t.Errorf("%s is in %q or %q, not %q", im.Raw, im.Stage(), stageOf(im.Raw), stage)
			}
			im.stageRead = ""
			a, b := plainFields(im.Version, im.Raw), ReadFields(im.Version, im.Raw)
			if diff := cmp.Diff(fmt.Sprintf("%#v", a), fmt.Sprintf("%#v", b)); diff != "" {
				t.Errorf("the entry %s (-want +got):\n%s", im.Raw, diff)
			}
			set := []pyjson.Member{{Key: "stage", Value: []byte(`"staging"`)}, {Key: "promoted_by", Value: []byte("null")}}
			if diff := cmp.Diff(string(plainSet(im.Raw, set)), string(document.Set(im.Raw, set))); diff != "" {
				t.Errorf("%s changed (-want +got):\n%s", im.Raw, diff)
			}
			if diff := cmp.Diff(string(plainEntering(im.Extra, 7)), string(withEntered(im.Extra, 7))); diff != "" {
				t.Errorf("%s, entering (-want +got):\n%s", im.Extra, diff)
			}
		}
		if diff := cmp.Diff(want.Note, got.Note); diff != "" {
			t.Errorf("the note (-want +got):\n%s", diff)
		}
		want.Note, got.Note = nil, nil // %#v prints where they are
		if diff := cmp.Diff(fmt.Sprintf("%#v", *want), fmt.Sprintf("%#v", *got)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

// faultIn returns the part of a decoder's error that callers use.
func faultIn(err error) string {
	at := int64(-1)
	if syntax := (*pyjson.SyntaxError)(nil); errors.As(err, &syntax) {
		at = syntax.Offset
	}
	return fmt.Sprint(err, at, errors.Is(err, ErrChecksum))
}

func plainEvent(line []byte) (*Event, error) {
	if !utf8.Valid(line) {
		return nil, errors.New("it is not UTF-8")
	}
	members, err := pyjson.Object(line)
	if err != nil {
		return nil, err
	}
	e, first := &Event{}, error(nil)
	fail := func(key string, err error) {
		if err != nil && first == nil {
			first = fmt.Errorf("%s: %w", key, err)
		}
	}
	object := func(m pyjson.Member) []pyjson.Member {
		members, err := pyjson.Object(m.Value)
		fail(m.Key, err)
		return members
	}
	text := func(m pyjson.Member) (s string) {
		fail(m.Key, json.Unmarshal(m.Value, &s))
		return s
	}
	into := map[string]any{"event": &e.Number, "id": &e.ID, "op": &e.Op, "version": &e.Version, "actor": &e.Actor, "reason": &e.Reason,
		"refused": &e.Refused, "skipped_gates": &e.SkippedGates, "reset": &e.Reset, "removed": &e.Removed, "reused": &e.Reused, "document": &e.Document, "prev": &e.Prev}
	var extras []pyjson.Member
	for _, m := range members {
		switch m.Key {
		case "id", "op", "version", "actor", "reason", "document", "prev":
			*into[m.Key].(*string) = text(m)
		case "time":
			e.Time, err = time.Parse(time.RFC3339Nano, text(m))
			e.Time = e.Time.UTC()
			fail(m.Key, err)
		case "from":
			e.From = text(m)
		case "to":
			e.To = text(m)
		case "gates":
			if _, err := pyjson.Array(m.Value); err == nil {
				e.Gates = m.Value
			} else {
				fail(m.Key, err)
			}
		case "after":
			for _, im := range object(m) {
				e.After = append(e.After, Image{Version: im.Key, Raw: im.Value, compact: true})
			}
		case "extra":
			extras = object(m)
		case "model":
			if object(m); m.Value[0] == '{' {
				e.Model = m.Value
			}
		case "deleted":
			if len(object(m)) > 0 {
				e.Deleted = m.Value
			}
		case "aliases":
			for _, change := range object(m) {
				var c struct{ From, To string }
				fail(m.Key, json.Unmarshal(change.Value, &c))
				e.Aliases = append(e.Aliases, AliasChange{change.Key, c.From, c.To})
			}
		case "note":
			if len(object(m)) > 0 {
				e.Note = &AnnotationChange{}
				fail(m.Key, json.Unmarshal(m.Value, e.Note))
			}
		case "doubts":
			for _, said := range object(m) {
				e.Doubts = append(e.Doubts, Doubt{said.Key, text(said)})
			}
		case "checkpoint":
			e.Unnoted = true
		default:
			if field := into[m.Key]; field != nil {
				fail(m.Key, json.Unmarshal(m.Value, field))
			}
		}
	}
	for _, m := range extras {
		for i := range slices.Backward(e.After) {
			if im := &e.After[i]; im.Version == m.Key {
				fail(m.Key, plainExtraFault(m.Value))
				if im.Extra = pyjson.Compact(nil, m.Value); string(m.Value) == "{}" {
					im.Extra = nil
				}
				break
			}
		}
	}
	if first == nil && (e.Number < 1 || e.Number > format.MaxEvent || e.Op == "") {
		first = errors.New("it is not an event")
	}
	held := line[:max(0, len(line)-len(`,"crc32c":"00000000"}`))]
	if sealed := fmt.Sprintf(`%s,"crc32c":"%08x"}`, held, crc32.Checksum(held, castagnoli())); sealed != string(line) && first == nil {
		first = ErrChecksum
	}
	e.Hash = fmt.Sprintf("%x", sha256.Sum256(line))
	return e, first
}

// plainExtraFault returns the fault in an extra. Gates are not checked.
func plainExtraFault(raw []byte) error {
	members, err := pyjson.Object(raw)
	for _, m := range members {
		var number int64
		var text string
		switch {
		case string(m.Value) == "null":
		case m.Key == "entered" && json.Unmarshal(m.Value, &number) != nil:
			return fmt.Errorf("entered is not the number of an event: %s", m.Value)
		case slices.Contains([]string{"registered_by", "source_revision", "manifest"}, m.Key) && json.Unmarshal(m.Value, &text) != nil:
			return fmt.Errorf("%s is not a string", m.Key)
		}
	}
	return err
}

func plainStage(raw []byte) string {
	members, err := pyjson.Object(raw)
	if err != nil {
		return ""
	}
	stage := Development
	for _, m := range members {
		if m.Key == "stage" {
			if stage = Development; m.Value[0] == '"' && len(m.Value) > 2 {
				stage = pyjson.Unquote(m.Value)
			}
		}
	}
	return stage
}

func plainFields(version string, raw []byte) (f fields) {
	members, err := pyjson.Object(raw)
	if err != nil {
		f.problem("the entry is not an object")
		return f
	}
	seen := map[string][]byte{}
	for _, m := range members {
		seen[m.Key] = m.Value
	}
	text := func(key string) string {
		switch raw := seen[key]; {
		case raw == nil || string(raw) == "null":
		case raw[0] != '"':
			f.problem("%s is not a string", key)
		default:
			return pyjson.Unquote(raw)
		}
		return ""
	}
	if f.Stage = text("stage"); f.Stage == "" {
		f.Stage = Development
	}
	if !slices.Contains(Stages, f.Stage) {
		f.problem("unknown stage %q", f.Stage)
	}
	if own := text("version"); own != "" && own != version {
		f.problem("the entry calls itself version %q", own)
	}
	for _, field := range []struct {
		key  string
		into *time.Time
	}{{"registered_at", &f.RegisteredAt}, {"promoted_to_staging", &f.PromotedToStaging}, {"promoted_to_prod", &f.PromotedToProduction}, {"archived_at", &f.ArchivedAt}} {
		if s := text(field.key); s != "" {
			if *field.into, err = time.Parse(time.RFC3339Nano, s); err != nil {
				f.problem("%s: %q is not an RFC 3339 time", field.key, s)
				*field.into = time.Time{}
			}
			*field.into = field.into.UTC()
		}
	}
	for _, field := range []struct {
		key  string
		into *[]byte
	}{{"metrics", &f.Metrics}, {"metadata", &f.Metadata}} {
		switch raw := seen[field.key]; {
		case raw == nil || string(raw) == "null":
		case raw[0] != '{':
			f.problem("%s is not an object", field.key)
		default:
			*field.into = raw
		}
	}
	f.LineageRunID, f.ConfigHash, f.PromotedBy = text("lineage_run_id"), text("config_hash"), text("promoted_by")
	f.Gates = seen["promotion_gates"]
	return f
}

func plainSet(raw []byte, set []pyjson.Member) []byte {
	old, _ := pyjson.Object(raw)
	last := map[string]pyjson.Member{}
	for _, m := range append(old, set...) {
		last[m.Key] = m
	}
	sep, b := "{", []byte(nil)
	put := func(key, value []byte) {
		b = fmt.Appendf(b, "%s\n      %s: %s", sep, key, value)
		sep = ","
	}
	ours := map[string]bool{}
	for _, key := range document.Keys {
		ours[key] = true
		if m, ok := last[key]; ok {
			put(pyjson.Quote(key), m.Value)
		} else {
			put(pyjson.Quote(key), []byte("null"))
		}
	}
	for _, m := range old {
		if !ours[m.Key] && last[m.Key].Start == m.Start {
			put(m.Raw, m.Value)
		}
	}
	return append(b, "\n    }"...)
}

func plainEntering(raw []byte, event int64) []byte {
	b := []byte(`{"entered":` + strconv.FormatInt(event, 10))
	members, _ := pyjson.Object(raw)
	for _, m := range members {
		if m.Key != "entered" {
			b = fmt.Appendf(b, ",%s:%s", m.Raw, m.Value)
		}
	}
	return append(b, '}')
}
