package modelregistry_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/internal/document"
	"github.com/ubunye-go/modelregistry/internal/pythonstore"
)

func TestPythonDocumentDeleted(t *testing.T) {
	t.Parallel()
	s := pythonstore.New(t)
	r := s.Open()
	for _, v := range []string{"1.0.0", "1.1.0", "1.2.0-rc.1"} {
		s.Register(r, v)
	}
	s.Promote(r, "1.0.0", modelregistry.Production)
	s.Promote(r, "1.1.0", modelregistry.Production)
	data := s.Read("registry.json")
	want, err := r.ListVersions(t.Context(), fraud)
	if err != nil {
		t.Fatal(err)
	}
	s.Remove("registry.json")
	for what, r := range map[string]*modelregistry.ModelRegistry{"held": r, "fresh": s.Open()} {
		got, err := r.ListVersions(t.Context(), fraud)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(pythonstore.Lines(want), pythonstore.Lines(got)); diff != "" {
			t.Errorf("%s registry lists (-want +got):\n%s", what, diff)
		}
		for i := range got {
			if got[i].ManifestSHA256 != want[i].ManifestSHA256 || got[i].SourceRevision != want[i].SourceRevision {
				t.Errorf("%s registry: %s has manifest %q, revision %q; want %q, %q", what, got[i].Version,
					got[i].ManifestSHA256, got[i].SourceRevision, want[i].ManifestSHA256, want[i].SourceRevision)
			}
		}
	}
	if _, err := os.Stat(s.Path("registry.json")); err == nil {
		t.Error("reading wrote the document, want no document")
	}
	// The next change writes the document again, with the other entries as they
	// were.
	if _, err := s.Open().Archive(t.Context(), fraud.At("1.2.0-rc.1"), nil); err != nil {
		t.Fatal(err)
	}
	s.WantInStep()
	d, err := document.Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range d.Entries[:2] {
		if diff := cmp.Diff(string(e.Raw), s.RawEntry(e.Version)); diff != "" {
			t.Error(diff)
		}
	}
	if back, err := s.Open().Rollback(t.Context(), fraud, nil); err != nil || back.Version != "1.0.0" {
		t.Errorf("rolled back to %q, %v, want 1.0.0", back.Version, err)
	}
}

func TestPythonHistoryLost(t *testing.T) {
	t.Parallel()
	cut := func(keep int) func(s *pythonstore.Store) {
		return func(s *pythonstore.Store) {
			lines := slices.Collect(bytes.Lines(s.Read("history.jsonl")))
			s.Write("history.jsonl", bytes.Join(lines[:keep], nil))
		}
	}
	tests := map[string]func(s *pythonstore.Store){
		"deleted":          func(s *pythonstore.Store) { s.Remove("history.jsonl") },
		"emptied":          func(s *pythonstore.Store) { s.Write("history.jsonl", nil) },
		"cut to one":       cut(1),
		"cut by one":       cut(3),
		"cut inside":       func(s *pythonstore.Store) { h := s.Read("history.jsonl"); s.Write("history.jsonl", h[:len(h)-10]) },
		"cut early inside": func(s *pythonstore.Store) { s.Write("history.jsonl", s.Read("history.jsonl")[:20]) },
	}
	for name, lose := range tests {
		for _, held := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s held=%t", name, held), func(t *testing.T) {
				t.Parallel()
				s := pythonstore.New(t)
				r := s.Open()
				s.Register(r, "1.0.0")
				s.Register(r, "1.1.0")
				s.Promote(r, "1.0.0", modelregistry.Production)
				s.Promote(r, "1.1.0", modelregistry.Production)
				want := s.List(r)
				lose(s)
				if !held {
					r = s.Open()
				}
				if diff := cmp.Diff(want, s.List(r)); diff != "" {
					t.Errorf("read from the document (-want +got):\n%s", diff)
				}
				s.Register(r, "1.2.0")
				ops := s.Ops()
				if !slices.Equal(ops[max(0, len(ops)-2):], []string{"import", "register 1.2.0"}) {
					t.Errorf("the history is %q, want it to end in import and register 1.2.0", ops)
				}
				if events := s.Events(); !events[len(events)-2].Reset {
					t.Error("the import event has no reset, want it set")
				}
				s.WantInStep()
				got := s.Same(r)
				got = slices.DeleteFunc(got, func(l pythonstore.Line) bool { return l.Version == "1.2.0" })
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("after the next change (-want +got):\n%s", diff)
				}
				s.Promote(s.Open(), "1.2.0", modelregistry.Production)
				s.Same(r)
				if back, err := s.Open().Rollback(t.Context(), fraud, nil); err != nil || back.Version != "1.1.0" {
					t.Errorf("rolled back to %q, %v, want 1.1.0", back.Version, err)
				}
				s.Same(r)
			})
		}
	}
}

// The change that starts a new history is acknowledged. So it counts, even if
// the document could not be written.
func TestPythonHistoryLostAndCheckpointFails(t *testing.T) {
	t.Parallel()
	s := pythonstore.New(t)
	r := s.Open()
	for i := range 5 {
		s.Register(r, fmt.Sprintf("1.0.%d", i))
	}
	s.Remove("history.jsonl")
	s.BlockCheckpoint()
	want := map[string]string{}
	for i := range 7 {
		v := fmt.Sprintf("1.0.%d", i)
		want[v] = "development"
		if i >= 5 {
			s.Register(s.Open(), v)
		}
		if i < 4 {
			continue
		}
		if diff := cmp.Diff(want, pythonstore.Stages(s.List(s.Open()))); diff != "" {
			t.Fatalf("with %s registered (-want +got):\n%s", v, diff)
		}
	}
	for i := 7; i < 20; i++ { // until the new history is longer than the old one
		v := fmt.Sprintf("1.0.%d", i)
		want[v] = "development"
		s.Register(s.Open(), v)
	}
	s.UnblockCheckpoint()
	if diff := cmp.Diff(want, pythonstore.Stages(s.List(s.Open()))); diff != "" {
		t.Error(diff)
	}
	s.Register(s.Open(), "2.0.0")
	want["2.0.0"] = "development"
	if diff := cmp.Diff(want, pythonstore.Stages(s.Same(r))); diff != "" {
		t.Error(diff)
	}
	s.WantInStep()
}

// A number is given out once, even if the entry, the history and the document
// are lost one after another.
func TestPythonNumbersAreNotGivenAgain(t *testing.T) {
	t.Parallel()
	s := pythonstore.New(t)
	r := s.Open()
	s.Register(r, "1.0.0")
	s.Register(r, "1.0.1")
	d := s.Document()
	d.Entries = d.Entries[:1] // an editor removes the last one
	s.Write("registry.json", bytes.Replace(document.Format(d), []byte(`"crc32c": "`), []byte(`"crc32c": "x`), 1))
	s.Register(r, "0.5.0")
	s.Remove("history.jsonl")
	s.Register(s.Open(), "0.6.0")
	s.Remove("registry.json")
	_, err := s.Open().Register(t.Context(), fraud, pythonstore.Artifact("x"), &modelregistry.RegisterOptions{Version: "1.0.1"})
	if !errors.Is(err, modelregistry.ErrExists) {
		t.Errorf("register 1.0.1 again: got error %v, want ErrExists", err)
	}
	if v, err := s.Open().Register(t.Context(), fraud, pythonstore.Artifact("x"), nil); err != nil || v.Version != "1.0.2" {
		t.Errorf("the next version is %q, %v, want 1.0.2", v.Version, err)
	}
}

func TestPythonCorruptDocumentWithoutHistory(t *testing.T) {
	t.Parallel()
	whole := pythonstore.Document("1.0.0", pythonstore.Entry("1.0.0", "staging"))
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
			s := pythonstore.New(t)
			s.WriteTrees("1.0.0")
			s.Write("registry.json", data)
			r := s.Open()
			check := func(what string, err error) {
				t.Helper()
				var corrupt *modelregistry.CorruptError
				if !errors.As(err, &corrupt) {
					t.Fatalf("%s: got error %v, want a *CorruptError", what, err)
				}
				if corrupt.Path != "fraud_detection/FraudRiskModel/registry.json" || !strings.Contains(err.Error(), corrupt.Path) {
					t.Errorf("%s: got error %v with path %q, want the document's path in both", what, err, corrupt.Path)
				}
			}
			_, err := r.ListVersions(t.Context(), fraud)
			check("list", err)
			_, err = r.GetModel(t.Context(), fraud.In(modelregistry.Staging), nil)
			check("get", err)
			_, err = r.Register(t.Context(), fraud, pythonstore.Artifact("x"), nil)
			check("register", err)
			_, err = r.Promote(t.Context(), fraud.At("1.0.0"), modelregistry.Production, nil)
			check("promote", err)
			if !bytes.Equal(s.Read("registry.json"), data) {
				t.Error("the document was overwritten, want it unchanged")
			}
			if _, err := os.Stat(s.Path("history.jsonl")); err == nil {
				t.Error("a history was written, want none")
			}
			if found, _ := filepath.Glob(s.Path(".staging/*")); len(found) > 0 {
				t.Errorf("the staging folder holds %q, want nothing", found)
			}
		})
	}
}

func TestPythonCorruptDocumentBesideHistory(t *testing.T) {
	t.Parallel()
	for _, held := range []bool{true, false} {
		t.Run(fmt.Sprintf("held=%t", held), func(t *testing.T) {
			t.Parallel()
			s := pythonstore.New(t)
			r := s.Open()
			s.Register(r, "1.0.0")
			s.Register(r, "1.1.0")
			want := s.List(r)
			data := s.Read("registry.json")
			damaged := data[:len(data)/2]
			s.Write("registry.json", damaged)
			if !held {
				r = s.Open()
			}
			if diff := cmp.Diff(want, s.List(r)); diff != "" {
				t.Error(diff)
			}
			s.Promote(r, "1.1.0", modelregistry.Production)
			s.Register(r, "1.2.0")
			if !bytes.Equal(s.Read("registry.json"), damaged) {
				t.Error("the damaged document was overwritten, want it unchanged")
			}
			lines := map[string]string{"1.0.0": "development", "1.1.0": "production", "1.2.0": "development"}
			if diff := cmp.Diff(lines, pythonstore.Stages(s.Same(r))); diff != "" {
				t.Error(diff)
			}
			// The old document is restored. It is a checkpoint again.
			s.Write("registry.json", data)
			if diff := cmp.Diff(lines, pythonstore.Stages(s.List(r))); diff != "" {
				t.Errorf("with the old document restored (-want +got):\n%s", diff)
			}
			s.Register(r, "1.3.0")
			s.WantInStep()
			s.Same(r)
		})
	}
}

// A reader that finds another program's write half done reads again until the
// document is complete.
func TestPythonTornReadIsRetried(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := pythonstore.Copy(t, frozenPython)
		data := s.Read("registry.json")
		s.Write("registry.json", data[:100])
		r := s.Open()
		done := make(chan error, 1)
		go func() {
			_, err := r.ListVersions(context.Background(), fraud)
			done <- err
		}()
		time.Sleep(20 * time.Millisecond)
		select {
		case err := <-done:
			t.Fatalf("the reader of half a document returned %v, want it to read again", err)
		default:
		}
		s.Write("registry.json", data)
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
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
		"first missing":   func(l [][]byte) [][]byte { return l[1:] },
		"an empty line":   func(l [][]byte) [][]byte { return slices.Insert(l, 1, []byte("\n")) },
		"a newline added": func(l [][]byte) [][]byte { l[1] = slices.Insert(slices.Clone(l[1]), 30, '\n'); return l },
	}
	for name, damage := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := pythonstore.New(t)
			r := s.Open()
			for _, v := range []string{"1.0.0", "1.1.0", "1.2.0", "1.3.0"} {
				s.Register(r, v)
			}
			lines := slices.Collect(bytes.Lines(s.Read("history.jsonl")))
			damaged := bytes.Join(damage(lines), nil)
			s.Write("history.jsonl", damaged)
			s.Remove("registry.json")
			_, err := s.Open().ListVersions(t.Context(), fraud)
			var corrupt *modelregistry.CorruptError
			if !errors.As(err, &corrupt) || corrupt.Path != "fraud_detection/FraudRiskModel/history.jsonl" {
				t.Fatalf("a reader that needs the history got error %v, want a *CorruptError with its path", err)
			}
			_, err = s.Open().Register(t.Context(), fraud, pythonstore.Artifact("x"), nil)
			if !errors.As(err, &corrupt) {
				t.Errorf("a writer that needs the history got error %v, want a *CorruptError", err)
			}
			if !bytes.Equal(s.Read("history.jsonl"), damaged) {
				t.Error("the damaged history was changed, want it unchanged")
			}
		})
	}
}

// Damage before the checkpoint does not stop a reader that starts at the
// checkpoint.
func TestPythonDamageBeforeTheCheckpoint(t *testing.T) {
	t.Parallel()
	s := pythonstore.New(t)
	r := s.Open()
	for _, v := range []string{"1.0.0", "1.1.0", "1.2.0"} {
		s.Register(r, v)
	}
	want := s.List(r)
	s.Write("history.jsonl", bytes.Replace(s.Read("history.jsonl"), []byte(`"op":"register"`), []byte(`"op":"registes"`), 1))
	if diff := cmp.Diff(want, s.List(s.Open())); diff != "" {
		t.Error(diff)
	}
	s.Register(s.Open(), "1.3.0")
	if diff := cmp.Diff(s.List(r), s.List(s.Open())); diff != "" {
		t.Error(diff)
	}
}

func TestPythonTornTailIsIgnoredAndCut(t *testing.T) {
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
				s := pythonstore.New(t)
				r := s.Open()
				s.Register(r, "1.0.0")
				s.Register(r, "1.1.0")
				want := s.List(r)
				sound := s.Read("history.jsonl")
				s.Write("history.jsonl", append(slices.Clone(sound), tail...))
				if !held {
					r = s.Open()
				}
				if diff := cmp.Diff(want, s.Same(r)); diff != "" {
					t.Error(diff)
				}
				s.Register(r, "1.2.0")
				now := s.Read("history.jsonl")
				if !bytes.HasPrefix(now, sound) || bytes.IndexByte(now, 0) >= 0 || bytes.Count(now, []byte("\n")) != 3 {
					t.Errorf("the history is\n%q\nwant three lines that begin with\n%q", now, sound)
				}
				s.WantInStep()
				s.Same(r)
			})
		}
	}
}

// The next change after the history is lost starts a new one and logs a
// warning. The warning matters because Verify finds no problem from then on.
func TestLostHistoryIsLogged(t *testing.T) {
	t.Parallel()
	dir := three(t)
	if err := os.Remove(modelPath(dir, "history.jsonl")); err != nil {
		t.Fatal(err)
	}
	var logged bytes.Buffer
	r := openStore(t, dir, &modelregistry.Options{Logger: slog.New(slog.NewTextHandler(&logged, nil))})
	register(t, r, "", nil)
	register(t, r, "", nil)
	if got := strings.Count(logged.String(), "history lost"); got != 1 {
		t.Errorf("the log has %d warnings of the lost history, want 1:\n%s", got, &logged)
	}
}
