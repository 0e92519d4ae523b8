package modelregistry_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	mr "github.com/ubunye-go/modelregistry"
)

// clocks are what Options.Now may be, given how often it was looked at.
var clocks = map[string]func(look int) time.Time{
	"goes on":       func(look int) time.Time { return day.Add(time.Duration(look) * time.Minute) },
	"stands still":  func(int) time.Time { return day },
	"runs back":     func(look int) time.Time { return day.Add(-time.Duration(look) * time.Hour) },
	"jumps":         func(look int) time.Time { return day.AddDate([]int{0, 40, -50, 7}[look%4], 0, 0) },
	"zero":          func(int) time.Time { return time.Time{} },
	"before year 1": func(look int) time.Time { return time.Date(-look, 1, 1, 0, 0, 0, 0, time.UTC) },
	"after 9999":    func(look int) time.Time { return time.Date(9999+look, 1, 1, 0, 0, 0, 0, time.UTC) },
	"other zones":   func(look int) time.Time { return day.In(time.FixedZone("", (look%5-2)*3600*9)) },
}

var day = time.Date(2026, 11, 23, 5, 30, 0, 0, time.UTC)

// Invariant 10: whatever the clock says, the version of a stage is the one that
// entered it last, and a rollback follows the order of the history. The history
// alone and the document alone agree on this.
func TestClock(t *testing.T) {
	t.Parallel()
	for name, clock := range clocks {
		for _, held := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s held=%t", name, held), func(t *testing.T) {
				t.Parallel()
				var looks atomic.Int64
				opts := &mr.Options{Now: func() time.Time { return clock(int(looks.Add(1))) }}
				one, dir := newStore(t, opts)
				reg := func() *mr.ModelRegistry {
					if held {
						return one
					}
					return openStore(t, dir, opts)
				}
				for _, v := range []string{"1.0.0", "1.0.1", "1.0.2", "1.0.3"} {
					if got := register(t, reg(), "", nil); got.Version != v {
						t.Fatalf("registered %s, want %s", got.Version, v)
					}
				}
				for _, v := range []string{"1.0.1", "1.0.0", "1.0.2"} {
					promote(t, reg(), v, mr.Production)
				}
				for _, want := range []string{"1.0.0", "1.0.1"} {
					if v, err := reg().Rollback(t.Context(), fraud, nil); err != nil || v.Version != want {
						t.Fatalf("rolled back to %q, want %s: %v", v.Version, want, err)
					}
				}
				if v, err := reg().RollbackTo(t.Context(), fraud.At("1.0.2"), nil); err != nil || v.Stage != mr.Production {
					t.Fatalf("rolled back to 1.0.2, which was in production: %v", err)
				}
				if _, err := reg().RollbackTo(t.Context(), fraud.At("1.0.3"), nil); err == nil {
					t.Error("rolled back to 1.0.3, which never was in production")
				}
				promote(t, reg(), "1.0.3", mr.Staging)
				promote(t, reg(), "1.0.1", mr.Staging)
				want := map[mr.ModelStage]string{mr.Production: "1.0.2", mr.Staging: "1.0.1", mr.Archived: "1.0.0"}
				for what, r := range map[string]*mr.ModelRegistry{"held": one, "fresh": openStore(t, dir, nil), "replayed": withoutDocument(t, dir)} {
					got := map[mr.ModelStage]string{}
					for stage := range want {
						v, err := r.GetVersion(t.Context(), fraud.In(stage))
						if err != nil {
							t.Fatal(err)
						}
						got[stage] = v.Version
					}
					if diff := cmp.Diff(want, got); diff != "" {
						t.Errorf("%s:\n%s", what, diff)
					}
					if diff := cmp.Diff(versions(t, one), versions(t, r)); diff != "" {
						t.Errorf("%s lists otherwise:\n%s", what, diff)
					}
				}
			})
		}
	}
}

// versions lists what there is, and checks that it is in the order that
// ListVersions promises: of the numbers, because the test registers them in
// turn.
func versions(t *testing.T, r *mr.ModelRegistry) (lines []string) {
	t.Helper()
	list, err := r.ListVersions(t.Context(), fraud)
	if err != nil {
		t.Fatal(err)
	}
	sorted := slices.IsSortedFunc(list, func(a, b mr.ModelVersion) int {
		return strings.Compare(b.Version, a.Version)
	})
	if !sorted {
		t.Error("it is out of order")
	}
	for _, v := range list {
		if len(v.Problems) > 0 || v.RegisteredAt.IsZero() {
			t.Errorf("%s was registered at %v: %q", v.Version, v.RegisteredAt, v.Problems)
		}
		lines = append(lines, mustJSON(t, v))
	}
	return lines
}

// withoutDocument opens a copy of a store that lost its document.
func withoutDocument(t *testing.T, dir string) *mr.ModelRegistry {
	t.Helper()
	copied := filepath.Join(t.TempDir(), "replayed")
	if err := os.CopyFS(copied, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(modelPath(copied, "registry.json")); err != nil {
		t.Fatal(err)
	}
	return openStore(t, copied, nil)
}

// Invariant 10, for the clock that sets the times of files: whatever the times
// of document and log are, a registry that has them in memory notices a write
// by another program. A stat does not show one case: a write in place of the
// same size after which the program sets the time back.
func TestFileTimes(t *testing.T) {
	t.Parallel()
	files := []string{"history.jsonl", "registry.json"}
	stamp := func(t *testing.T, dir string, when time.Time) {
		t.Helper()
		for _, name := range files {
			if err := os.Chtimes(modelPath(dir, name), when, when); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, after := range map[string]time.Time{
		"as before":    day,
		"long past":    day.AddDate(-30, 0, 0),
		"far future":   time.Now().AddDate(30, 0, 0),
		"of this tick": time.Now(),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			writer, dir := newStore(t, nil)
			register(t, writer, "1.0.0", nil)
			register(t, writer, "1.0.1", nil)
			stamp(t, dir, day)
			reader := openStore(t, dir, nil)
			for i := range 20 {
				version := fmt.Sprintf("1.0.%d", i%2) // the same sizes again and again
				stagesOf(t, reader)
				promote(t, writer, version, mr.Production)
				stamp(t, dir, after)
				if v, err := reader.GetVersion(t.Context(), fraud.In(mr.Production)); err != nil || v.Version != version {
					t.Fatalf("round %d: production is %s, want %s; %v", i, v.Version, version, err)
				}
			}
			// A program that writes in place: of another size, or at another
			// time.
			edit := func(old, new string, when time.Time) {
				t.Helper()
				data, err := os.ReadFile(modelPath(dir, "registry.json"))
				if err != nil || !strings.Contains(string(data), old) {
					t.Fatalf("%v, or no %q", err, old)
				}
				writeFile(t, modelPath(dir, "registry.json"), strings.Replace(string(data), old, new, 1))
				stamp(t, dir, when)
			}
			stamp(t, dir, after)
			stagesOf(t, reader)
			edit(`"config_hash": null`, `"config_hash": "abcd"`, after)
			if v, err := reader.GetVersion(t.Context(), fraud.At("1.0.0")); err != nil || v.ConfigHash != "abcd" {
				t.Errorf("of another size: %q, %v", v.ConfigHash, err)
			}
			edit(`"abcd"`, `"efgh"`, after.Add(-time.Hour))
			if v, err := reader.GetVersion(t.Context(), fraud.At("1.0.0")); err != nil || v.ConfigHash != "efgh" {
				t.Errorf("of the same size, at an earlier time: %q, %v", v.ConfigHash, err)
			}
		})
	}
}
