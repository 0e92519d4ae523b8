package cli

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/fatih/color"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/ubunye-go/modelregistry/examples/internal/clitest"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"ubunye": func() { os.Exit(Main(nil)) }})
}

func TestScripts(t *testing.T) { clitest.Run(t, "testdata/script") }

func TestEscape(t *testing.T) {
	for in, want := range map[string]string{
		"plain ä → 1":      "plain ä → 1",
		"\x1b[31mred":      `\x1b[31mred`,
		"a\nb\tc":          `a\nb\tc`,
		"\u009b31m\u202e":  `\u009b31m\u202e`,
		"broken \xff utf8": `broken \xff utf8`,
	} {
		if got := escape(in); got != want {
			t.Errorf("escape(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestEscapeJSON(t *testing.T) {
	want := "a\u007f\u009b\u202e\U000e0001ä"
	raw, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	escaped := escapeJSON(string(raw))
	if escaped != `"a\u007f\u009b\u202e\udb40\udc01ä"` {
		t.Errorf("escaped to %s", escaped)
	}
	var got string
	if err := json.Unmarshal([]byte(escaped), &got); err != nil || got != want {
		t.Errorf("reads back as %q, %v", got, err)
	}
}

func TestNumber(t *testing.T) {
	for _, tc := range []struct {
		value any
		want  string
	}{
		{json.Number("0.93"), "0.930"},
		{json.Number("1e-2"), "0.010"},
		{json.Number("-7"), "-7"},
		{json.Number("123456789012345678901234567890"), "123456789012345678901234567890"},
		{json.Number("1e300"), "1e300"},
		{json.Number("NaN"), "NaN"},
		{"text", "text"},
		{true, "true"},
		{nil, "-"},
		{[]any{"a", nil}, `["a",null]`},
	} {
		if got := number(tc.value, 3); got != tc.want {
			t.Errorf("number(%v) = %s, want %s", tc.value, got, tc.want)
		}
	}
}

func TestPaintedTableKeepsItsColumns(t *testing.T) {
	defer func(old bool) { color.NoColor = old }(color.NoColor)
	color.NoColor = false
	tab := table{columns: []column{{title: "Stage", width: 12, paint: paintStage}, {title: "Next"}}}
	tab.add("production", "x")
	if got, want := tab.String(), "\x1b[32mproduction  \x1b[0m x\n"; !strings.HasSuffix(got, want) {
		t.Errorf("got %q, want it to end in %q", got, want)
	}
}

func TestFailedWriteIsAnError(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip(err)
	}
	defer full.Close()
	a := &app{out: full, output: outputJSON}
	if err := a.show([]string{"x"}, func() string { return "x" }); err == nil {
		t.Error("no error")
	}
}
