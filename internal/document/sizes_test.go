package document_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ubunye-go/modelregistry/internal/document"
	"github.com/ubunye-go/modelregistry/internal/pyjson"
)

// marked returns a document with our key.
func marked(t testing.TB, versions int) []byte {
	t.Helper()
	d := document.New("u", "m")
	d.Mark = mark()
	for i := range versions {
		e := fmt.Sprintf(`{"version":"1.%d.0","stage":"staging","metadata":{"é\"":"\\","x":{"versions":{"1.0.0":{}}}}}`, i)
		d.Entries = append(d.Entries, document.Entry{Version: fmt.Sprintf("1.%d.0", i), Raw: document.LayEntry([]byte(e)), Stage: []byte(`"staging"`),
			Extra: fmt.Appendf(nil, `{"entered":%d,"manifest":"ab","gates":{"min_auc":0.5}}`, i)})
	}
	return document.Format(d)
}

// nested returns an object of that depth.
func nested(depth int) string {
	return strings.Repeat(`{"a":`, depth) + "1" + strings.Repeat("}", depth)
}

func layouts(t testing.TB) map[string][]byte {
	ours := marked(t, 4)
	texts := map[string]string{
		"ours":                          string(ours),
		"Python's":                      python,
		"strange":                       strange,
		"CRLF":                          strings.ReplaceAll(string(ours), "\n", "\r\n"),
		"tabs":                          strings.ReplaceAll(string(ours), "  ", "\t"),
		"without newlines":              strings.ReplaceAll(string(ours), "\n", " "),
		"objects indented like entries": `{"versions":{"a":{"x":{` + "\n    \"b\":{\n    \"stage\":\"staging\",\n    \"c\":[{\n    \"d\":1}]}},\n    \"e\":2},\n    \"f\":3}}",
		"versions in another key":       `{"x":{"versions":{"a":1,"b":2}},"versions":{"a":3,"c":4},"y":{"versions":{"d":5}}}`,
		"versions twice":                `{"versions":{"a":1,"b":2},"x":{"a":0},"versions":{"b":3,"c":4,"b":5}}`,
		"versions, then none":           `{"versions":{"a":1,"b":2},"versions":null}`,
		"versions, then a list":         `{"versions":{"a":1,"b":2},"versions":["a","b"],"x":"y"}`,
		"a version twice":               `{"versions":{"1.0.0":1,"1.1.0":2,"1.0.0":3,"1.2.0":{"stage":"a"},"1.1.0":{},"\u0031.2.0":4}}`,
		"our key first": `{"modelregistry":{"versions":{"a":{"entered":1},"b":{"entered":2}},"event":7,"crc32c":"00000000"},
			"versions":{"a":{"stage":"x","stage":"y"},"b":{}},"x":{"a":1}}`,
		"our key twice":           `{"versions":{"a":1,"b":2},"modelregistry":{"versions":{"a":{"entered":1}}},"modelregistry":{"versions":{"b":{}},"versions":{"a":{}}}}`,
		"strings like keys":       `{"versions":{"a":{"b":"\",\"c\":{\"d\":1},"},",":{":":","}":"\\"},":":"\"","\"":{"\\\"":""}}}`,
		"a fault in an entry":     `{"versions":{"a":{"x":1},"b":{"x":nan},"c":{}},"x":"y"}`,
		"a fault between entries": `{"versions":{"a":{"x":1},"b":{},,"c":{}},"x":"y"}`,
		"a fault after versions":  `{"versions":{"a":{"x":1},"b":{}},"x":"y",}`,
		"a fault in our key":      `{"versions":{"a":{"x":1}},"modelregistry":{"versions":{"a":{"x":1},"b":{"y":}}}}`,
		"trailing bytes":          `{"versions":{"a":{"x":1},"b":{}}} "c":{"d":1}`,
		"not UTF-8":               "{\"versions\":{\"a\":{\"x\":1},\"b\":{\"y\":\"\xff\"},\"c\":{}},\"d\":\"e\"}",
		"not UTF-8 at the start":  "{\"\xff\":{\"versions\":1},\"versions\":{\"a\":{\"x\":1},\"b\":{}}}",
		"not UTF-8 after a fault": "{\"versions\":{\"a\":{\"x\":1},,\"b\":{}},\"d\":\"\xc3\"}",
		"no versions":             `{"a":{"b":1},"c":{"d":{"e":1},"f":2}}`,
	}
	for depth := 998; depth <= 999; depth++ { // the second is too deep for a member in our key
		texts[fmt.Sprintf("an entry %d deep", depth)] = `{"versions":{"a":1,"b":` + nested(depth) + `,"c":2}}`
		texts[fmt.Sprintf("a member in our key %d deep", depth)] = `{"versions":{},"modelregistry":{"versions":{"a":1,"b":` + nested(depth) + `,"c":2}}}`
	}
	list := map[string][]byte{}
	for name, text := range texts {
		list[name] = []byte(text)
	}
	return list
}

// sameAsPlain checks that Parse returns what the plain reader does.
func sameAsPlain(t *testing.T, data []byte) *document.Document {
	t.Helper()
	want, wantErr := document.ParsePlainly(data)
	got, err := document.Parse(data)
	if !reflect.DeepEqual(wantErr, err) || !reflect.DeepEqual(want, got) {
		t.Fatalf("(-plainly +by its sizes): %s%s", cmp.Diff(wantErr, err), cmp.Diff(want, got))
	}
	return got
}

// A document reads the same by its sizes as without them, whatever its entries
// are.
func TestSizes(t *testing.T) {
	t.Parallel()
	for name, data := range layouts(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, err := document.ParsePlainly(data)
			if err != nil {
				return
			}
			d.Mark = mark()
			sized := document.FormatSized(d)
			want, err := document.ParsePlainly(sized)
			if err != nil {
				t.Fatal(err)
			}
			got, err := document.ParseBySizes(sized)
			if err != nil || !want.Intact || !reflect.DeepEqual(want, got) {
				t.Errorf("%v, intact %t (-plainly +by its sizes):\n%s", err, want.Intact, cmp.Diff(want, got))
			}
			sameAsPlain(t, sized)
			if !bytes.Equal(document.FormatSized(got), sized) {
				t.Error("the document differs when it is written again")
			}
		})
	}
}

// Only a large document has sizes. Parse uses them.
func TestLargeDocumentHasSizes(t *testing.T) {
	t.Parallel()
	for versions, want := range map[int]bool{3: false, 3000: true} {
		data := marked(t, versions)
		if got := bytes.Contains(data, []byte(`"sizes": "`)); got != want {
			t.Errorf("%d versions: sizes %t, want %t", versions, got, want)
		}
		d := sameAsPlain(t, data)
		if stage := d.Entries[versions/2].Stage; !d.Intact || string(stage) != `"staging"` || len(d.Mark.Others) > 0 {
			t.Errorf("%d versions: intact is %t, a stage is %s, unknown members are %v", versions, d.Intact, stage, d.Mark.Others)
		}
		if at, ok := document.Position(data); !ok || len(at.Others) > 0 {
			t.Errorf("%d versions: Position = %+v, %t", versions, at, ok)
		}
	}
	// A letter that no program wrote shows that Parse does not read the entry.
	held, _, _ := strings.Cut(string(marked(t, 3000)), `"crc32c"`)
	size := strings.Index(held, `"sizes": "`) + len(`"sizes": "`)
	letter := size + strings.Index(held[size:], `s"`)
	d := parse(t, document.Sealed([]byte(held[:letter]+"p"+held[letter+1:])))
	if stage := d.Entries[len(d.Entries)-1].Stage; string(stage) != `"production"` {
		t.Errorf("Parse scanned an entry although its size is known: its stage is %s", stage)
	}
}

// Sizes do not count if the document was edited, or if they are wrong.
func TestWrongSizes(t *testing.T) {
	t.Parallel()
	data := marked(t, 3000)
	for _, at := range []int{5, len(data) / 7, len(data) / 2, bytes.Index(data, []byte(`"sizes"`)) + 12, len(data) - 3} {
		for _, edit := range []string{"\xff", "\x00", "\"", "}", "1", " "} {
			edited := slices.Clone(data)
			copy(edited[at:], edit)
			sameAsPlain(t, edited)
		}
	}
	held, _, _ := bytes.Cut(data, []byte(`"crc32c"`))
	before, rest, _ := bytes.Cut(held, []byte(`"sizes": "`))
	sizes, after, _ := bytes.Cut(rest, []byte(`"`))
	first, others, _ := strings.Cut(string(sizes), "s")
	for _, wrong := range []string{"", "s", others, first + "s" + string(sizes), first + "x" + others, first + others, first + "?", "1" + string(sizes),
		"0s" + others, "99999999s" + others, strings.Repeat("9", 40) + "s" + others, first + "?" + others + "s", strings.Replace(string(sizes), first[1:], "1", 1)} {
		edited := document.Sealed([]byte(string(before) + `"sizes": "` + wrong + `"` + string(after)))
		if d := sameAsPlain(t, edited); !d.Intact || len(d.Entries) != 3000 {
			t.Errorf("sizes %.20s: intact is %t, %d entries", wrong, d.Intact, len(d.Entries))
		}
	}
	small := strings.Replace(string(document.FormatSized(parse(t, marked(t, 4)))), `"sizes": "`, `"sizes": "`+first+"p", 1)
	held, _, _ = bytes.Cut([]byte(small), []byte(`"crc32c"`))
	if d := sameAsPlain(t, document.Sealed(held)); !d.Intact || len(d.Entries) != 4 {
		t.Errorf("sizes of 5 entries: intact is %t, %d entries", d.Intact, len(d.Entries))
	}
	edited := document.Sealed([]byte(string(before) + `"sizes": [1],` + string(after[1:])))
	if d := sameAsPlain(t, edited); !d.Intact {
		t.Error("the document with sizes that are no text is not intact")
	}
}

// FuzzSizes checks that a document of ours reads the same by its sizes, and
// that bytes that are no document of ours do no harm.
func FuzzSizes(f *testing.F) {
	for _, data := range layouts(f) {
		if len(data) < 4000 {
			f.Add(data, `{"stage":"staging"}`, uint64(1))
		}
	}
	f.Fuzz(func(t *testing.T, data []byte, entry string, seed uint64) {
		_, _ = document.ParseBySizes(data)
		d, err := document.ParsePlainly(data)
		if err != nil {
			return
		}
		if pyjson.Valid([]byte(entry)) == nil && len(d.Entries) > 0 && strings.TrimSpace(entry) == entry {
			d.Entries[0].Raw, d.Entries[0].Stage = []byte(entry), nil
		}
		d.Mark = mark()
		sized := document.FormatSized(d)
		want, err := document.ParsePlainly(sized)
		if err != nil {
			return // not UTF-8, or nested too deep
		}
		got, err := document.ParseBySizes(sized)
		if err != nil || !reflect.DeepEqual(want, got) {
			t.Fatalf("%v (-plainly +by its sizes):\n%s", err, cmp.Diff(want, got))
		}
		edited := slices.Clone(sized)
		edited[rand.New(rand.NewPCG(seed, 0)).IntN(len(edited))]++
		_, _ = document.ParseBySizes(edited)
		sameAsPlain(t, edited)
	})
}

// A release that does not know sizes keeps them when it changes entries. Its
// document has another event, and is read as it is.
func TestSizesOfAnEarlierEvent(t *testing.T) {
	d := document.New("u", "m")
	d.Mark = mark()
	for _, stage := range []string{"staging", "archived"} {
		raw := fmt.Sprintf(`{"version":"1.0.0","stage":%q,"same_length":%q}`, stage, strings.Repeat("x", 10-len(stage)))
		d.Entries = []document.Entry{{Version: "1.0.0", Raw: document.LayEntry([]byte(raw)), Stage: fmt.Appendf(nil, "%q", stage)}}
		data := document.FormatSized(d)
		if stage == "archived" {
			data = document.Format(d) // it has the sizes of the event before among its members
		}
		got, err := document.Parse(data)
		if err != nil || !got.Intact || len(got.Entries) != 1 || string(got.Entries[0].Stage) != fmt.Sprintf("%q", stage) {
			t.Fatalf("%s: read as %+v, %v", stage, got, err)
		}
		if _, err := document.ParseBySizes(data); (err == nil) != (stage == "staging") {
			t.Errorf("%s: by its sizes: %v", stage, err)
		}
		held := data[bytes.Index(data, []byte(`"sizes": `))+len(`"sizes": `):]
		value, _, _ := bytes.Cut(held, []byte(",\n"))
		d.Mark.Others = []pyjson.Member{{Key: "sizes", Raw: []byte(`"sizes"`), Value: slices.Clone(value)}}
		d.Mark.Event++
	}
}
