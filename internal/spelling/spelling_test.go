package spelling_test

import (
	"testing"

	"github.com/ubunye-go/modelregistry/internal/spelling"
)

func TestNearest(t *testing.T) {
	t.Parallel()
	words := []string{"auc", "f1", "loss", "latency_ms"}
	for text, want := range map[string]string{
		"acu": "auc", "aucc": "auc", "auc": "auc", "los": "loss", "latencyms": "latency_ms", "accuracy": "", "latency_micros": "", "ab": "",
	} {
		if got := spelling.Nearest(text, words); got != want {
			t.Errorf("the word nearest to %q is %q, want %q", text, got, want)
		}
	}
}
