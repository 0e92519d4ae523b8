package logformat_test

import (
	"testing"

	"github.com/ubunye-go/modelregistry/internal/logformat"
)

func TestNameAndNumber(t *testing.T) {
	t.Parallel()
	for _, n := range []int64{1, 2, 9, 10, 12345, logformat.Last} {
		if got, ok := logformat.Number(logformat.Name(n)); !ok || got != n {
			t.Errorf("Number(%q) = %d, %t, want %d, true", logformat.Name(n), got, ok, n)
		}
		if n > 1 && logformat.Name(n) >= logformat.Name(n-1) {
			t.Errorf("Name(%d) = %q does not sort before Name(%d) = %q", n, logformat.Name(n), n-1, logformat.Name(n-1))
		}
	}
	for _, name := range []string{"", "1", "1.jsonl", "-1.jsonl", "0000-x.jsonl", "9999999998-2.jsonl", "9999999998-1", "9999999998-01.jsonl",
		"09999999998-1.jsonl", "9999999999-0.jsonl", "9999999998-1.jsonl.tmp"} {
		if n, ok := logformat.Number(name); ok {
			t.Errorf("Number(%q) = %d, true, want false", name, n)
		}
	}
}

func TestSplit(t *testing.T) {
	t.Parallel()
	const first = `{"commit":"a","number":2,"end":9,"more":true}`
	head, line, lines, err := logformat.Split([]byte(first+"\n{1}\n{2}\n"), 2)
	if err != nil || head != (logformat.Head{ID: "a", Number: 2, End: 9}) || string(line) != first || string(lines) != "{1}\n{2}\n" {
		t.Errorf("Split = %+v, %q, %q, %v", head, line, lines, err)
	}
	for _, data := range []string{"", first, first + "\n{1}", "{\n", "{}\n", `{"number":2}` + "\n", `{"commit":"a","number":1}` + "\n",
		`{"commit":"a","number":2,"end":3}` + "\n{1}\n"} {
		if head, _, lines, err := logformat.Split([]byte(data), 2); err == nil {
			t.Errorf("Split(%q) = %+v, lines %q, want an error", data, head, lines)
		}
	}
}
