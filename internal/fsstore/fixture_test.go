package fsstore

import (
	"bufio"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gofrs/flock"

	"github.com/ubunye-go/modelregistry/driver"
)

// The environment of a child process: its task, and the file or folder that it
// uses.
const (
	childTask = "FSSTORE_TEST_TASK"
	childPath = "FSSTORE_TEST_PATH"
)

// TestChild is not a test of its own. Other tests run it as a process that
// holds something until it is killed.
func TestChild(t *testing.T) {
	name := os.Getenv(childPath)
	switch os.Getenv(childTask) {
	case "":
		return
	case "hold":
		if err := flock.New(name).Lock(); err != nil {
			t.Fatal(err)
		}
		fmt.Println("ready")
	case "append":
		appendFor(t, open(t, name))
	case "stage":
		st := stage(t, open(t, name))
		write(t, filepath.Join(st.Dir(), "f"), "half of it")
		fmt.Println("ready", filepath.Base(st.name))
	}
	io.Copy(io.Discard, os.Stdin)
	os.Exit(0) // as if killed: nothing is tidied up
}

// child starts a process that runs TestChild. It returns the line that the
// child printed when it was ready.
func child(t *testing.T, task, name string) (said string, kill func()) {
	t.Helper()
	c := start(t, task, name)
	return c.said, c.kill
}

// A process is a running TestChild.
type process struct {
	*exec.Cmd
	said string // when it was ready
	in   io.WriteCloser
	out  *bufio.Reader
	kill func()
}

func start(t *testing.T, task, name string) process {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestChild$")
	cmd.Env = append(os.Environ(), childTask+"="+task, childPath+"="+name)
	cmd.Stderr = os.Stderr
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
	kill := sync.OnceFunc(func() {
		cmd.Process.Kill()
		stdin.Close()
		cmd.Wait()
	})
	t.Cleanup(kill)
	out := bufio.NewReader(stdout)
	line, err := out.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return process{cmd, strings.TrimSpace(strings.TrimPrefix(line, "ready")), stdin, out, kill}
}

func open(t *testing.T, dir string) *Store {
	t.Helper()
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func write(t *testing.T, name, data string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(data), 0o666); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func exists(name string) bool {
	_, err := os.Lstat(name)
	return err == nil
}

func stage(t *testing.T, s *Store) *Staged {
	t.Helper()
	st, err := s.Stage(t.Context(), "uc", "m")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.(*Staged).lock.Unlock() }) // Windows removes no file that is open
	return st.(*Staged)
}

// staged is a sealed tree of two files, one of them a manifest.
func staged(t *testing.T, s *Store) *Staged {
	t.Helper()
	st := stage(t, s)
	write(t, filepath.Join(st.Dir(), "model", "f"), "weights")
	write(t, filepath.Join(st.Dir(), manifestName), "{}")
	if err := st.Seal(t.Context()); err != nil {
		t.Fatal(err)
	}
	return st
}

// add appends lines, and trees with them.
func add(t *testing.T, s *Store, c *driver.Commit) (driver.AppendResult, error) {
	t.Helper()
	return s.Append(t.Context(), "uc", "m", func(driver.View) (*driver.Commit, error) { return c, nil })
}

func lines(list ...string) [][]byte {
	var out [][]byte
	for _, l := range list {
		out = append(out, []byte(l))
	}
	return out
}

func log(t *testing.T, s *Store) string {
	t.Helper()
	var data []byte
	err := s.Read(t.Context(), "uc", "m", func(v driver.View) (err error) {
		data, _, err = v.Log(0)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// poll waits for a condition, up to a limit.
func poll(t *testing.T, event string, cond func() bool) {
	t.Helper()
	deadline := time.After(time.Minute)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !cond() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("%s: did not happen in time", event)
		}
	}
}

func tree(t *testing.T, dir string) []string {
	t.Helper()
	var list []string
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		list = append(list, name)
		if err == nil && d.Type().IsRegular() {
			list = append(list, read(t, name))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}
