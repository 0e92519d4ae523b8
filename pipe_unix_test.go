//go:build unix

package modelregistry_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	mr "github.com/ubunye-go/modelregistry"
)

// A named pipe or a socket in place of one of the store's files is an error or
// is passed over. No operation waits for another process to open its other end.
func TestOddFilesBlockNothing(t *testing.T) {
	t.Parallel()
	odd := map[string]func(path string) error{
		"pipe":   func(path string) error { return syscall.Mkfifo(path, 0o666) },
		"socket": makeSocket,
	}
	files := []string{"history.jsonl", "registry.json", ".registry.json.tmp", "versions/1.0.0/manifest.json",
		"versions/1.0.0/metrics.json", "versions/1.0.0/model/weights.bin", ".staging/" + strings.Repeat("1", 32) + "/.lock"}
	operations := map[string]func(t *testing.T, r *mr.ModelRegistry) error{
		"list": func(t *testing.T, r *mr.ModelRegistry) error {
			_, err := r.ListVersions(t.Context(), fraud)
			return err
		},
		"register": func(t *testing.T, r *mr.ModelRegistry) error {
			_, err := r.Register(t.Context(), fraud, artifact(), nil)
			return err
		},
		"promote": func(t *testing.T, r *mr.ModelRegistry) error {
			_, err := r.Promote(t.Context(), fraud.At("1.0.0"), mr.Production, nil)
			return err
		},
		"get": func(t *testing.T, r *mr.ModelRegistry) error {
			_, err := r.GetModel(t.Context(), fraud.At("1.0.0"), &mr.GetOptions{Verify: true})
			return err
		},
		"history": func(t *testing.T, r *mr.ModelRegistry) error {
			var errs []error
			for _, err := range r.History(t.Context(), fraud, nil) {
				errs = append(errs, err)
			}
			return errors.Join(errs...)
		},
		"verify": func(t *testing.T, r *mr.ModelRegistry) error {
			_, err := r.Verify(t.Context(), nil)
			return err
		},
		"purge": func(t *testing.T, r *mr.ModelRegistry) error {
			_, err := r.Purge(t.Context(), fraud, &mr.PurgeOptions{Now: true, Apply: true})
			return err
		},
		"repair": func(t *testing.T, r *mr.ModelRegistry) error {
			_, err := r.Repair(t.Context(), fraud, &mr.RepairOptions{Apply: true})
			return err
		},
	}
	for kind, put := range odd {
		for _, file := range files {
			for op, do := range operations {
				t.Run(kind+"/"+file+"/"+op, func(t *testing.T) {
					t.Parallel()
					dir := t.TempDir()
					r := openStore(t, dir, nil)
					register(t, r, "1.0.0", nil)
					path := modelPath(dir, filepath.FromSlash(file))
					if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
						t.Fatal(err)
					}
					if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o777), put(path)); err != nil {
						t.Fatal(err)
					}
					done := make(chan error, 1)
					go func() { done <- do(t, openStore(t, dir, nil)) }()
					select {
					case err := <-done:
						t.Log(err)
					case <-time.After(time.Minute):
						t.Fatalf("%s waits for the %s in place of %s", op, kind, file)
					}
				})
			}
		}
	}
}
