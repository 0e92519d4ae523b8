package modelregistry_test

import (
	"errors"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/internal/crashtest"
)

// A folder that became the version's without a copy is refused if a program
// still writes to it after it was hashed. A moved one goes back where it was.
func TestFolderThatChangesAfterItWasHashed(t *testing.T) {
	t.Parallel()
	notOnWindows(t)
	for change, do := range map[string]func(f *os.File) error{
		"overwritten": func(f *os.File) error { _, err := f.WriteAt([]byte("B"), 0); return err },
		"grown":       func(f *os.File) error { _, err := f.Write([]byte("more")); return err },
		"cut":         func(f *os.File) error { return f.Truncate(1) },
	} {
		for _, what := range []string{"FromFunc", "MoveDir"} {
			t.Run(what+", "+change, func(t *testing.T) {
				t.Parallel()
				faults := &crashtest.Faulty{}
				store := t.TempDir()
				r, err := mr.OpenOn(store, nil, faults.Wrap)
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { r.Close() })
				register(t, r, "1.0.0", nil)
				check := unchanged(t, store)
				var open *os.File // the program's that goes on writing
				save := func(dir string) error {
					if open, err = os.OpenFile(filepath.Join(dir, "weights.bin"), os.O_CREATE|os.O_RDWR, 0o640); err == nil {
						_, err = open.WriteString("weights")
						t.Cleanup(func() { open.Close() })
					}
					return err
				}
				dir := filepath.Join(t.TempDir(), "model")
				a := mr.FromFunc(save)
				if what == "MoveDir" {
					if err := errors.Join(os.Mkdir(dir, 0o777), save(dir)); err != nil {
						t.Fatal(err)
					}
					a = mr.MoveDir(dir)
				}
				changed := false
				faults.Fail(crashtest.Fault{On: func(op, name string) bool {
					if op == "sync" && path.Base(name) == "weights.bin" && !changed {
						changed = true
						nextTick(t, store)
						if err := do(open); err != nil {
							t.Error(err)
						}
					}
					return false
				}})
				_, err = r.Register(t.Context(), fraud, a, nil)
				if !changed {
					t.Fatal("the file was not changed between its hash and its commit")
				}
				wantChanged(t, err, "model/weights.bin", "registered")
				check()
				if what == "MoveDir" {
					info, err := os.Stat(filepath.Join(dir, "weights.bin"))
					if err != nil || info.Mode().Perm() != 0o640 {
						t.Errorf("the moved folder's file is %v, %v; want it back with its mode", info, err)
					}
				}
			})
		}
	}
}

// A moved directory that can't be registered goes back to its old name, or to a
// name beside it if the old one is taken by then.
func TestMoveDirGoesBack(t *testing.T) {
	t.Parallel()
	errFull := errors.New("no space left")
	for what, fail := range map[string]func(op, name string) bool{
		"sealing fails":   func(op, name string) bool { return op == "sync" && path.Base(name) == "weights.bin" },
		"the commit does": func(op, name string) bool { return op == "sync" && path.Base(name) == "history.jsonl" },
	} {
		for _, taken := range []bool{false, true} {
			t.Run(what, func(t *testing.T) {
				t.Parallel()
				faults := &crashtest.Faulty{}
				store := t.TempDir()
				r, err := mr.OpenOn(store, nil, faults.Wrap)
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { r.Close() })
				register(t, r, "1.0.0", nil)
				parent := t.TempDir()
				dir := filepath.Join(parent, "model")
				writeFile(t, filepath.Join(dir, "weights.bin"), "weights")
				same, want := unchanged(t, parent), files(t, dir)
				faults.Fail(crashtest.Fault{Err: errFull, On: func(op, name string) bool {
					if !fail(op, name) {
						return false
					}
					if taken {
						writeFile(t, filepath.Join(dir, "other"), "other")
					}
					return true
				}})
				_, err = r.Register(t.Context(), fraud, mr.MoveDir(dir), nil)
				wantError(t, err, "register", fraud, "", errFull)
				if !taken {
					same()
					return
				}
				beside, globErr := filepath.Glob(dir + "-*")
				if globErr != nil || len(beside) != 1 || !strings.Contains(err.Error(), beside[0]) {
					t.Fatalf("the directory went to %v, %v; the error says %v", beside, globErr, err)
				}
				if got := files(t, beside[0]); got["weights.bin"] != want["weights.bin"] || len(got) != 1 {
					t.Errorf("%s holds %v", beside[0], got)
				}
			})
		}
	}
}
