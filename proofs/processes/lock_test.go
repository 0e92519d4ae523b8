package processes

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gofrs/flock"

	mr "github.com/ubunye-go/modelregistry"
)

// holdLock is the task of a process that holds the model's lock until the other
// end of its input is closed.
func holdLock(t *testing.T, dir string) {
	lock := flock.New(modelPath(dir, ".lock"))
	if err := lock.Lock(); err != nil {
		t.Fatal(err)
	}
	fmt.Println("held")
	io.Copy(io.Discard, os.Stdin)
	lock.Unlock()
}

// startLockHolder starts a process that holds the model's lock until release is
// called.
func startLockHolder(t *testing.T, dir string) (release func()) {
	t.Helper()
	cmd := command("hold the lock", dir)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	release = sync.OnceFunc(func() {
		stdin.Close()
		io.Copy(io.Discard, stdout)
		cmd.Wait()
	})
	t.Cleanup(release)
	if line, err := bufio.NewReader(stdout).ReadString('\n'); err != nil || line != "held\n" {
		t.Fatalf("the process that holds the lock wrote %q, %v", line, err)
	}
	return release
}

// tree lists all files and folders below a folder, with sizes. It skips the
// folder .staging itself, which may stay when it is empty.
func tree(t *testing.T, dir string) []string {
	t.Helper()
	var list []string
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		size := int64(0)
		if !d.IsDir() {
			size = info.Size()
		}
		if d.Name() != ".staging" {
			list = append(list, fmt.Sprintf("%s %d", strings.TrimPrefix(name, dir), size))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestChangesEndWhileAnotherProcessHoldsTheLock(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r := openStore(t, dir, nil)
	if _, err := r.Register(t.Context(), fraud, twoFiles("first"), nil); err != nil {
		t.Fatal(err)
	}
	before := tree(t, dir)
	release := startLockHolder(t, dir)
	ops := map[string]func(ctx context.Context) error{
		"register": func(ctx context.Context) error {
			_, err := r.Register(ctx, fraud, twoFiles("second"), nil)
			return err
		},
		"promote": func(ctx context.Context) error {
			_, err := r.Promote(ctx, fraud.At("1.0.0"), mr.Production, nil)
			return err
		},
		"archive": func(ctx context.Context) error {
			_, err := r.Archive(ctx, fraud.At("1.0.0"), nil)
			return err
		},
	}
	for name, op := range ops {
		for round := range 3 {
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			start := time.Now()
			err := op(ctx)
			cancel()
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%s, round %d: got error %v, want DeadlineExceeded", name, round, err)
			}
			if took := time.Since(start); took > 30*time.Second {
				t.Errorf("%s, round %d took %v, want 30 s at most after a deadline of 100 ms", name, round, took)
			}
		}
	}
	// Several changes wait at once. Their contexts end one after the other.
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), time.Duration(20+i*10)*time.Millisecond)
			defer cancel()
			if _, err := r.Register(ctx, fraud, twoFiles("many"), nil); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("register %d got error %v, want DeadlineExceeded", i, err)
			}
		})
	}
	wg.Wait()
	// Reads do not wait.
	if list, err := r.ListVersions(t.Context(), fraud); err != nil || len(list) != 1 {
		t.Errorf("got %d versions, %v, want 1", len(list), err)
	}
	if after := tree(t, dir); !slices.Equal(before, after) {
		t.Errorf("the files are\n%q\nwant them as before:\n%q", after, before)
	}
	// A call whose context ended changes nothing later.
	done := make(chan error, 1)
	go func() {
		_, err := r.Register(t.Context(), fraud, twoFiles("second"), nil)
		done <- err
	}()
	release()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	wantComplete(t, dir, 2)
}
