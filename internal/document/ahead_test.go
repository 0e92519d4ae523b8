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
)

// sameAhead checks that a scan ahead whose parts start at these quotes does not
// change the result of Parse.
func sameAhead(t *testing.T, data []byte, at []int) {
	t.Helper()
	want, wantErr := document.ParseAlone(data)
	for _, helpers := range []int{-1, 0, 1, 3} {
		got, err := document.ParseAhead(data, at, helpers)
		if !reflect.DeepEqual(wantErr, err) || !reflect.DeepEqual(want, got) {
			t.Fatalf("scan ahead from %d, %d helpers (-want +got): %s%s\n%s", at, helpers, cmp.Diff(wantErr, err), cmp.Diff(want, got), data)
		}
	}
}

// quotesOf returns the offsets of the quotes in a text.
func quotesOf(data []byte) (at []int) {
	for i, c := range data {
		if c == '"' {
			at = append(at, i)
		}
	}
	return at
}

// some returns a random part of a list, one in oneOf.
func some(r *rand.Rand, list []int, oneOf int) []int {
	return slices.DeleteFunc(slices.Clone(list), func(int) bool { return r.IntN(oneOf) > 0 })
}

// marked returns a document with our key.
func marked(t testing.TB, versions int) []byte {
	t.Helper()
	d := document.New("u", "m")
	d.Mark = mark()
	for i := range versions {
		e := fmt.Sprintf(`{"version":"1.%d.0","stage":"staging","metadata":{"é\"":"\\","x":{"versions":{"1.0.0":{}}}}}`, i)
		d.Entries = append(d.Entries, document.Entry{Version: fmt.Sprintf("1.%d.0", i), Raw: document.LayEntry([]byte(e)),
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

// Parse returns the same result, whichever quotes the scan ahead starts from.
func TestAhead(t *testing.T) {
	t.Parallel()
	for name, data := range layouts(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			all := quotesOf(data)
			r := rand.New(rand.NewPCG(1, 2))
			sameAhead(t, data, all)
			for i := range min(len(all), 20_000/len(data)+20) {
				sameAhead(t, data, all[i:i+1])
				sameAhead(t, data, slices.Compact([]int{all[i], all[i+r.IntN(len(all)-i)]}))
				sameAhead(t, data, some(r, all, 2+i%8))
			}
		})
	}
}

// The same holds if the document ends early, or if a byte was changed.
func TestAheadWithDamage(t *testing.T) {
	t.Parallel()
	for _, data := range [][]byte{marked(t, 3), []byte(python), []byte(strange)} {
		r := rand.New(rand.NewPCG(3, 4))
		for at := range data {
			sameAhead(t, data[:at], some(r, quotesOf(data[:at]), 3))
			for _, c := range []byte{'"', '{', '}', ',', '\\', 0xff, '\n'} {
				edited := slices.Clone(data)
				edited[at] = c
				sameAhead(t, edited, some(r, quotesOf(edited), 1+r.IntN(5)))
			}
		}
	}
}

// Nearly all of a large document in our layout is scanned ahead, and no part
// twice.
func TestAheadFindsAll(t *testing.T) {
	t.Parallel()
	const versions = 3000
	data := marked(t, versions)
	found := 0
	for i, n := range document.Ahead(data) {
		if n == 0 {
			t.Errorf("no member was found in part %d", i)
		}
		found += n
	}
	if found > 2*versions || found < 2*versions-150 { // the part where our key begins misses some
		t.Errorf("%d of %d members are found ahead", found, 2*versions)
	}
	want, _ := document.ParseAlone(data)
	for range 20 {
		if got := parse(t, data); !reflect.DeepEqual(want, got) {
			t.Fatal(cmp.Diff(want, got))
		}
	}
	if stage := want.Entries[versions/2].Stage; !want.Intact || string(stage) != `"staging"` {
		t.Errorf("intact is %t, a stage is %s", want.Intact, stage)
	}
	for _, at := range []int{len(data) / 7, len(data) / 2, len(data) - 3} {
		for _, edit := range []string{"\xff", "\x00", "\"", "}"} {
			edited := slices.Clone(data)
			copy(edited[at:], edit)
			want, wantErr := document.ParseAlone(edited)
			got, err := document.Parse(edited)
			if !reflect.DeepEqual(wantErr, err) || !reflect.DeepEqual(want, got) {
				t.Errorf("edited to %q at %d (-want +got): %s%s", edit, at, cmp.Diff(wantErr, err), cmp.Diff(want, got))
			}
		}
	}
}

func FuzzAhead(f *testing.F) {
	for _, data := range layouts(f) {
		if len(data) < 4000 {
			f.Add(data, uint64(1), 2)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte, seed uint64, oneOf int) {
		if bytes.Count(data, []byte(`"`)) > 1000 {
			t.Skip("too large")
		}
		r := rand.New(rand.NewPCG(seed, 0))
		sameAhead(t, data, some(r, quotesOf(data), 1+max(0, oneOf)%100))
	})
}

// In a document of tiny members, which no program writes, the scan ahead
// records few.
func TestAheadWithTinyMembers(t *testing.T) {
	t.Parallel()
	data := []byte("{\"versions\": {" + strings.Repeat("\n    \"a\": 1,", 100_000) + "\n    \"b\": 2}}")
	for i, n := range document.Ahead(data) {
		if n > 512 {
			t.Errorf("part %d has %d members", i, n)
		}
	}
	var at []int
	for i, quote := range quotesOf(data) {
		if i%4000 == 2 {
			at = append(at, quote)
		}
	}
	sameAhead(t, data, at)
}
