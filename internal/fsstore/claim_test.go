package fsstore

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gofrs/flock"
)

// A busyDisk can't remove some folders. A folder is like that while another
// process has a removed file of it open.
type busyDisk struct {
	Disk
	made func(name string) // after a folder was made
	busy int               // how many removals of a staging fail
	tree bool              // it is the tree of the staging that is not removed
}

func (d *busyDisk) Mkdir(name string) error {
	err := d.Disk.Mkdir(name)
	d.made(name)
	return err
}

func (d *busyDisk) fails(name string) bool {
	of := path.Dir(name)
	if d.tree {
		of = path.Dir(of)
	}
	fails := d.busy > 0 && path.Base(of) == stagingName && path.Base(name) != lockName
	if fails {
		d.busy--
	}
	return fails
}

func (d *busyDisk) Remove(name string) error {
	if d.fails(name) {
		return &fs.PathError{Op: "remove", Path: name, Err: syscall.ENOTEMPTY}
	}
	return d.Disk.Remove(name)
}

func (d *busyDisk) RemoveAll(name string) error {
	if d.fails(name) {
		return &fs.PathError{Op: "RemoveAll", Path: name, Err: fs.ErrExist} // as ENOTEMPTY is
	}
	return d.Disk.RemoveAll(name)
}

// A folder with a file that another process has open is removed once the file
// is closed.
func TestDiscardWaitsForOpenFiles(t *testing.T) {
	t.Parallel()
	for _, tree := range []bool{false, true} {
		s, disk := open(t, t.TempDir()), &busyDisk{made: func(string) {}, tree: tree}
		s.Wrap(func(d Disk) Disk { disk.Disk = d; return disk })
		st := stage(t, s)
		disk.busy = 3
		if err := st.Discard(); err != nil {
			t.Error(err)
		}
		if exists(s.path(st.name)) || disk.busy > 0 {
			t.Errorf("a discarded folder still exists: %t; %d removals did not fail", exists(s.path(st.name)), disk.busy)
		}
	}
}

// If a sweeper takes a new staging folder for that of a dead process, the owner
// only has to try once more, even if the folder can't be removed.
func TestStageDuringSweep(t *testing.T) {
	t.Parallel()
	s, disk := open(t, t.TempDir()), &busyDisk{}
	other := open(t, s.dir)
	keep := stage(t, other) // so that .staging stays
	d, err := other.disk(false)
	if err != nil {
		t.Fatal(err)
	}
	swept := ""
	disk.made = func(name string) {
		if swept != "" || path.Base(path.Dir(name)) != stagingName {
			return
		}
		swept, disk.busy = name, 1
		sweeper, mine, err := other.tryOwn(d, name)
		if !mine || err != nil {
			t.Fatalf("owning the staging folder: %v", err)
		}
		t.Cleanup(func() { sweeper.lock.Unlock() })
	}
	s.Wrap(func(d Disk) Disk { disk.Disk = d; return disk })
	st := stage(t, s)
	if swept == "" || st.name == swept {
		t.Errorf("staged in %q, swept %q", st.name, swept)
	}
	if err := errors.Join(st.Discard(), keep.Discard()); err != nil {
		t.Error(err)
	}
}

// A probedDisk locks the lock file of each new staging folder for a moment, as
// Inspect does.
type probedDisk struct {
	Disk
	s *Store
}

func (d probedDisk) Make(name string) error {
	err := d.Disk.Make(name)
	if err == nil && path.Base(path.Dir(path.Dir(name))) == stagingName {
		probe := flock.New(d.s.path(name))
		if ok, err := probe.TryLock(); !ok {
			return fmt.Errorf("locking %s: %w", name, err)
		}
		time.AfterFunc(ownPause, func() { probe.Unlock() })
	}
	return err
}

// A registration that begins while Inspect looks at its staging folder leaves
// no second folder.
func TestStageDuringInspect(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := open(t, t.TempDir())
		s.Wrap(func(d Disk) Disk { return probedDisk{d, s} })
		st := stage(t, s)
		if names, err := os.ReadDir(s.path(path.Dir(st.name))); err != nil || len(names) != 1 {
			t.Errorf("there are the staging folders %v, %v; want the one that is staged", names, err)
		}
		if err := st.Discard(); err != nil {
			t.Error(err)
		}
	})
}
