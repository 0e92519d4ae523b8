package modelregistry_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/internal/document"
)

func TestPythonDocumentDeleted(t *testing.T) {
	t.Parallel()
	s := pyNewStore(t)
	r := s.open()
	for _, v := range []string{"1.0.0", "1.1.0", "1.2.0-rc.1"} {
		s.register(r, v)
	}
	s.promote(r, "1.0.0", modelregistry.Production)
	s.promote(r, "1.1.0", modelregistry.Production)
	data := s.read("registry.json")
	want, err := r.ListVersions(t.Context(), pyName)
	if err != nil {
		t.Fatal(err)
	}
	s.remove("registry.json")
	for what, r := range map[string]*modelregistry.ModelRegistry{"held": r, "fresh": s.open()} {
		got, err := r.ListVersions(t.Context(), pyName)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(pyLines(want), pyLines(got)); diff != "" {
			t.Errorf("%s:\n%s", what, diff)
		}
		for i := range got {
			if got[i].ManifestSHA256 != want[i].ManifestSHA256 || got[i].SourceRevision != want[i].SourceRevision {
				t.Errorf("%s: %s has other extras", what, got[i].Version)
			}
		}
	}
	if _, err := os.Stat(s.path("registry.json")); err == nil {
		t.Error("reading wrote the document")
	}
	// The next change puts it back: but for that change, as it was.
	if _, err := s.open().Archive(t.Context(), pyName.At("1.2.0-rc.1"), nil); err != nil {
		t.Fatal(err)
	}
	s.inStep()
	d, err := document.Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range d.Entries[:2] {
		if diff := cmp.Diff(string(e.Raw), s.rawEntry(e.Version)); diff != "" {
			t.Error(diff)
		}
	}
	if back, err := s.open().Rollback(t.Context(), pyName, nil); err != nil || back.Version != "1.0.0" {
		t.Errorf("rolled back to %q, %v", back.Version, err)
	}
}

func TestPythonHistoryLost(t *testing.T) {
	t.Parallel()
	cut := func(keep int) func(s *pyStore) {
		return func(s *pyStore) {
			lines := slices.Collect(bytes.Lines(s.read("history.jsonl")))
			s.write("history.jsonl", bytes.Join(lines[:keep], nil))
		}
	}
	tests := map[string]func(s *pyStore){
		"deleted":          func(s *pyStore) { s.remove("history.jsonl") },
		"emptied":          func(s *pyStore) { s.write("history.jsonl", nil) },
		"cut to one":       cut(1),
		"cut by one":       cut(3),
		"cut inside":       func(s *pyStore) { h := s.read("history.jsonl"); s.write("history.jsonl", h[:len(h)-10]) },
		"cut early inside": func(s *pyStore) { s.write("history.jsonl", s.read("history.jsonl")[:20]) },
	}
	for name, lose := range tests {
		for _, held := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s held=%t", name, held), func(t *testing.T) {
				t.Parallel()
				s := pyNewStore(t)
				r := s.open()
				s.register(r, "1.0.0")
				s.register(r, "1.1.0")
				s.promote(r, "1.0.0", modelregistry.Production)
				s.promote(r, "1.1.0", modelregistry.Production)
				want := s.list(r)
				lose(s)
				if !held {
					r = s.open()
				}
				if diff := cmp.Diff(want, s.list(r)); diff != "" {
					t.Errorf("reading did not go on from the document:\n%s", diff)
				}
				s.register(r, "1.2.0")
				ops := s.ops()
				if !slices.Equal(ops[max(0, len(ops)-2):], []string{"import", "register 1.2.0"}) {
					t.Errorf("the history is %q", ops)
				}
				if events := s.events(); !events[len(events)-2].Reset {
					t.Error("the import does not reset")
				}
				s.inStep()
				got := s.same(r)
				got = slices.DeleteFunc(got, func(l pyLine) bool { return l.Version == "1.2.0" })
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("after the next change:\n%s", diff)
				}
				s.promote(s.open(), "1.2.0", modelregistry.Production)
				s.same(r)
				if back, err := s.open().Rollback(t.Context(), pyName, nil); err != nil || back.Version != "1.1.0" {
					t.Errorf("rolled back to %q, %v", back.Version, err)
				}
				s.same(r)
			})
		}
	}
}

// The change that starts a new history is acknowledged. So it stands, even if
// the document could not be brought up to date.
func TestPythonHistoryLostAndCheckpointFails(t *testing.T) {
	t.Parallel()
	s := pyNewStore(t)
	r := s.open()
	for i := range 5 {
		s.register(r, fmt.Sprintf("1.0.%d", i))
	}
	s.remove("history.jsonl")
	s.blockCheckpoint()
	want := map[string]string{}
	for i := range 7 {
		v := fmt.Sprintf("1.0.%d", i)
		want[v] = "development"
		if i >= 5 {
			s.register(s.open(), v)
		}
		if i < 4 {
			continue
		}
		if diff := cmp.Diff(want, pyStages(s.list(s.open()))); diff != "" {
			t.Fatalf("with %s registered:\n%s", v, diff)
		}
	}
	for i := 7; i < 20; i++ { // the new history outgrows the old one
		v := fmt.Sprintf("1.0.%d", i)
		want[v] = "development"
		s.register(s.open(), v)
	}
	s.unblockCheckpoint()
	if diff := cmp.Diff(want, pyStages(s.list(s.open()))); diff != "" {
		t.Error(diff)
	}
	s.register(s.open(), "2.0.0")
	want["2.0.0"] = "development"
	if diff := cmp.Diff(want, pyStages(s.same(r))); diff != "" {
		t.Error(diff)
	}
	s.inStep()
}

// A number that was given out is never given out again, whatever was lost.
func TestPythonNumbersAreNotGivenAgain(t *testing.T) {
	t.Parallel()
	s := pyNewStore(t)
	r := s.open()
	s.register(r, "1.0.0")
	s.register(r, "1.0.1")
	d := s.document()
	d.Entries = d.Entries[:1] // an editor takes the last one out
	s.write("registry.json", bytes.Replace(document.Format(d), []byte(`"crc32c": "`), []byte(`"crc32c": "x`), 1))
	s.register(r, "0.5.0")
	s.remove("history.jsonl")
	s.register(s.open(), "0.6.0")
	s.remove("registry.json")
	_, err := s.open().Register(t.Context(), pyName, pyArtifact("x"), &modelregistry.RegisterOptions{Version: "1.0.1"})
	if !errors.Is(err, modelregistry.ErrExists) {
		t.Errorf("1.0.1 was given out again: %v", err)
	}
	if v, err := s.open().Register(t.Context(), pyName, pyArtifact("x"), nil); err != nil || v.Version != "1.0.2" {
		t.Errorf("the next version is %q, %v", v.Version, err)
	}
}

func TestPythonCorruptDocumentWithoutHistory(t *testing.T) {
	t.Parallel()
	whole := pyDocument("1.0.0", pyEntry("1.0.0", "staging"))
	tests := map[string][]byte{
		"truncated":      whole[:len(whole)-20],
		"empty":          {},
		"white space":    []byte("  \n"),
		"BOM":            append([]byte("\xef\xbb\xbf"), whole...),
		"trailing bytes": append(slices.Clone(whole), "}"...),
		"a list":         []byte("[]"),
		"versions: list": []byte(`{"versions": []}`),
		"NULs":           make([]byte, len(whole)),
	}
	for name, data := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := pyNewStore(t)
			s.tree("1.0.0")
			s.write("registry.json", data)
			r := s.open()
			check := func(what string, err error) {
				t.Helper()
				var corrupt *modelregistry.CorruptError
				if !errors.As(err, &corrupt) {
					t.Fatalf("%s: %v", what, err)
				}
				if corrupt.Path != "fraud_detection/FraudRiskModel/registry.json" || !strings.Contains(err.Error(), corrupt.Path) {
					t.Errorf("%s: %v", what, err)
				}
			}
			_, err := r.ListVersions(t.Context(), pyName)
			check("list", err)
			_, err = r.GetModel(t.Context(), pyName.In(modelregistry.Staging), nil)
			check("get", err)
			_, err = r.Register(t.Context(), pyName, pyArtifact("x"), nil)
			check("register", err)
			_, err = r.Promote(t.Context(), pyName.At("1.0.0"), modelregistry.Production, nil)
			check("promote", err)
			if !bytes.Equal(s.read("registry.json"), data) {
				t.Error("the document was overwritten")
			}
			if _, err := os.Stat(s.path("history.jsonl")); err == nil {
				t.Error("a history was started")
			}
			if found, _ := filepath.Glob(s.path(".staging/*")); len(found) > 0 {
				t.Errorf("left %q", found)
			}
		})
	}
}

func TestPythonCorruptDocumentBesideHistory(t *testing.T) {
	t.Parallel()
	for _, held := range []bool{true, false} {
		t.Run(fmt.Sprintf("held=%t", held), func(t *testing.T) {
			t.Parallel()
			s := pyNewStore(t)
			r := s.open()
			s.register(r, "1.0.0")
			s.register(r, "1.1.0")
			want := s.list(r)
			data := s.read("registry.json")
			damaged := data[:len(data)/2]
			s.write("registry.json", damaged)
			if !held {
				r = s.open()
			}
			if diff := cmp.Diff(want, s.list(r)); diff != "" {
				t.Error(diff)
			}
			s.promote(r, "1.1.0", modelregistry.Production)
			s.register(r, "1.2.0")
			if !bytes.Equal(s.read("registry.json"), damaged) {
				t.Error("the damaged document was overwritten")
			}
			lines := map[string]string{"1.0.0": "development", "1.1.0": "production", "1.2.0": "development"}
			if diff := cmp.Diff(lines, pyStages(s.same(r))); diff != "" {
				t.Error(diff)
			}
			// The old document is put back: it is a checkpoint again.
			s.write("registry.json", data)
			if diff := cmp.Diff(lines, pyStages(s.list(r))); diff != "" {
				t.Errorf("with the old document put back:\n%s", diff)
			}
			s.register(r, "1.3.0")
			s.inStep()
			s.same(r)
		})
	}
}

// If another program is in the middle of its write, the reader waits for the
// end.
func TestPythonTornReadIsRetried(t *testing.T) {
	t.Parallel()
	s := pyCopyFrozen(t)
	data := s.read("registry.json")
	s.write("registry.json", data[:100])
	r := s.open()
	done := make(chan error, 1)
	go func() {
		_, err := r.ListVersions(context.Background(), pyName)
		done <- err
	}()
	s.write("registry.json", data)
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestPythonDamagedHistory(t *testing.T) {
	t.Parallel()
	tests := map[string]func(lines [][]byte) [][]byte{
		"a letter": func(l [][]byte) [][]byte {
			l[1] = bytes.Replace(l[1], []byte(`"op":"register"`), []byte(`"op":"registes"`), 1)
			return l
		},
		"no JSON":         func(l [][]byte) [][]byte { l[1] = append([]byte("x"), l[1]...); return l },
		"a line missing":  func(l [][]byte) [][]byte { return slices.Delete(l, 1, 2) },
		"lines swapped":   func(l [][]byte) [][]byte { l[1], l[2] = l[2], l[1]; return l },
		"a line twice":    func(l [][]byte) [][]byte { return slices.Insert(l, 1, l[1]) },
		"NULs":            func(l [][]byte) [][]byte { copy(l[1][10:], make([]byte, 30)); return l },
		"the first gone":  func(l [][]byte) [][]byte { return l[1:] },
		"an empty line":   func(l [][]byte) [][]byte { return slices.Insert(l, 1, []byte("\n")) },
		"a newline added": func(l [][]byte) [][]byte { l[1] = slices.Insert(slices.Clone(l[1]), 30, '\n'); return l },
	}
	for name, damage := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := pyNewStore(t)
			r := s.open()
			for _, v := range []string{"1.0.0", "1.1.0", "1.2.0", "1.3.0"} {
				s.register(r, v)
			}
			lines := slices.Collect(bytes.Lines(s.read("history.jsonl")))
			damaged := bytes.Join(damage(lines), nil)
			s.write("history.jsonl", damaged)
			s.remove("registry.json")
			_, err := s.open().ListVersions(t.Context(), pyName)
			var corrupt *modelregistry.CorruptError
			if !errors.As(err, &corrupt) || corrupt.Path != "fraud_detection/FraudRiskModel/history.jsonl" {
				t.Fatalf("a reader that needs it: %v", err)
			}
			_, err = s.open().Register(t.Context(), pyName, pyArtifact("x"), nil)
			if !errors.As(err, &corrupt) {
				t.Errorf("a writer that needs it: %v", err)
			}
			if !bytes.Equal(s.read("history.jsonl"), damaged) {
				t.Error("the damaged history was changed")
			}
		})
	}
}

// Damage before the checkpoint does not stop a reader that starts at the
// checkpoint.
func TestPythonDamageBeforeTheCheckpoint(t *testing.T) {
	t.Parallel()
	s := pyNewStore(t)
	r := s.open()
	for _, v := range []string{"1.0.0", "1.1.0", "1.2.0"} {
		s.register(r, v)
	}
	want := s.list(r)
	s.write("history.jsonl", bytes.Replace(s.read("history.jsonl"), []byte(`"op":"register"`), []byte(`"op":"registes"`), 1))
	if diff := cmp.Diff(want, s.list(s.open())); diff != "" {
		t.Error(diff)
	}
	s.register(s.open(), "1.3.0")
	if diff := cmp.Diff(s.list(r), s.list(s.open())); diff != "" {
		t.Error(diff)
	}
}

func TestPythonTornTailIsPassedOverAndCut(t *testing.T) {
	t.Parallel()
	tails := map[string]string{
		"half a line":       `{"event":3,"id":"0123`,
		"a line, no end":    `{"event":3,"id":"0123","op":"register","checkpoint":2,"prev":""}`,
		"NULs":              strings.Repeat("\x00", 300),
		"half and NULs":     `{"event":3,"id"` + strings.Repeat("\x00", 100),
		"NULs and an end":   `{"event":3` + strings.Repeat("\x00", 100) + `"prev":""}` + "\n",
		"longer than a new": `{"event":3,"id":"` + strings.Repeat("0", 5000),
	}
	for name, tail := range tails {
		for _, held := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s held=%t", name, held), func(t *testing.T) {
				t.Parallel()
				s := pyNewStore(t)
				r := s.open()
				s.register(r, "1.0.0")
				s.register(r, "1.1.0")
				want := s.list(r)
				sound := s.read("history.jsonl")
				s.write("history.jsonl", append(slices.Clone(sound), tail...))
				if !held {
					r = s.open()
				}
				if diff := cmp.Diff(want, s.same(r)); diff != "" {
					t.Error(diff)
				}
				s.register(r, "1.2.0")
				now := s.read("history.jsonl")
				if !bytes.HasPrefix(now, sound) || bytes.IndexByte(now, 0) >= 0 || bytes.Count(now, []byte("\n")) != 3 {
					t.Errorf("the history is\n%q", now)
				}
				s.inStep()
				s.same(r)
			})
		}
	}
}
