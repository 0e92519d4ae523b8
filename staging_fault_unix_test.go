//go:build unix

package modelregistry_test

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/internal/crashtest"
)

// A process that has too many files open can't remove the staging folders of
// the registrations that fail. It removes them after a later change, or when it
// closes the registry.
func TestStagingThatWasLeftIsRemovedLater(t *testing.T) {
	t.Parallel()
	for _, failing := range []string{"mkdir", "make", "lstat", "sync", "remove"} {
		for _, closes := range []bool{false, true} {
			t.Run(fmt.Sprint(failing, " closes=", closes), func(t *testing.T) {
				t.Parallel()
				dir, disk := t.TempDir(), &crashtest.Faulty{}
				r, err := mr.OpenOn(dir, &mr.Options{Logger: slog.New(slog.DiscardHandler)}, disk.Wrap)
				if err != nil {
					t.Fatal(err)
				}
				defer r.Close()
				register(t, r, "1.0.0", nil)
				other := mr.ModelName{UseCase: "other", Model: "Model"}
				for _, name := range []mr.ModelName{fraud, fraud, other} {
					disk.Fail(crashtest.Fault{Err: syscall.EMFILE, Stays: true, On: func(op, name string) bool {
						return op == failing && strings.Contains(name, "/.staging/")
					}})
					_, err := r.Register(t.Context(), name, artifact(), nil)
					if _, hit := disk.Heal(); hit == "" {
						t.Fatalf("no %s in a staging folder", failing)
					}
					if failing != "remove" && !errors.Is(err, syscall.EMFILE) {
						t.Fatalf("a registration without descriptors: %v, want %v", err, syscall.EMFILE)
					}
				}
				if closes {
					if err := r.Close(); err != nil {
						t.Fatal(err)
					}
				}
				left := func() []string {
					stagings, _ := filepath.Glob(filepath.Join(dir, "*", "*", ".staging", "*"))
					if made, _ := filepath.Glob(filepath.Join(dir, other.UseCase)); failing != "remove" {
						stagings = append(stagings, made...)
					}
					return stagings
				}
				for deadline := time.Now().Add(10 * time.Second); !closes && len(left()) > 0 && time.Now().Before(deadline); {
					promote(t, r, "1.0.0", mr.Production)
				}
				if left := left(); len(left) > 0 {
					t.Errorf("left: %q", left)
				}
			})
		}
	}
}

// Invariant 6: if the registry can't write one of its own files into the staged
// tree, the registration fails and leaves nothing. In this test the program
// that saved its model took the name.
func TestFaultInStaging(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"metadata.json", "metrics.json", "manifest.json"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, dir := newStore(t, nil)
			register(t, r, "1.0.0", nil)
			check := unchanged(t, dir)
			_, err := r.Register(t.Context(), fraud, mr.FromFunc(func(dir string) error {
				return errors.Join(os.WriteFile(filepath.Join(dir, "w.bin"), []byte("w"), 0o666),
					os.Mkdir(filepath.Join(filepath.Dir(dir), name), 0o777))
			}), nil)
			wantError(t, err, "register", fraud, "", syscall.EISDIR)
			check()
		})
	}
}
