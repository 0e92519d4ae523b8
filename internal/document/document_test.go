package document_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/ubunye-go/modelregistry/internal/document"
	"github.com/ubunye-go/modelregistry/internal/pyjson"
)

// python is a document as json.dumps(…, indent=2) writes it.
const python = `{
  "model_name": "FraudRiskModel",
  "use_case": "fraud_detection",
  "versions": {
    "1.0.0": {
      "version": "1.0.0",
      "stage": "production",
      "registered_at": "2026-11-23T05:30:11.655479+00:00",
      "promoted_to_staging": null,
      "promoted_to_prod": "2026-11-23T05:30:12+00:00",
      "archived_at": null,
      "metrics": {
        "n": 1.0,
        "rows": 1,
        "big": 123456789012345678901234567890,
        "loss": 1e-07,
        "psi": NaN,
        "gain": -Infinity
      },
      "metadata": {
        "note": "Gr\u00f6\u00dfe <b> & / \ud83d\ude00\u007f",
        "lone": "\ud800",
        "empty": {},
        "list": [],
        "nested": [
          1,
          {
            "a": null
          }
        ]
      },
      "lineage_run_id": null,
      "config_hash": null,
      "promoted_by": null
    },
    "0.9.0": null
  }
}`

// strange has entries in unusual layouts.
const strange = "{\"x\":1,  \"versions\" : {\"b\":{\"stage\":\"staging\" ,\r\n\t\"unknown\": {\"z\":1.0,\"a\":1}},\"a\" :[ 1 ], \"c\":NaN,\"\\u00e9\": \"é\"},\"use_case\":\"u\",\n\"zz\":[NaN]}\n"

func parse(t *testing.T, data []byte) *document.Document {
	t.Helper()
	d, err := document.Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func entries(d *document.Document) [][2]string {
	var list [][2]string
	for _, e := range d.Entries {
		list = append(list, [2]string{e.Version, string(e.Raw)})
	}
	return list
}

func keys(d *document.Document) (list []string) {
	for _, m := range d.Head {
		list = append(list, m.Key)
	}
	return list
}

func TestPythonBytesAreKept(t *testing.T) {
	t.Parallel()
	frozen, err := os.ReadFile("../../testdata/stores/python-0.1.7/fraud_detection/FraudRiskModel/registry.json")
	if err != nil {
		t.Fatal(err)
	}
	texts := map[string]string{
		"full":         python,
		"frozen":       strings.ReplaceAll(string(frozen), "\r\n", "\n"),
		"no versions":  "{\n  \"model_name\": \"m\",\n  \"use_case\": \"u\",\n  \"versions\": {}\n}",
		"reordered":    "{\n  \"versions\": {\n    \"1.0.0\": {}\n  },\n  \"use_case\": \"u\",\n  \"model_name\": \"m\"\n}",
		"further keys": "{\n  \"owner\": {\n    \"b\": 1.0,\n    \"a\": NaN\n  },\n  \"versions\": {},\n  \"\\u00e9\": 1\n}",
	}
	for name, text := range texts {
		d := parse(t, []byte(text))
		if d.Mark != nil || d.Intact {
			t.Errorf("%s: the document has a mark, want none", name)
		}
		if diff := cmp.Diff(text, string(document.Format(d))); diff != "" {
			t.Errorf("%s:\n%s", name, diff)
		}
	}
}

func TestNew(t *testing.T) {
	t.Parallel()
	want := "{\n  \"model_name\": \"M\\u00f6\",\n  \"use_case\": \"u\",\n  \"versions\": {}\n}"
	if diff := cmp.Diff(want, string(document.Format(document.New("u", "Mö")))); diff != "" {
		t.Error(diff)
	}
}

func TestEntriesKeepTheirBytes(t *testing.T) {
	t.Parallel()
	d := parse(t, []byte(strange))
	want := [][2]string{
		{"b", "{\"stage\":\"staging\" ,\r\n\t\"unknown\": {\"z\":1.0,\"a\":1}}"}, {"a", "[ 1 ]"}, {"c", "NaN"}, {"é", `"é"`},
	}
	if diff := cmp.Diff(want, entries(d)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"x", "versions", "use_case", "zz"}, keys(d)); diff != "" {
		t.Error(diff)
	}
	d.Mark = mark()
	again := parse(t, document.Format(d))
	if diff := cmp.Diff(want, entries(again)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(keys(d), keys(again)); diff != "" {
		t.Error(diff)
	}
	for i, m := range d.Head {
		if !bytes.Equal(m.Value, again.Head[i].Value) {
			t.Errorf("the value of %s became %s", m.Key, again.Head[i].Value)
		}
	}
}

func TestParseIsTolerant(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		text    string
		entries [][2]string
		keys    []string
	}{
		"null versions":    {`{"versions":null}`, nil, []string{"versions"}},
		"a version twice":  {`{"versions":{"a":1,"b":2,"a":3}}`, [][2]string{{"a", "3"}, {"b", "2"}}, []string{"versions"}},
		"versions twice":   {`{"versions":{"a":1},"x":0,"versions":{"b":2}}`, [][2]string{{"b", "2"}}, []string{"versions", "x"}},
		"case counts":      {`{"Versions":1,"versions":{"A":1,"a":2}}`, [][2]string{{"A", "1"}, {"a", "2"}}, []string{"Versions", "versions"}},
		"our key, no mark": {`{"versions":{},"modelregistry":7}`, nil, []string{"versions"}},
	}
	for name, tt := range tests {
		d := parse(t, []byte(tt.text))
		if diff := cmp.Diff(tt.entries, entries(d)); diff != "" {
			t.Errorf("%s:\n%s", name, diff)
		}
		if diff := cmp.Diff(tt.keys, keys(d)); diff != "" {
			t.Errorf("%s:\n%s", name, diff)
		}
		if d.Mark != nil || d.Intact {
			t.Errorf("%s: the document has a mark, want none", name)
		}
	}
}

func TestParseErrors(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		text string
		at   int64
	}{
		"empty":             {"", 0},
		"empty object":      {"{}", 2},
		"versions misspelt": {`{"Versions":{"1.0.0":{}},"model_name":"m"}`, 42},
		"white space":       {" \n", 2},
		"BOM":               {"\xef\xbb\xbf{}", 0},
		"trailing bytes":    {"{}\n{}", 3},
		"NULs":              {"\x00\x00", 0},
		"NULs at the end":   {"{}\x00", 2},
		"a list":            {"[]", 0},
		"null":              {"null", 0},
		"truncated":         {python[:100], 96},
		"versions: list":    {`{"versions": []}`, 13},
		"versions: string":  {`{"versions": "x"}`, 13},
		"not JSON":          {"model_name: x\n", 0},
		"a bad entry":       {`{"versions": {"a": {"x": nan}}}`, 25},
	}
	for name, tt := range tests {
		_, err := document.Parse([]byte(tt.text))
		var syntax *pyjson.SyntaxError
		if !errors.As(err, &syntax) {
			t.Errorf("%s: got error %v, want a *SyntaxError", name, err)
		} else if syntax.Offset != tt.at && name != "truncated" {
			t.Errorf("%s: fault at %d, want %d", name, syntax.Offset, tt.at)
		}
	}
}

// Bytes that are not UTF-8 are not JSON. Python refuses them, and in a key they
// could not be written back.
func TestParseRefusesInvalidUTF8(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"{\"versions\": {\"\x86\": {}, \"\x87\": {}}}", "{\"versions\": {\"1.0.0\": {\"metadata\": {\"name\": \"Gr\xf6\xdfe\"}}}}",
	} {
		if _, err := document.Parse([]byte(text)); err == nil {
			t.Errorf("Parse(%q) succeeded, want an error", text)
		}
	}
}

func mark() *document.Mark {
	return &document.Mark{Format: 2,
		Removed:     []string{"0.8.0", "é"},
		Productions: []string{"0.8.0", "1.0.0"},
		Event:       42, Offset: 10345, Hash: strings.Repeat("ab", 32), External: 40,
	}
}

// note gives a version an extra, which only our key has a place for.
func note(d *document.Document, version string) {
	i := slices.IndexFunc(d.Entries, func(e document.Entry) bool { return e.Version == version })
	d.Entries[i].Extra = []byte(`{"manifest":"ab","gates":{"min_auc":0.5}}`)
}

func extras(d *document.Document) map[string]string {
	m := map[string]string{}
	for _, e := range d.Entries {
		if e.Extra != nil {
			m[e.Version] = string(e.Extra)
		}
	}
	return m
}

func TestMark(t *testing.T) {
	t.Parallel()
	d := parse(t, []byte(python))
	d.Mark = mark()
	note(d, "1.0.0")
	data := document.Format(d)
	if !bytes.HasPrefix(data, []byte(python[:len(python)-2]+",\n  \"modelregistry\": {\n")) {
		t.Errorf("our key is not the last:\n%s", data)
	}
	for i, c := range data {
		if c > 0x7e || c < 0x20 && c != '\n' {
			t.Fatalf("byte %d is %q, want ASCII", i, c)
		}
	}
	again := parse(t, data)
	if !again.Intact {
		t.Error("the document is not intact after it was written")
	}
	if diff := cmp.Diff(mark(), again.Mark); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(map[string]string{"1.0.0": `{"manifest":"ab","gates":{"min_auc":0.5}}`}, extras(again)); diff != "" {
		t.Error(diff)
	}
	if at, ok := document.Position(data); at.Event != 42 || at.Offset != 10345 || at.Hash != mark().Hash || !ok {
		t.Errorf("Position = %+v, %t, want event 42 and true", at, ok)
	}
	if diff := cmp.Diff(entries(d), entries(again)); diff != "" {
		t.Error(diff)
	}
	if !bytes.Equal(document.Format(again), data) {
		t.Error("the document differs when it is written again")
	}
	// An empty mark in an empty document.
	empty := document.New("u", "m")
	empty.Mark = &document.Mark{}
	if d := parse(t, document.Format(empty)); d.Mark == nil || !d.Intact {
		t.Error("an empty mark is not intact")
	}
}

// Any byte of a document is changed, removed or added. Then the document is
// refused, or the edit is noticed, or the document still means the same.
func TestMarkShowsAnyEdit(t *testing.T) {
	t.Parallel()
	d := parse(t, []byte(python))
	d.Mark = mark()
	note(d, "1.0.0")
	data := document.Format(d)
	same := func(e *document.Document) bool {
		return cmp.Equal(entries(e), entries(parse(t, data))) && cmp.Equal(keys(e), keys(d)) && cmp.Equal(e.Mark, parse(t, data).Mark) &&
			cmp.Equal(extras(e), extras(d))
	}
	sum := bytes.LastIndex(data, []byte(`"crc32c"`))
	check := func(what string, at int, edited []byte) {
		t.Helper()
		e, err := document.Parse(edited)
		pos, ours := document.Position(edited)
		if err != nil || !e.Intact {
			if ours {
				t.Errorf("%s at %d of %d: Position does not notice", what, at, sum)
			}
			return
		}
		if ours && (pos.Event != e.Mark.Event || pos.Offset != e.Mark.Offset || pos.Hash != e.Mark.Hash) {
			t.Errorf("after %s at %d the position is %+v", what, at, pos)
		}
		if at < sum || !same(e) {
			t.Errorf("%s at %d of %d: Parse does not notice: …%s…", what, at, sum, edited[max(0, at-20):min(len(edited), at+20)])
		}
	}
	for at, c := range data {
		for _, to := range []byte{c ^ 1, c ^ 0x20, c ^ 0x80, ' ', '0', 'a', 0} {
			if to != c {
				edited := slices.Clone(data)
				edited[at] = to
				check("a change", at, edited)
			}
		}
		check("a deletion", at, slices.Delete(slices.Clone(data), at, at+1))
		check("an insertion", at, slices.Insert(slices.Clone(data), at, ' '))
		check("an insertion", at, slices.Insert(slices.Clone(data), at, '1'))
	}
}

// Our key's checksum does not cover what follows the key.
func TestMarkIsLast(t *testing.T) {
	t.Parallel()
	d := parse(t, []byte(python))
	d.Mark = mark()
	note(d, "1.0.0")
	data := document.Format(d)
	for _, more := range []string{`"x": 1`, `"versions": {}`, `"modelregistry": 7`} {
		edited := slices.Concat(data[:len(data)-2], []byte(",\n  "+more+"\n}"))
		if e := parse(t, edited); e.Intact {
			t.Errorf("Parse does not notice %s after our key", more)
		}
	}
	// In another order and layout, the extras of the versions are found all the
	// same.
	other := `{"modelregistry": {"versions": {"b": {"entered": 2}, "gone": {}, "\u0061": {"entered": 1}}, "event": 3},
		"versions": {"a": {}, "b": {}, "c": {}, "a": []}}`
	if diff := cmp.Diff(map[string]string{"a": `{"entered":1}`, "b": `{"entered":2}`}, extras(parse(t, []byte(other)))); diff != "" {
		t.Error(diff)
	}
	// A version that occurs twice is one version, in whatever order versions
	// are.
	for text, want := range map[string][][2]string{
		`{"versions": {"1.0.0": 1, "1.0.1": 2, "1.0.0": 3}}`:                    {{"1.0.0", "3"}, {"1.0.1", "2"}},
		`{"versions": {"2.0.0": 1, "1.0.1": 2, "2.0.0": 3, "1.0.1": 4}}`:        {{"2.0.0", "3"}, {"1.0.1", "4"}},
		`{"versions": {"1.0.0": 1, "1.0.0-rc.1": 2, "1.0.0": 3, "1.0.1": 4}}`:   {{"1.0.0", "3"}, {"1.0.0-rc.1", "2"}, {"1.0.1", "4"}},
		`{"versions": {"1.0.0": 1}, "versions": {"1.0.0": 2, "1.0.0": 3}}`:      {{"1.0.0", "3"}},
		`{"versions": {"1.9.0": 1, "1.10.0": 2, "1.9.0": 3, "\u0031.10.0": 4}}`: {{"1.9.0", "3"}, {"1.10.0", "4"}},
	} {
		if diff := cmp.Diff(want, entries(parse(t, []byte(text)))); diff != "" {
			t.Errorf("%s: %s", text, diff)
		}
	}
	if e := parse(t, append(slices.Clone(data), '\n')); !e.Intact {
		t.Error("a newline at the end counts as an edit")
	}
}

func TestSet(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		raw  string
		set  []pyjson.Member
		want string
	}{
		"nothing set in an empty entry": {"{}", nil, entry()},
		"an entry that Python wrote, moved": {
			string(entryOf(t, "1.0.0")),
			[]pyjson.Member{{Key: "stage", Value: []byte(`"archived"`)}, {Key: "archived_at", Value: []byte(`"now"`)}},
			strings.Replace(strings.Replace(string(entryOf(t, "1.0.0")), `"production"`, `"archived"`, 1), `"archived_at": null`, `"archived_at": "now"`, 1),
		},
		"metrics keep their bytes": {
			"{\"metadata\":{ \"b\" : 1.0,\r\n\"a\":NaN },\"metrics\":{\"é\":12345678901234567890123}}", nil,
			entry("metrics", `{"é":12345678901234567890123}`, "metadata", "{ \"b\" : 1.0,\r\n\"a\":NaN }"),
		},
		"a key outside the format is not set": {
			`{"version":"1"}`, []pyjson.Member{{Key: "z", Value: []byte("2")}}, entry("version", `"1"`),
		},
		"unknown keys follow": {
			`{"z":{"b":1, "a":2},"version":"1","y":NaN}`, []pyjson.Member{{Key: "version", Value: []byte(`"2"`)}},
			entry("version", `"2"`, "z", `{"b":1, "a":2}`, "y", "NaN"),
		},
		"the last of two wins": {
			`{"stage":"a","x":1,"stage":"b","x":2}`, nil, entry("stage", `"b"`, "x", "2"),
		},
		"null is replaced":   {"null", []pyjson.Member{{Key: "version", Value: []byte(`"1"`)}}, entry("version", `"1"`)},
		"a list is replaced": {"[1]", nil, entry()},
	}
	for name, tt := range tests {
		got := string(document.Set([]byte(tt.raw), tt.set))
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s:\n%s", name, diff)
		}
		members, err := pyjson.Object([]byte(got))
		if err != nil {
			t.Fatal(err)
		}
		for i, key := range document.Keys {
			if members[i].Key != key {
				t.Errorf("%s: key %d is %s", name, i, members[i].Key)
			}
		}
	}
}

// entry returns an entry in the layout of the document, keys of the format
// first.
func entry(set ...string) string {
	var b strings.Builder
	sep := "{"
	put := func(key, value string) {
		fmt.Fprintf(&b, "%s\n      %q: %s", sep, key, value)
		sep = ","
	}
	for _, key := range document.Keys {
		value := "null"
		for i := 0; i < len(set); i += 2 {
			if set[i] == key {
				value = set[i+1]
			}
		}
		put(key, value)
	}
	for i := 0; i < len(set); i += 2 {
		if !slices.Contains(document.Keys, set[i]) {
			put(set[i], set[i+1])
		}
	}
	return b.String() + "\n    }"
}

func entryOf(t *testing.T, version string) []byte {
	t.Helper()
	for _, e := range parse(t, []byte(python)).Entries {
		if e.Version == version {
			return e.Raw
		}
	}
	t.Fatal(version)
	return nil
}

func TestLay(t *testing.T) {
	t.Parallel()
	raw := entryOf(t, "1.0.0")
	if diff := cmp.Diff(string(raw), string(document.LayEntry(pyjson.Compact(nil, raw)))); diff != "" {
		t.Error(diff)
	}
	members, err := pyjson.Object(raw)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range members {
		if diff := cmp.Diff(string(m.Value), string(document.Lay(pyjson.Compact(nil, m.Value)))); diff != "" {
			t.Errorf("%s:\n%s", m.Key, diff)
		}
	}
}

func FuzzParse(f *testing.F) {
	marked, err := document.Parse([]byte(python))
	if err != nil {
		f.Fatal(err)
	}
	marked.Mark = mark()
	note(marked, "1.0.0")
	for _, seed := range []string{python, strange, "{}", `{"versions":null}`, `{"versions":[]}`, "", "null", string(document.Format(marked))} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if !utf8.Valid(data) {
			t.Skip("not UTF-8")
		}
		d, err := document.Parse(data)
		if err != nil {
			var syntax *pyjson.SyntaxError
			if !errors.As(err, &syntax) {
				t.Errorf("got error %T: %v, want a *SyntaxError", err, err)
			}
			return
		}
		out := document.Format(d)
		again, err := document.Parse(out)
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		if diff := cmp.Diff(entries(d), entries(again)); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff(keys(d), keys(again)); diff != "" {
			t.Error(diff)
		}
		if d.Mark != nil && !again.Intact {
			t.Errorf("the written document is not intact:\n%s", out)
		}
		if d.Mark != nil { // the first writing drops what the mark says about missing versions
			out = document.Format(again)
			again = parse(t, out)
		}
		if again := document.Format(again); !bytes.Equal(out, again) {
			t.Errorf("the document differs when it is written again:\n%s", again)
		}
		for _, e := range d.Entries {
			set := document.Set(e.Raw, []pyjson.Member{{Key: "stage", Value: []byte(`"staging"`)}})
			if err := pyjson.Valid(set); err != nil {
				t.Errorf("the result of Set: %v: %s", err, set)
			}
		}
	})
}
