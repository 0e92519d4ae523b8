//go:build unix

package modelregistry_test

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	mr "github.com/ubunye-go/modelregistry"
)

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
