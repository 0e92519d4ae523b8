package turns

import (
	"os"
	"path/filepath"
	"testing"
)

// The checks find a change that is lost, on either side.
func TestChecksFindLostChanges(t *testing.T) {
	tests := []struct {
		name   string
		last   string                   // the step that is lost, after one version was registered
		damage func(before, now string) // restores what was there before the step
	}{
		{"Python's change", "python archive 1.0.0", func(before, now string) {
			restore(t, before, now, "registry.json")
		}},
		{"Go's change", "go archive 1.0.0", func(before, now string) {
			restore(t, before, now, "registry.json", "history.jsonl")
		}},
		{"a file", "python archive 1.0.0", func(_, now string) {
			if err := os.Remove(filepath.Join(now, "versions", "1.0.0", "model", "weights")); err != nil {
				t.Fatal(err)
			}
		}},
	}
	x := trials(anyRelease, ways)[0]
	x.python = x.release.start(t)
	for _, tt := range tests {
		err := x.inWorld(func(w *world) error {
			model, before := filepath.Join(w.store, modelName.UseCase, modelName.Model), t.TempDir()
			if err := w.take(mustParse("go register 1.0.0")[0]); err != nil {
				t.Fatal(err)
			}
			if err := os.CopyFS(before, os.DirFS(model)); err != nil {
				t.Fatal(err)
			}
			if err := w.take(mustParse(tt.last)[0]); err != nil {
				t.Fatal(err)
			}
			tt.damage(before, model)
			return w.check()
		})
		if err == nil {
			t.Errorf("%s is lost, but no check finds it", tt.name)
		}
	}
}

func restore(t *testing.T, before, now string, names ...string) {
	for _, name := range names {
		data, err := os.ReadFile(filepath.Join(before, name))
		if err == nil {
			err = os.WriteFile(filepath.Join(now, name), data, 0o666)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}
