package logformat_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/ubunye-go/modelregistry/internal/logformat"
)

func TestWhole(t *testing.T) {
	t.Parallel()
	nul := strings.Repeat("\x00", 8)
	tests := []struct {
		name       string
		keep, torn string
	}{
		{"nothing", "", ""},
		{"one line", "{1}\n", ""},
		{"two lines", "{1}\n{2}\n", ""},
		{"a partial line", "{1}\n", `{"event`},
		{"a partial line alone", "", `{"event`},
		{"a line without its newline", "{1}\n", "{2}"},
		{"NULs at the end", "{1}\n", nul},
		{"NULs alone", "", nul},
		{"NULs after a partial line", "{1}\n", `{"eve` + nul},
		{"NULs before the line's end", "{1}\n", `{"eve` + nul + "nt}\n"},
		{"NULs at the line's start", "{1}\n", nul + "nt}\n"},
		{"NULs, then a partial line", "{1}\n", nul + "\n{2"},
		{"NULs in the middle, then a later append: damage", "{1}\n{" + nul + "}\n{3}\n", ""},
		{"such damage, then a torn append", "{1}\n{" + nul + "}\n{3}\n", "{4"},
		{"such damage in the first line", nul + "}\n{3}\n", ""},
		{"an append of two lines", "{1}\n{2} \n{3}\n", ""},
		{"NULs in the first of two lines of the last append", "{1}\n", "{" + nul + "} \n{3}\n"},
		{"NULs in the second of two lines of the last append", "{1}\n", "{2} \n{" + nul + "}\n"},
		{"only NULs in place of the second line", "{1}\n", "{2} \n" + nul},
		{"the second line torn", "{1}\n", "{2} \n{3"},
		{"the second line missing", "{1}\n", "{2} \n"},
		{"the third line torn", "{1}\n", "{2} \n{3} \n{4}"},
		{"an append of two lines with a NUL, then another append: damage", "{1}\n{2" + nul + "} \n{3}\n{4}\n", ""},
	}
	for _, tt := range tests {
		if got := logformat.Whole([]byte(tt.keep + tt.torn)); got != len(tt.keep) {
			t.Errorf("%s: Whole = %d, want %d", tt.name, got, len(tt.keep))
		}
	}
}

// FuzzWhole checks two rules. Of any bytes, Whole keeps whole lines, and keeps
// the same part again unless it is damaged. Of a log whose last append is torn
// at any byte, with the rest missing or NUL, Whole keeps everything but that
// append.
func FuzzWhole(f *testing.F) {
	f.Add([]byte("1\n2\n"), []byte("3\n4\n5"), uint(7), uint(3))
	f.Add([]byte(""), []byte("1"), uint(0), uint(1))
	f.Add([]byte("{\x00}\n{2} \n"), []byte("\x00 \n"), uint(2), uint(0))
	f.Fuzz(func(t *testing.T, before, last []byte, cut, nuls uint) {
		n := logformat.Whole(before)
		if n < 0 || n > len(before) || n > 0 && before[n-1] != '\n' || bytes.IndexByte(before[:n], 0) < 0 && logformat.Whole(before[:n]) != n {
			t.Errorf("Whole(%q) = %d: not whole lines, or not stable", before, n)
		}
		var sound []byte
		for line := range bytes.Lines(before) {
			sound = append(append(sound, clean(line)...), '\n')
		}
		var add []byte
		for i, line := range bytes.Split(last, []byte("\n")) {
			if i > 0 {
				add = append(add, " \n"...)
			}
			add = append(add, clean(line)...)
		}
		add = append(add, '\n')
		log := append(bytes.Clone(sound), add...)
		if n := logformat.Whole(log); n != len(log) {
			t.Fatalf("Whole(%q) = %d, want all %d bytes", log, n, len(log))
		}
		cut %= uint(len(add))
		torn := append(log[:len(sound)+int(cut):len(sound)+int(cut)], make([]byte, nuls%64)...)
		if n := logformat.Whole(torn); n != len(sound) {
			t.Errorf("torn append: Whole(%q) = %d, want %d", torn, n, len(sound))
		}
		hole := bytes.Clone(log) // only this byte of the append was not written
		hole[len(sound)+int(cut)] = 0
		if n := logformat.Whole(hole); n != len(sound) {
			t.Errorf("append with a NUL: Whole(%q) = %d, want %d", hole, n, len(sound))
		}
	})
}

// clean makes a valid line of any bytes: without NUL or newline, and with no
// space at its end.
func clean(line []byte) []byte {
	line = bytes.Map(func(r rune) rune {
		if r == 0 || r == '\n' {
			return '.'
		}
		return r
	}, line)
	return append(append([]byte{'{'}, line...), '}')
}
