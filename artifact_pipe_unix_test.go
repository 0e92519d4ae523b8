//go:build unix

package modelregistry_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	mr "github.com/ubunye-go/modelregistry"
)

// A file or a folder of the source that is swapped for a named pipe after it
// was listed fails the registration. No open of it waits for the pipe's other
// end.
func TestSourceSwappedForAPipe(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"b", "d"} { // a file, a folder
		for _, size := range []int{1000, 200 << 10} {
			dir := t.TempDir()
			for _, file := range []string{"a", "b", "d/e"} {
				writeFile(t, filepath.Join(dir, filepath.FromSlash(file)), string(make([]byte, size)))
			}
			r, store := newStore(t, nil)
			register(t, r, "1.0.0", nil)
			check := unchanged(t, store)
			path := filepath.Join(dir, name)
			swap := sync.OnceValue(func() error {
				return errors.Join(os.RemoveAll(path), syscall.Mkfifo(path, 0o666))
			})
			ctx := &askedContext{t.Context(), func() {
				if staged(t, store, "a") >= 0 {
					if err := swap(); err != nil {
						t.Error(err)
					}
				}
			}}
			done := make(chan error, 1)
			go func() {
				_, err := r.Register(ctx, fraud, mr.FromDir(dir), nil)
				done <- err
			}()
			select {
			case err := <-done:
				wantError(t, err, "register", fraud, "", mr.ErrArtifact)
				if name == "b" {
					wantChanged(t, err, "b", "copied")
				}
				check()
			case <-time.After(time.Minute):
				t.Errorf("the registration waits for the pipe in place of %s", name)
				releasePipe(t, path)
				<-done
			}
		}
	}
}

// FromFile of a named pipe is refused at once, also through a link.
func TestFromFileOfAPipe(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	pipe, link := filepath.Join(dir, "pipe"), filepath.Join(dir, "link")
	if err := errors.Join(syscall.Mkfifo(pipe, 0o666), os.Symlink(pipe, link)); err != nil {
		t.Fatal(err)
	}
	r, _ := newStore(t, nil)
	for _, file := range []string{pipe, link} {
		_, err := r.Register(t.Context(), fraud, mr.FromFile(file), nil)
		wantError(t, err, "register", fraud, "", mr.ErrArtifact)
	}
}

// releasePipe opens the other end of a pipe, so that a blocked open returns.
func releasePipe(t *testing.T, path string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_WRONLY|syscall.O_NONBLOCK, 0)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	f.Close()
}
