package fsstore

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gofrs/flock"
	"github.com/google/go-cmp/cmp"

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
		appendFor(t, open(t, name), 2*time.Second)
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

// The next writer cuts off a torn line. A reader ignores it and leaves it in
// the log.
func TestTornTailIsCut(t *testing.T) {
	t.Parallel()
	for _, torn := range []string{"", "{2", "\x00\x00\x00\x00", "{2\x00\x00}\n", strings.Repeat("x", 10000)} {
		dir := t.TempDir()
		file := filepath.Join(dir, "uc", "m", logName)
		write(t, file, "{1}\n"+torn)
		s := open(t, dir)
		if got := log(t, s); got != "{1}\n" {
			t.Errorf("%.10q: read %q", torn, got)
		}
		if got := read(t, file); got != "{1}\n"+torn {
			t.Errorf("%.10q: reading changed the log", torn)
		}
		done, err := add(t, s, &driver.Commit{Lines: lines("{a}", "{b}")})
		if err != nil {
			t.Fatal(err)
		}
		want := "{1}\n{a} \n{b}\n"
		if got := read(t, file); got != want || done.End != int64(len(want)) {
			t.Errorf("%.10q: the log is %q, its end %d", torn, got, done.End)
		}
	}
}

func TestLogFrom(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "uc", "m", logName), "{1}\n{2}\n{3")
	s := open(t, dir)
	err := s.Read(t.Context(), "uc", "m", func(v driver.View) error {
		for from, want := range map[int64]string{0: "{1}\n{2}\n", 4: "{2}\n", 8: ""} {
			data, end, err := v.Log(from)
			if err != nil || string(data) != want || end != 8 {
				t.Errorf("Log(%d) = %q, end %d, %v", from, data, end, err)
			}
		}
		if _, _, err := v.Log(100); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Log after the end: got error %v, want fs.ErrNotExist", err)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	err = s.Read(t.Context(), "uc", "other", func(v driver.View) error {
		data, ok, err := v.Document()
		if data != nil || ok || err != nil {
			t.Errorf("a missing document: got %q, %t, %v", data, ok, err)
		}
		_, _, err = v.Log(1)
		return err
	})
	if !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}

func TestLockExcludes(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	stores := []*Store{open(t, dir), open(t, dir)} // one local lock each
	var inside, n atomic.Int32
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			for range 10 {
				_, err := stores[i%2].Append(t.Context(), "uc", "m", func(driver.View) (*driver.Commit, error) {
					if now := inside.Add(1); now != 1 {
						t.Errorf("%d callers hold the lock", now)
					}
					n.Add(1)
					inside.Add(-1)
					return nil, nil
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if n.Load() != 160 {
		t.Errorf("%d callers got the lock", n.Load())
	}
}

// lockedModel makes a model that has a lock file, and returns the file.
func lockedModel(t *testing.T, s *Store) string {
	t.Helper()
	if _, err := add(t, s, nil); err != nil {
		t.Fatal(err)
	}
	return s.path("uc/m/" + lockName)
}

func TestLockWaiterGivesUp(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	file := lockedModel(t, s)
	held := flock.New(file)
	if err := held.Lock(); err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	for range 3 {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		start := time.Now()
		_, err := s.Append(ctx, "uc", "m", func(driver.View) (*driver.Commit, error) { t.Error("the caller got the lock"); return nil, nil })
		cancel()
		if err != context.DeadlineExceeded {
			t.Errorf("%v", err)
		}
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("giving up took %v", took)
		}
	}
	// One caller gives up. Another goes on waiting and gets the lock, and so
	// does a caller of another store.
	ctx, cancel := context.WithCancel(t.Context())
	gaveUp, in := make(chan error, 1), make(chan error, 2)
	go func() {
		_, err := s.Append(ctx, "uc", "m", func(driver.View) (*driver.Commit, error) { t.Error("the caller got the lock"); return nil, nil })
		gaveUp <- err
	}()
	for _, s := range []*Store{s, open(t, s.dir)} {
		go func() {
			_, err := s.Append(t.Context(), "uc", "m", func(driver.View) (*driver.Commit, error) { return nil, nil })
			in <- err
		}()
	}
	cancel()
	if err := <-gaveUp; err != context.Canceled {
		t.Error(err)
	}
	if err := held.Unlock(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := <-in; err != nil {
			t.Error(err)
		}
	}
	// No caller waits any more: the blocking call of the callers that gave up
	// holds nothing.
	other := flock.New(file)
	defer other.Close()
	poll(t, "the lock to be free", func() bool { ok, err := other.TryLock(); return ok && err == nil })
}

// poll waits for a condition, up to a limit.
func poll(t *testing.T, event string, cond func() bool) {
	t.Helper()
	deadline := time.After(10 * time.Second)
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

func TestLockOfAKilledProcessIsFree(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	_, kill := child(t, "hold", lockedModel(t, s))
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	if _, err := s.Append(ctx, "uc", "m", func(driver.View) (*driver.Commit, error) { return nil, nil }); err != context.DeadlineExceeded {
		t.Fatalf("while the holder lives: %v", err)
	}
	done := make(chan error, 1)
	go func() {
		_, err := s.Append(t.Context(), "uc", "m", func(driver.View) (*driver.Commit, error) { return &driver.Commit{Lines: lines("{1}")}, nil })
		done <- err
	}()
	kill()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if got := log(t, s); got != "{1}\n" {
		t.Errorf("the log is %q", got)
	}
}

// Another program deletes or replaces the lock file while a caller waits for
// it: a lock on the old file would exclude no other process.
func TestLockFileReplaced(t *testing.T) {
	t.Parallel()
	tests := map[string]func(t *testing.T, file string){
		"deleted": func(t *testing.T, file string) {
			if err := os.Remove(file); err != nil {
				t.Fatal(err)
			}
		},
		"replaced": func(t *testing.T, file string) {
			write(t, file+".new", "")
			if err := os.Rename(file+".new", file); err != nil {
				t.Fatal(err)
			}
		},
	}
	for name, replace := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := open(t, t.TempDir())
			file := lockedModel(t, s)
			held := flock.New(file)
			if err := held.Lock(); err != nil {
				t.Fatal(err)
			}
			done := make(chan error, 1)
			go func() {
				_, err := s.Append(t.Context(), "uc", "m", func(driver.View) (*driver.Commit, error) {
					// The file that the path names now is the one that is
					// locked.
					probe := flock.New(file)
					defer probe.Close()
					if ok, err := probe.TryLock(); ok || err != nil {
						return nil, fmt.Errorf("the lock is on another file: %t, %w", ok, err)
					}
					return nil, nil
				})
				done <- err
			}()
			g := s.localLock("uc/m")
			poll(t, "the other caller to wait", func() bool { g.mu.Lock(); defer g.mu.Unlock(); return g.waiting })
			replace(t, file)
			if err := held.Unlock(); err != nil {
				t.Fatal(err)
			}
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
	}
}

// A lock file that is a symlink is not followed.
func TestLockFileIsASymlink(t *testing.T) {
	t.Parallel()
	if noFollow == 0 {
		t.Skip("this system can't refuse to follow a symlink")
	}
	s := open(t, t.TempDir())
	outside := filepath.Join(t.TempDir(), "outside")
	if err := os.MkdirAll(s.path("uc/m"), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, s.path("uc/m/"+lockName)); err != nil {
		t.Skip(err)
	}
	if _, err := add(t, s, &driver.Commit{Lines: lines("{1}")}); err == nil {
		t.Error("the symlink was locked")
	}
	if exists(outside) {
		t.Error("the symlink was followed")
	}
}

func TestSweep(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	live := stage(t, s)
	write(t, filepath.Join(live.Dir(), "f"), "x")
	dead, kill := child(t, "stage", dir)
	busy, _ := child(t, "stage", dir)
	staging := s.path("uc/m/" + stagingName)
	foreign := []string{"another/tree/f", "0123456789ABCDEF0123456789ABCDEF/f", "0123/f", "a-file"}
	for _, name := range foreign {
		write(t, filepath.Join(staging, filepath.FromSlash(name)), "x")
	}
	kill()
	if !exists(filepath.Join(staging, dead)) {
		t.Fatal("the child left nothing")
	}
	after := stage(t, open(t, dir)) // a store that never swept
	if exists(filepath.Join(staging, dead)) {
		t.Error("the staging folder of a dead process was not removed")
	}
	for _, name := range []string{filepath.Base(live.name), filepath.Base(after.name), busy} {
		if !exists(filepath.Join(staging, name, treeName)) {
			t.Errorf("%s of a living process was removed", name)
		}
	}
	for _, name := range foreign {
		if got := read(t, filepath.Join(staging, filepath.FromSlash(name))); got != "x" {
			t.Errorf("%s holds %q", name, got)
		}
	}
	for _, st := range []*Staged{live, after} {
		if err := errors.Join(st.Discard(), st.Discard()); err != nil {
			t.Error(err)
		}
		if exists(s.path(st.name)) {
			t.Error("a discarded folder still exists")
		}
	}
}

// The folders made for a staging folder are removed with it, unless another
// program put something into them.
func TestDiscardLeavesNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	if err := stage(t, s).Discard(); err != nil {
		t.Error(err)
	}
	if found, err := os.ReadDir(dir); err != nil || len(found) > 0 {
		t.Errorf("the store still holds %v, %v", found, err)
	}
	write(t, s.path("uc/other/keep"), "x")
	st := stage(t, s)
	write(t, s.path("uc/m/mine"), "x")
	if err := st.Discard(); err != nil {
		t.Error(err)
	}
	if !exists(s.path("uc/other/keep")) || !exists(s.path("uc/m/mine")) || exists(s.path("uc/m/"+stagingName)) {
		t.Error("too much or too little was removed")
	}
}

// removing is a disk that calls a function right after a file was removed.
type removing struct {
	Disk
	after func(name string)
}

func (d removing) Remove(name string) error {
	err := d.Disk.Remove(name)
	d.after(name)
	return err
}

// A sweep that finds a staging folder while its owner removes it removes it
// too, and returns no error.
func TestDiscardDuringSweep(t *testing.T) {
	t.Parallel()
	for _, swept := range []bool{false, true} {
		s := open(t, t.TempDir())
		other := open(t, s.dir)
		keep := stage(t, other) // so that .staging stays
		sweeping := func() {}
		s.Wrap(func(d Disk) Disk {
			return removing{d, func(name string) {
				if path.Base(name) == lockName {
					sweeping()
				}
			}}
		})
		st := stage(t, s)
		d, err := other.disk(false)
		if err != nil {
			t.Fatal(err)
		}
		sweeping = func() {
			c, mine, err := other.tryOwn(d, st.name)
			if !mine || err != nil {
				t.Errorf("owning the staging folder: %v", err)
			}
			if swept {
				err = c.remove()
			} else {
				err = c.lock.Unlock() // the owner is removing it
			}
			if err != nil {
				t.Error(err)
			}
		}
		if err := st.Discard(); err != nil {
			t.Errorf("swept %v: %v", swept, err)
		}
		if err := keep.Discard(); err != nil {
			t.Error(err)
		}
	}
}

func TestLeftoverVersion(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	if _, err := add(t, s, &driver.Commit{Lines: lines("{1}")}); err != nil {
		t.Fatal(err)
	}
	// A tree with our manifest is the remains of a change that did not happen.
	write(t, s.path("uc/m/versions/1.0.0/manifest.json"), "old")
	write(t, s.path("uc/m/versions/1.0.0/model/old"), "old")
	st := staged(t, s)
	if _, err := add(t, s, &driver.Commit{Trees: []driver.StagedTree{{Staged: st, Version: "1.0.0"}}, Lines: lines("{2}")}); err != nil {
		t.Fatal(err)
	}
	if got := read(t, s.path("uc/m/versions/1.0.0/model/f")); got != "weights" || exists(s.path("uc/m/versions/1.0.0/model/old")) {
		t.Error("the new version is mixed with the old one")
	}
	orphans, err := filepath.Glob(s.path("uc/m/" + orphansName + "/1.0.0-*"))
	if err != nil || len(orphans) != 1 || read(t, filepath.Join(orphans[0], "model", "old")) != "old" {
		t.Errorf("orphans: %q, %v", orphans, err)
	}
	if err := st.Discard(); err != nil {
		t.Error(err)
	}

	// A tree without a manifest belongs to another program.
	strangers := map[string]func(name string){
		"1.0.1": func(name string) { write(t, filepath.Join(name, "model", "theirs"), "theirs") },
		"1.0.2": func(name string) { os.Mkdir(name, 0o777) },
		"1.0.3": func(name string) { write(t, name, "a file") },
		"1.0.4": func(name string) { write(t, filepath.Join(name, manifestName, "f"), "a folder of that name") },
	}
	for version, make := range strangers {
		name := s.path("uc/m/versions/" + version)
		make(name)
		before := tree(t, name)
		first, second := staged(t, s), staged(t, s)
		done, err := add(t, s, &driver.Commit{
			Trees:      []driver.StagedTree{{Staged: first, Version: "2.0.0"}, {Staged: second, Version: version}},
			Lines:      lines("{3}", "{4}"),
			Checkpoint: &driver.Checkpoint{Make: func(int64) ([]byte, string) { t.Error("Make was called"); return nil, "" }},
		})
		if !errors.Is(err, fs.ErrExist) {
			t.Errorf("committing %s: %+v, %v", version, done, err)
		}
		if diff := cmp.Diff(before, tree(t, name)); diff != "" {
			t.Errorf("%s was touched:\n%s", version, diff)
		}
		if exists(s.path("uc/m/versions/2.0.0")) || !exists(filepath.Join(first.Dir(), "model", "f")) {
			t.Error("the tree that was placed before was not taken back")
		}
		if got := log(t, s); got != "{1}\n{2}\n" {
			t.Errorf("the log is %q", got)
		}
		if err := errors.Join(first.Discard(), second.Discard()); err != nil {
			t.Error(err)
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

// A failure before the lines are written changes nothing.
func TestAppendDecides(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	boom := errors.New("boom")
	_, err := s.Append(t.Context(), "uc", "m", func(driver.View) (*driver.Commit, error) { return nil, boom })
	if err != boom {
		t.Error(err)
	}
	done, err := add(t, s, &driver.Commit{Lines: lines("{1}"), Checkpoint: &driver.Checkpoint{Make: func(end int64) ([]byte, string) { return fmt.Appendf(nil, "%d", end), "" }}})
	if err != nil || done.End != 4 || done.DocumentErr != nil {
		t.Fatalf("Append = %+v, %v", done, err)
	}
	if got := read(t, s.path("uc/m/"+documentName)); got != "4" {
		t.Errorf("the document is %q", got)
	}
	// A document that can't be written does not fail the change.
	write(t, s.path("uc/m/"+documentTemp+"/in-the-way"), "")
	done, err = add(t, s, &driver.Commit{Lines: lines("{2}"), Checkpoint: &driver.Checkpoint{Make: func(int64) ([]byte, string) { return []byte("x"), "" }}})
	if err != nil || done.DocumentErr == nil || done.End != 8 {
		t.Errorf("Append with a document that can't be written = %+v, %v", done, err)
	}
	if got := read(t, s.path("uc/m/"+documentName)); got != "4" {
		t.Errorf("the document is %q", got)
	}
	if got := log(t, s); got != "{1}\n{2}\n" {
		t.Errorf("the log is %q", got)
	}
}

func TestChanged(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	file, doc := s.path("uc/m/"+logName), s.path("uc/m/"+documentName)
	write(t, file, "{1}\n")
	write(t, doc, "1")
	old := time.Now().Add(-time.Hour)
	look := func() any {
		for _, name := range []string{file, doc} {
			if err := os.Chtimes(name, old, old); err != nil && !errors.Is(err, fs.ErrNotExist) {
				t.Fatal(err)
			}
		}
		var rev any
		if err := s.Read(t.Context(), "uc", "m", func(v driver.View) error { rev = v.Revision(); return nil }); err != nil {
			t.Fatal(err)
		}
		return rev
	}
	changed := func(rev any) bool {
		is, err := s.Changed(t.Context(), "uc", "m", rev)
		if err != nil {
			t.Fatal(err)
		}
		return is
	}
	if changed(look()) {
		t.Error("Changed is true, although nothing happened")
	}
	if !changed(nil) {
		t.Error("Changed is false, although nothing was read")
	}
	steps := map[string]func(){
		"appended":          func() { write(t, file, "{1}\n{2}\n") },
		"document in place": func() { write(t, doc, "2") },
		"document replaced": func() { write(t, doc+"x", "3"); os.Rename(doc+"x", doc) },
		"document removed":  func() { os.Remove(doc) },
		"log removed":       func() { os.Remove(file) },
	}
	for _, name := range []string{"appended", "document in place", "document replaced", "document removed", "log removed"} {
		rev := look()
		steps[name]()
		if !changed(rev) {
			t.Errorf("%s: Changed did not notice", name)
		}
	}
	// A file that was just written may be written again within the same tick.
	write(t, doc, "5")
	var rev any
	s.Read(t.Context(), "uc", "m", func(v driver.View) error { rev = v.Revision(); return nil })
	if r := rev.(*revision); r.document.fresh && !changed(rev) {
		t.Error("Changed is false, although the document was just written")
	}
}

func TestModels(t *testing.T) {
	t.Parallel()
	s := open(t, filepath.Join(t.TempDir(), "missing"))
	names := func() (list []string) {
		for name, err := range s.Models(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			list = append(list, name.String())
		}
		return list
	}
	if got := names(); got != nil {
		t.Errorf("models of a missing folder: %q", got)
	}
	for _, name := range []string{"b/y/registry.json", "a/z/registry.json", "a/.hidden/registry.json", ".git/x/registry.json", "a/empty/versions/1.0.0/f", "a/begun/history.jsonl", "file"} {
		write(t, s.path(name), "")
	}
	write(t, s.path("b/x/history.jsonl"), "a line\n")
	write(t, s.path("a/torn/history.jsonl"), "half a li")
	if got := names(); !slices.Equal(got, []string{"a/z", "b/x", "b/y"}) {
		t.Errorf("%q", got)
	}
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	write(t, file, "")
	for _, dir := range []string{"", file} {
		if _, err := Open(dir); !errors.Is(err, fs.ErrInvalid) {
			t.Errorf("Open(%q): got error %v", dir, err)
		}
	}
}

// syncDisk records the files that are synced.
type syncDisk struct {
	Disk
	synced map[string]bool
}

func (d syncDisk) Sync(name string) error {
	d.synced[name] = true
	return d.Disk.Sync(name)
}

// A store relies on folders that another process made and may not have synced.
// So it syncs them before its own first commit.
func TestFoldersOfAnotherProcessAreSynced(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "uc", "m"), 0o777); err != nil {
		t.Fatal(err)
	}
	s, d := open(t, dir), syncDisk{synced: map[string]bool{}}
	s.Wrap(func(disk Disk) Disk { d.Disk = disk; return d })
	for i := range 2 {
		clear(d.synced)
		if _, err := add(t, s, &driver.Commit{Lines: lines("x")}); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"uc/m", "uc", "."} {
			if first := i == 0; d.synced[name] != first {
				t.Errorf("commit %d: %s was synced: %v, want %v", i+1, name, !first, first)
			}
		}
	}
}
