package cli

import (
	"bytes"
	"context"
	"testing"
)

// An interrupted verify shows its findings until then.
func TestInterruptedVerifySaysWhatItChecked(t *testing.T) {
	for _, tc := range []struct {
		result verified
		want   string
	}{
		{verified{Interrupted: true}, "interrupted; until then, 0 models and 0 versions checked: 0 problems, 0 notices\n"},
		{verified{Models: 1, Versions: 7, Interrupted: true, Complete: []string{"a/First"}},
			"interrupted; until then, 1 model and 7 versions checked: 0 problems, 0 notices\ncomplete: a/First\n"},
		{verified{Models: 3, Versions: 7, Interrupted: true, Complete: []string{"a/A", "a/B", "b/A"}},
			"interrupted; until then, 3 models and 7 versions checked: 0 problems, 0 notices\ncomplete: a/A to b/A\n"},
	} {
		if got := tc.result.text(); got != tc.want {
			t.Errorf("got %q, want %q", got, tc.want)
		}
	}
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for format, want := range map[string]string{
		"table": "interrupted; until then, 0 models and 0 versions checked: 0 problems, 0 notices\n",
		"json":  "{\n  \"models\": 0,\n  \"versions\": 0,\n  \"findings\": [],\n  \"interrupted\": true\n}\n",
	} {
		var out, messages bytes.Buffer
		status := Run(ctx, []string{"models", "verify", "-s", dir, "--output", format}, &out, &messages, nil)
		if status != 1 || out.String() != want || messages.Len() == 0 {
			t.Errorf("%s: exit status %d, output %q, messages %q; want 1 and %q", format, status, out.String(), messages.String(), want)
		}
	}
}
