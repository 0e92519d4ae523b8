package logformat_test

import (
	"strings"
	"testing"

	"github.com/ubunye-go/modelregistry/internal/logformat"
)

// WholeTail agrees with Whole for every tail of a log that it decides on.
func TestWholeTailAgreesWithWhole(t *testing.T) {
	t.Parallel()
	for _, log := range []string{
		"", "{1}\n", "{1}\n{2}\n", "{1}\n{2} \n{3}\n{4}\n", "{1}\n{2}\n{3", "{1}\n{2} \n{3}\n{4} \n", "{1}\n{2\x00} \n{3}\n", "{1\x00}\n{2}\n{3}\n{4}\n",
		"{1}\n{2}\n\x00\x00", "{1}\n{2\x00} \n{3}\n{4}\n{5", "{1}\n{2\x00} \n{3} \n{4}\n{5",
	} {
		want := logformat.Whole([]byte(log))
		decided := false
		for from := range len(log) {
			if n, ok := logformat.WholeTail([]byte(log[from:])); ok {
				decided = true
				if from+n != want {
					t.Errorf("WholeTail(%q) of %q = %d, want %d", log[from:], log, n, want-from)
				}
			}
		}
		if !decided && want > len("{1}\n{2}\n") && !strings.Contains(log, "\x00") {
			t.Errorf("WholeTail decides on no tail of %q", log)
		}
	}
}

func TestLastLines(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		size int
		want string
	}{{0, "{3}\n"}, {1, "{3}\n"}, {4, "{3}\n"}, {8, "{3}\n"}, {9, "{22}\n{3}\n"}, {12, "{22}\n{3}\n"}, {13, "{1}\n{22}\n{3}\n"}, {99, "{1}\n{22}\n{3}\n"}} {
		if got := string(logformat.LastLines([]byte("{1}\n{22}\n{3}\n"), tt.size)); got != tt.want {
			t.Errorf("LastLines of %d bytes = %q, want %q", tt.size, got, tt.want)
		}
	}
	if got := logformat.LastLines(nil, 9); got != nil {
		t.Errorf("LastLines of nothing = %q", got)
	}
}
