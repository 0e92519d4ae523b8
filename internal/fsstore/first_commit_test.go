package fsstore

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/ubunye-go/modelregistry/driver"
)

// An orderDisk records renames, syncs and files that are opened, in order.
type orderDisk struct {
	Disk
	mu  *sync.Mutex // a tree's files are synced several at once
	ops *[]string
}

func (d orderDisk) note(op, name string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	*d.ops = append(*d.ops, op+" "+name)
}

func (d orderDisk) Open(name string) (File, error) {
	d.note("open", name)
	return d.Disk.Open(name)
}

func (d orderDisk) Make(name string) error {
	d.note("make", name)
	return d.Disk.Make(name)
}

func (d orderDisk) Rename(from, to string) error {
	d.note("rename", to)
	return d.Disk.Rename(from, to)
}

func (d orderDisk) Sync(name string) error {
	d.note("sync", name)
	return d.Disk.Sync(name)
}

// The log's name is durable before a first tree is renamed into place. A log
// that another process made may not be, so its name is synced too.
func TestFirstTreeComesAfterTheLogsName(t *testing.T) {
	t.Parallel()
	for _, there := range []bool{false, true} {
		dir := t.TempDir()
		if there {
			write(t, filepath.Join(dir, "uc", "m", logName), "")
		}
		s := open(t, dir)
		var ops []string
		s.Wrap(func(d Disk) Disk { return orderDisk{d, &sync.Mutex{}, &ops} })
		st := staged(t, s)
		s.place("uc", "m").synced = true // by an earlier commit, which failed
		ops = nil
		if _, err := add(t, s, &driver.Commit{Trees: []driver.StagedTree{{Staged: st, Version: "1.0.0"}}, Lines: lines("x")}); err != nil {
			t.Fatal(err)
		}
		rename := slices.Index(ops, "rename uc/m/versions/1.0.0")
		made := slices.Index(ops, "make uc/m/"+logName)
		synced := -1
		for i, op := range ops[:max(rename, 0)] {
			if op == "sync uc/m" {
				synced = i
			}
		}
		if rename < 0 || synced < 0 || !there && (made < 0 || made > synced) {
			t.Errorf("log exists: %t: the operations are %q, want the log's name synced before the rename", there, ops)
		}
	}
}

// A first commit that fails removes the log that it began, unless its tree
// can't be taken back.
func TestFailedFirstCommit(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	s.Wrap(func(d Disk) Disk { return failingSync{d} })
	st := staged(t, s)
	if _, err := add(t, s, &driver.Commit{Trees: []driver.StagedTree{{Staged: st, Version: "1.0.0"}}, Lines: lines("x")}); !errors.Is(err, errSync) {
		t.Fatalf("got error %v, want %v", err, errSync)
	}
	for _, name := range tree(t, dir) {
		if strings.HasSuffix(name, logName) || strings.Contains(name, "1.0.0") {
			t.Errorf("the failed commit left %s", name)
		}
	}
	if !exists(filepath.Join(dir, st.tree())) {
		t.Error("the tree is missing")
	}
}

var errSync = errors.New("the disk failed")

// failingSync fails to sync the folder of versions.
type failingSync struct{ Disk }

func (d failingSync) Sync(name string) error {
	if strings.HasSuffix(name, versionsName) {
		return errSync
	}
	return d.Disk.Sync(name)
}

// A listingDisk runs a function before versions are listed.
type listingDisk struct {
	Disk
	before func()
}

func (d listingDisk) ReadDir(name string) ([]fs.DirEntry, error) {
	if strings.HasSuffix(name, versionsName) {
		d.before()
	}
	return d.Disk.ReadDir(name)
}

// Another process may make its first change between the check for a log and the
// listing of versions. That is not a lost index.
func TestFirstCommitOfAnotherProcessIsNotALoss(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	var once sync.Once
	commit := func() {
		other := open(t, s.dir)
		st := staged(t, other)
		if _, err := add(t, other, &driver.Commit{Trees: []driver.StagedTree{{Staged: st, Version: "1.0.0"}}, Lines: lines("x")}); err != nil {
			t.Error(err)
		}
	}
	s.Wrap(func(d Disk) Disk { return listingDisk{d, func() { once.Do(commit) }} })
	if err := os.MkdirAll(s.path("uc/m"), 0o777); err != nil {
		t.Fatal(err)
	}
	st, err := s.Stage(t.Context(), "uc", "m")
	if err != nil {
		t.Fatalf("stage: %v, want no error", err)
	}
	if err := st.Discard(); err != nil {
		t.Error(err)
	}
}
