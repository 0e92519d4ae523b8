package pyjson_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ubunye-go/modelregistry/internal/pyjson"
)

func TestValid(t *testing.T) {
	t.Parallel()
	deep := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
	valid := []string{
		"null", "true", "false", "0", "-0", "1", "-1.5", "1e5", "1E+5", "1.0e-07", "123456789012345678901234567890",
		"NaN", "Infinity", "-Infinity", `""`, `"a"`, `"\u00e9\ud83d\ude00\ud800"`, `"é"`, `"\"\\\/\b\f\n\r\t"`, "[]", "[ ]", "{}", "{\t}",
		" [1 , 2]\r\n", `{"a":{"b":[NaN,{"c":null}]}}`, `{"a":1,"a":2}`, "\"\x7f\"", deep(900),
	}
	for _, text := range valid {
		if err := pyjson.Valid([]byte(text)); err != nil {
			t.Errorf("%.40q: %v", text, err)
		}
	}
	invalid := map[string]int64{ // with the offset of the fault
		"": 0, " ": 1, "nul": 0, "nan": 0, "inf": 0, "-": 0, "+1": 0, "01": 1, "1.": 0, ".5": 0, "1e": 0, "1e+": 0, "0x10": 1, "-NaN": 0, "--1": 0,
		"Infinit": 0, "-Infinit": 1, `"`: 0, `"a`: 0, "\"\n\"": 1, "\"\x00\"": 1, `"\x"`: 2, `"\u12"`: 0, `"\u12`: 0, `"\u12g4"`: 2, `"\`: 0, "'a'": 0,
		"[": 1, "[1": 2, "[1,": 3, "[1,]": 3, "[,1]": 1, "[1 2]": 3, "]": 0, "{": 1, "{,}": 1, `{"a"}`: 4, `{"a":}`: 5, `{"a":1,}`: 7, `{a:1}`: 1, `{"a" 1}`: 5, `{"a":1 "b":2}`: 7,
		"1 2": 2, "{} x": 3, "[1}": 2, `{"a":1]`: 6, "\xef\xbb\xbf1": 0, "\x00": 0, "1,": 1,
		deep(2000): 1001,
	}
	for text, at := range invalid {
		err := pyjson.Valid([]byte(text))
		var syntax *pyjson.SyntaxError
		if !errors.As(err, &syntax) {
			t.Errorf("%.40q: %v", text, err)
		} else if syntax.Offset != at {
			t.Errorf("%.40q: fault at %d, want %d: %v", text, syntax.Offset, at, err)
		}
		if _, err := pyjson.Decode([]byte(text)); err == nil {
			t.Errorf("Decode(%.40q): no error", text)
		}
	}
}

// Strings and white space are scanned eight bytes at once. Every byte counts,
// at every position.
func TestEveryByte(t *testing.T) {
	t.Parallel()
	for at := range 20 {
		for c := range 256 {
			for _, fill := range []string{"a", " ", "!", "\"", "\x7f", "\n"} {
				text := []byte(strings.Repeat(fill, 20))
				text[at] = byte(c)
				for _, form := range []string{"\"%s\"", "[%s]", "[%s\"\"]"} {
					data := fmt.Appendf(nil, form, text)
					if want, got := json.Valid(data), pyjson.Valid(data) == nil; got != want {
						t.Errorf("%q: valid %t, want %t", data, got, want)
					}
				}
			}
		}
	}
}

func TestObject(t *testing.T) {
	t.Parallel()
	text := ` { "b" : 1.0 , "\u00e4":[1, {"x":"}"}],"a":{ } ,"b":NaN }` + "\n"
	members, err := pyjson.Object([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	var got [][2]string
	for _, m := range members {
		got = append(got, [2]string{m.Key, string(m.Value)})
		if text[m.Start] != '"' || text[m.At:m.At+len(m.Value)] != string(m.Value) {
			t.Errorf("%s: starts at %d, its value at %d", m.Key, m.Start, m.At)
		}
		if cap(m.Value) != len(m.Value) {
			t.Errorf("%s: appending to its value would overwrite the text", m.Key)
		}
	}
	want := [][2]string{{"b", "1.0"}, {"ä", `[1, {"x":"}"}]`}, {"a", "{ }"}, {"b", "NaN"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for _, bad := range []string{"", "[]", "null", `{} {}`, `{"a":1`, `"a"`} {
		if _, err := pyjson.Object([]byte(bad)); err == nil {
			t.Errorf("Object(%q): no error", bad)
		}
	}
	if members, err := pyjson.Object([]byte("{ \r\n}")); err != nil || len(members) != 0 {
		t.Errorf("Object of an empty object: %v, %v, want no members", members, err)
	}
}

func TestArray(t *testing.T) {
	t.Parallel()
	list, err := pyjson.Array([]byte(` [ 1.0, [2 ,3] , "]",NaN ] `))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, raw := range list {
		got = append(got, string(raw))
	}
	if diff := cmp.Diff([]string{"1.0", "[2 ,3]", `"]"`, "NaN"}, got); diff != "" {
		t.Error(diff)
	}
	for _, bad := range []string{"", "{}", "[] 1", "[1"} {
		if _, err := pyjson.Array([]byte(bad)); err == nil {
			t.Errorf("Array(%q): no error", bad)
		}
	}
}

func TestDecode(t *testing.T) {
	t.Parallel()
	got, err := pyjson.Decode([]byte(`{"i":123456789012345678901234567890,"f":1.0,"e":1e-07,"n":NaN,"p":Infinity,"m":-Infinity,"z":null,
		"t":true,"u":false,"s":"\u00e9","l":[],"o":{"a":[1,[2]]},"twice":1,"twice":2,"Case":1,"case":2}`))
	if err != nil {
		t.Fatal(err)
	}
	number := func(s string) json.Number { return json.Number(s) }
	want := map[string]any{"i": number("123456789012345678901234567890"), "f": number("1.0"), "e": number("1e-07"), "n": number("NaN"),
		"p": number("Infinity"), "m": number("-Infinity"), "z": nil, "t": true, "u": false, "s": "é", "l": []any{},
		"o": map[string]any{"a": []any{number("1"), []any{number("2")}}}, "twice": number("2"), "Case": number("1"), "case": number("2")}
	if diff := cmp.Diff(any(want), got); diff != "" {
		t.Error(diff)
	}
}

func TestUnquote(t *testing.T) {
	t.Parallel()
	tests := map[string]string{
		`""`:                         "",
		`"plain"`:                    "plain",
		`"\"\\\/\b\f\n\r\t"`:         "\"\\/\b\f\n\r\t",
		`"\u0041\u00e9\u00E9\u20ac"`: "Aéé€",
		`"\ud83d\ude00"`:             "😀",
		`"x\uD83D\uDE00y"`:           "x😀y",
		`"\ud83d"`:                   "\ufffd",
		`"\ude00"`:                   "\ufffd",
		`"\ude00\ud83d"`:             "\ufffd\ufffd",
		`"\ud83dx"`:                  "\ufffdx",
		`"\ud83d\n"`:                 "\ufffd\n",
		`"\ud83d\ud83d\ude00"`:       "\ufffd😀",
		`"\ud83d\u0041"`:             "\ufffdA",
		`"\u0000"`:                   "\x00",
		`"é😀"`:                       "é😀",
		`"\\u0041"`:                  `\u0041`,
	}
	for raw, want := range tests {
		if err := pyjson.Valid([]byte(raw)); err != nil {
			t.Errorf("%s: %v", raw, err)
		}
		if got := pyjson.Unquote([]byte(raw)); got != want {
			t.Errorf("%s: %q, want %q", raw, got, want)
		}
	}
}

func TestQuote(t *testing.T) {
	t.Parallel()
	// The results of json.dumps.
	tests := map[string]string{
		"":                `""`,
		"a/<>&'":          `"a/<>&'"`,
		"\"\\\b\f\n\r\t":  `"\"\\\b\f\n\r\t"`,
		"\x00\x1f\x7f":    `"\u0000\u001f\u007f"`,
		"é\u2028\ufffd":   `"\u00e9\u2028\ufffd"`,
		"😀":               `"\ud83d\ude00"`,
		"\U0010ffff\x80x": `"\udbff\udfff\ufffdx"`,
	}
	for s, want := range tests {
		if got := string(pyjson.Quote(s)); got != want {
			t.Errorf("%q: %s, want %s", s, got, want)
		}
	}
}

func TestFloat(t *testing.T) {
	t.Parallel()
	tenth := 0.1 // not a constant, because constants are added exactly
	// The results of Python's repr.
	tests := []struct {
		f    float64
		want string
	}{
		{0, "0.0"}, {math.Copysign(0, -1), "-0.0"}, {1, "1.0"}, {-1, "-1.0"}, {0.1, "0.1"}, {1.5, "1.5"}, {tenth + 0.2, "0.30000000000000004"},
		{1e15, "1000000000000000.0"}, {9999999999999998, "9999999999999998.0"}, {1e16, "1e+16"}, {12345678901234567, "1.2345678901234568e+16"},
		{1e22, "1e+22"}, {1e100, "1e+100"}, {0.001, "0.001"}, {0.0001, "0.0001"}, {0.00012345, "0.00012345"}, {0.00009999, "9.999e-05"},
		{1e-05, "1e-05"}, {1e-07, "1e-07"}, {-2.5e-10, "-2.5e-10"}, {123456789, "123456789.0"}, {5e-324, "5e-324"},
		{math.MaxFloat64, "1.7976931348623157e+308"}, {math.NaN(), "NaN"}, {math.Inf(1), "Infinity"}, {math.Inf(-1), "-Infinity"},
		{1 << 53, "9007199254740992.0"}, {2.0 / 3, "0.6666666666666666"},
	}
	for _, tt := range tests {
		if got := pyjson.Float(tt.f); got != tt.want {
			t.Errorf("%v: %s, want %s", tt.f, got, tt.want)
		}
	}
}

type textual struct{ s string }

func (x textual) MarshalText() ([]byte, error) { return []byte(x.s), nil }

type own struct{}

func (*own) MarshalJSON() ([]byte, error) { return []byte(`{ "b" : 1.0, "a": "é" }`), nil }

type failing struct{}

func (failing) MarshalJSON() ([]byte, error) { return nil, errors.New("boom") }

func TestMarshal(t *testing.T) {
	t.Parallel()
	type named string
	seven := 7
	big, _ := new(big.Int).SetString("123456789012345678901234567890", 10)
	tests := []struct {
		v    any
		want string
	}{
		{nil, "null"}, {true, "true"}, {1, "1"}, {int8(-1), "-1"}, {uint64(math.MaxUint64), "18446744073709551615"}, {"é", `"\u00e9"`}, {named("x"), `"x"`},
		{1.0, "1.0"}, {1e-7, "1e-07"}, {1e16, "1e+16"}, {math.NaN(), "NaN"}, {math.Inf(-1), "-Infinity"},
		{float32(0.1), "0.1"}, {float32(1), "1.0"}, {float32(3.4028235e38), "3.4028235e+38"}, {float32(1e-4), "0.0001"}, {float32(1e-7), "1e-07"}, {float32(1e16), "1e+16"},
		{json.Number("1.50"), "1.50"}, {json.Number("123456789012345678901234567890"), "123456789012345678901234567890"}, {json.Number("NaN"), "NaN"},
		{[]int(nil), "null"}, {[]int{}, "[]"}, {[]any{1, "a", nil, 2.0}, `[1,"a",null,2.0]`}, {[2]float32{0.5, 1}, "[0.5,1.0]"}, {[]byte("hi"), `"aGk="`},
		{map[string]any(nil), "null"}, {map[string]any{}, "{}"}, {map[string]any{"b": 1, "a": map[string]float64{"z": 1, "y": 2}}, `{"a":{"y":2.0,"z":1.0},"b":1}`},
		{map[named]int{"b": 1, "a": 2}, `{"a":2,"b":1}`}, {map[int]string{2: "b", 1: "a"}, `{"1":"a","2":"b"}`},
		{&seven, "7"}, {(*int)(nil), "null"}, {[]any{(*own)(nil)}, "[null]"}, {&own{}, `{"b":1.0,"a":"\u00e9"}`}, {textual{"ö"}, `"\u00f6"`},
		{time.Second, "1000000000"}, {time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), `"2026-01-02T03:04:05Z"`}, {big, "123456789012345678901234567890"},
		{json.RawMessage(`{"b": 1.0, "a": 1}`), `{"b":1.0,"a":1}`},
		{struct {
			A int    `json:"a"`
			B string `json:"b,omitempty"`
		}{A: 1}, `{"a":1}`},
	}
	for _, tt := range tests {
		got, err := pyjson.Marshal(tt.v, false)
		if err != nil || string(got) != tt.want {
			t.Errorf("%#v: %s, %v, want %s", tt.v, got, err, tt.want)
		}
	}
}

// encoding/json encodes a struct: a whole float has no point there. Marshal
// does not escape < > and &.
func TestMarshalStructByEncodingJSON(t *testing.T) {
	t.Parallel()
	type inner struct {
		F float64 `json:"f"`
		S string  `json:"s"`
	}
	got, err := pyjson.Marshal(map[string]any{"x": inner{1, "<&>"}}, true)
	if err != nil {
		t.Fatal(err)
	}
	if want := `{"x":{"f":1,"s":"<&>"}}`; string(got) != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestMarshalNonFinite(t *testing.T) {
	t.Parallel()
	nan, inf := math.NaN(), math.Inf(1)
	tests := map[string]any{ // by the start of the error
		"value is NaN":         nan,
		"a is NaN":             map[string]any{"a": nan},
		"a.b[1].c is Infinity": map[string]any{"a": map[string]any{"b": []any{1, map[string]float64{"c": inf}}}},
		"a is -Infinity":       map[string]float32{"a": float32(math.Inf(-1))},
		"[2] is NaN":           []float64{0, 1, nan},
		"n is NaN":             map[string]any{"n": json.Number("NaN")},
		"n is -Infinity":       map[string]any{"n": json.Number("-Infinity")},
		"p is NaN":             map[string]any{"p": &nan},
		"s":                    map[string]any{"s": struct{ F float64 }{nan}},
		"f":                    map[string]any{"f": struct{ F float32 }{float32(nan)}},
		"m":                    map[string]any{"m": map[int]float64{1: inf}},
		"huge is 1e400":        map[string]any{"huge": json.Number("1e400")},
	}
	for want, v := range tests {
		_, err := pyjson.Marshal(v, true)
		if !errors.Is(err, pyjson.ErrNonFinite) || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("error %v, want ErrNonFinite starting with %q", err, want)
		}
	}
	for _, fine := range []any{json.Number("1" + strings.Repeat("0", 400)), json.Number("1e-400"), 5e-324} {
		if _, err := pyjson.Marshal(fine, true); err != nil {
			t.Errorf("Marshal(%.20v): %v", fine, err)
		}
	}
}

func TestMarshalErrors(t *testing.T) {
	t.Parallel()
	type loop struct{ Next *loop }
	circular := &loop{}
	circular.Next = circular
	endless := map[string]any{}
	endless["x"] = endless
	tests := map[string]any{
		"a.b: ":    map[string]any{"a": map[string]any{"b": make(chan int)}},
		"[0]: ":    []any{func() {}},
		"c: ":      map[string]any{"c": complex(1, 2)},
		"n: ":      map[string]any{"n": json.Number("1x")},
		"e: ":      map[string]any{"e": json.Number("")},
		"x.x.x.x.": endless,
		"l: ":      map[string]any{"l": circular},
		"f: ":      map[string]any{"f": failing{}},
	}
	for path, v := range tests {
		_, err := pyjson.Marshal(v, false)
		if err == nil || !strings.HasPrefix(err.Error(), path) || errors.Is(err, pyjson.ErrNonFinite) {
			t.Errorf("error %.200v, want one that starts with %q", err, path)
		}
	}
}

func TestCompactAndIndent(t *testing.T) {
	t.Parallel()
	tests := []struct{ raw, compact, indent string }{
		{"1", "1", "1"},
		{" {} ", "{}", "{}"},
		{"[ \n]", "[]", "[]"},
		{`{"b":1.0,"a":[1,{}]}`, `{"b":1.0,"a":[1,{}]}`, "{\n    \"b\": 1.0,\n    \"a\": [\n      1,\n      {}\n    ]\n  }"},
		{"{ \"a\" :\t-Infinity ,\r\n\"b\": NaN }", `{"a":-Infinity,"b":NaN}`, "{\n    \"a\": -Infinity,\n    \"b\": NaN\n  }"},
		{`"a : , { [ \" b"`, `"a : , { [ \" b"`, `"a : , { [ \" b"`},
		{`"é😀` + "\x7f" + `\ud800\/"`, `"\u00e9\ud83d\ude00\u007f\ud800\/"`, `"\u00e9\ud83d\ude00\u007f\ud800\/"`},
	}
	for _, tt := range tests {
		if got := string(pyjson.Compact([]byte("x"), []byte(tt.raw))); got != "x"+tt.compact {
			t.Errorf("Compact(%q) = %s, want x%s", tt.raw, got, tt.compact)
		}
		if got := string(pyjson.Indent([]byte("x"), []byte(tt.raw), "  ")); got != "x"+tt.indent {
			t.Errorf("Indent(%q) = %s, want x%s", tt.raw, got, tt.indent)
		}
		if got := pyjson.Indented([]byte(tt.compact), len("  ")); got != len(tt.indent) {
			t.Errorf("Indented(%q) = %d, want %d", tt.compact, got, len(tt.indent))
		}
	}
}

// Characters that are not plain ASCII are escaped at every position.
func TestCompactAndIndentEscape(t *testing.T) {
	t.Parallel()
	for n := range 20 {
		for at := range n + 1 {
			for _, r := range []string{"\x7f", "é", "😀", "~"} {
				text := strings.Repeat("x", at) + r + strings.Repeat("x", n-at)
				want, raw := string(pyjson.Quote(text)), []byte(`"`+text+`"`)
				if got := string(pyjson.Compact(nil, raw)); got != want {
					t.Errorf("Compact: %s, want %s", got, want)
				}
				if got := string(pyjson.Indent(nil, raw, "")); got != want {
					t.Errorf("Indent: %s, want %s", got, want)
				}
			}
		}
	}
}

func TestFinite(t *testing.T) {
	t.Parallel()
	raw := `{"NaN" : [NaN, -Infinity,Infinity, -1.5e-07, 1E-5, null, "NaN -Infinity"], "I": -0}`
	want := `{"NaN":[null,null,null,-1.5e-07,1E-5,null,"NaN -Infinity"],"I":-0}`
	got := pyjson.Finite(nil, []byte(raw))
	if string(got) != want || !json.Valid(got) {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestEqual(t *testing.T) {
	t.Parallel()
	equal := [][2]string{
		{`{"a":1}`, "{ \"a\" :\n1 }"}, {`"é"`, `"\u00e9"`}, {`"😀"`, `"\ud83d\ude00"`}, {"NaN", " NaN"}, {"[]", "[ ]"},
	}
	for _, pair := range equal {
		if !pyjson.Equal([]byte(pair[0]), []byte(pair[1])) {
			t.Errorf("Equal(%s, %s) = false", pair[0], pair[1])
		}
	}
	different := [][2]string{
		{"1", "1.0"}, {"1e5", "100000.0"}, {`{"a":1,"b":2}`, `{"b":2,"a":1}`}, {`"a b"`, `"ab"`}, {"NaN", "null"}, {"[1]", "[1,1]"}, {`"1"`, "1"},
	}
	for _, pair := range different {
		if pyjson.Equal([]byte(pair[0]), []byte(pair[1])) {
			t.Errorf("Equal(%s, %s) = true", pair[0], pair[1])
		}
	}
}

func TestSame(t *testing.T) {
	t.Parallel()
	same := [][2]string{
		{`{"a":1,"b":2}`, `{"b":2, "a":1}`}, {`{"a":[1,{"c":[],"d":{}}],"b":2}`, ` {"b":2,"a":[1,{"d":{},"c":[ ]}]}`}, {`{"\u00e9":1,"a":2}`, `{"a":2,"é":1}`}, {"1", " 1"},
		// As Python's json.dumps(json.loads(…)) writes numbers.
		{"0.910", "0.91"}, {"1e5", "100000.0"}, {"1e16", "1e+16"}, {"1E-7 ", "1e-07"}, {"-0", "0"}, {"-0e0", "-0.0"}, {"-1e400", "-Infinity"}, {"1e-400", "0.0"},
		{"0.1000000000000000055", "0.1"}, {`{"a":0.910,"b":[1e5,{"c":-0}]}`, `{"b":[100000.0,{"c":0}],"a":0.91}`},
	}
	for _, pair := range same {
		if !pyjson.Same([]byte(pair[0]), []byte(pair[1])) {
			t.Errorf("Same(%s, %s) = false", pair[0], pair[1])
		}
	}
	different := [][2]string{
		{`{"a":1,"b":2}`, `{"a":2,"b":1}`}, {"[1,2]", "[2,1]"}, {`{"a":1}`, `{"a":1,"a":1}`}, {`{"a":{"b":1}}`, `{"a":{},"b":1}`}, {`{"a":1,"a":2}`, `{"a":2,"a":1}`}, {"{}", "[]"},
		{"1", "1.0"}, {"100000", "1e5"}, {"0.0", "-0.0"}, {"0.1", "0.10000000000000002"}, {"9007199254740993", "9007199254740992"}, {"1.0", "true"},
		{"1e400", "-1e400"}, {"NaN", "Infinity"}, {`"0.50"`, `"0.5"`}, {`{"0.50":1}`, `{"0.5":1}`},
	}
	for _, pair := range different {
		if pyjson.Same([]byte(pair[0]), []byte(pair[1])) {
			t.Errorf("Same(%s, %s) = true", pair[0], pair[1])
		}
	}
}

func FuzzScan(f *testing.F) {
	for _, seed := range []string{
		`{"a":[1,2.0,NaN,-Infinity,{"b":null}],"c":"\ud83d\ude00é\u0000"}`, `[[[]]]`, `{"a":1,"a":2}`, `"\ud800"`, "-", "{", `{"a":`, "1e-5", "\xff", "\"\xff\"", "",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		before := string(data)
		members, err := pyjson.Object(data)
		if err == nil {
			for _, m := range members {
				if err := pyjson.Valid(m.Value); err != nil {
					t.Errorf("the value of %q: %v", m.Key, err)
				}
			}
		}
		_, _ = pyjson.Array(data)
		_, decodeErr := pyjson.Decode(data)
		validErr := pyjson.Valid(data)
		if (decodeErr == nil) != (validErr == nil) || err == nil && validErr != nil {
			t.Fatalf("they disagree: Object %v, Decode %v, Valid %v", err, decodeErr, validErr)
		}
		var syntax *pyjson.SyntaxError
		if errors.As(validErr, &syntax) && (syntax.Offset < 0 || syntax.Offset > int64(len(data))) {
			t.Errorf("offset %d of a fault in %d bytes", syntax.Offset, len(data))
		}
		if validErr != nil {
			if json.Valid(data) && !errors.As(validErr, &syntax) {
				t.Errorf("error %v, want a *SyntaxError", validErr)
			}
			return
		}
		compact := string(pyjson.Compact(nil, data))
		indented := pyjson.Indent(nil, data, "  ")
		if again := string(pyjson.Compact(nil, indented)); again != compact {
			t.Errorf("Compact of the indented value: %q, want %q", again, compact)
		}
		if !pyjson.Equal(data, indented) || pyjson.Valid(indented) != nil || pyjson.Valid([]byte(compact)) != nil {
			t.Errorf("indented %q or compact %q is invalid or not equal", indented, compact)
		}
		if n := pyjson.Indented([]byte(compact), 2); n != len(indented) {
			t.Errorf("Indented(%q) = %d, want %d", compact, n, len(indented))
		}
		if finite := pyjson.Finite(nil, data); !json.Valid(finite) {
			t.Errorf("Finite returned %q, which is not JSON", finite)
		}
		if string(data) != before {
			t.Error("a function changed its argument")
		}
	})
}
