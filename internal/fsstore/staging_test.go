package fsstore

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ubunye-go/modelregistry/driver"
)

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
			sweeping = func() {}
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
			Checkpoint: &driver.Checkpoint{Make: func(int64) (io.WriterTo, string) { t.Error("Make was called"); return nil, "" }},
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
