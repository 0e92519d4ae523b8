package fsstore

import (
	"context"
	"errors"
	"io/fs"
	"path"
	"sync"
	"sync/atomic"

	"github.com/ubunye-go/modelregistry/driver"
)

// A Staged is a version that is being made: a claim and the tree in it.
type Staged struct {
	claim
	store     *Store
	made      []string // folders that Stage made for it, outermost first
	used      bool     // its tree became a version, so the folders stay
	discarded bool
}

// Stage begins a tree.
func (s *Store) Stage(_ context.Context, useCase, model string) (driver.StagedFolder, error) {
	at := s.place(useCase, model)
	if err := s.checkMount(at); err != nil {
		return nil, err
	}
	if err := s.checkStage(at); err != nil {
		return nil, err
	}
	staging := path.Join(useCase, model, stagingName)
	st := &Staged{store: s}
	for try := range claimTries {
		d, err := s.disk(true)
		if err != nil {
			s.unmake()
			return nil, err
		}
		if try == 0 {
			s.removeLeftovers(d, false)
			s.sweep(d, staging)
		}
		made, err := ensure(d, staging)
		st.made = append(st.made, made...)
		ok := false
		if err == nil {
			st.claim, ok, err = s.claim(d, staging, st.made)
		}
		switch {
		case ok:
			return st, nil
		case err != nil && !errors.Is(err, fs.ErrNotExist):
			s.drop(d, staging, st.made)
			s.unmake()
			return nil, err
		}
	}
	return nil, &fs.PathError{Op: "stage", Path: staging, Err: fs.ErrNotExist}
}

// Dir returns the folder of the tree.
func (st *Staged) Dir() string { return st.store.path(st.tree()) }

// Seal syncs every file, then every folder. It syncs several at once, because a
// file system with a journal commits concurrent syncs together.
func (st *Staged) Seal(ctx context.Context) error {
	var files, dirs []string
	if err := st.list(ctx, st.tree(), &files, &dirs); err != nil {
		return err
	}
	if err := syncAll(ctx, st.disk, files); err != nil {
		return err
	}
	return syncAll(ctx, st.disk, dirs)
}

// list lists the files and the folders of a folder, itself among them.
func (st *Staged) list(ctx context.Context, dir string, files, dirs *[]string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	entries, err := st.disk.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		name := path.Join(dir, e.Name())
		if !e.IsDir() {
			*files = append(*files, name)
		} else if err := st.list(ctx, name, files, dirs); err != nil {
			return err
		}
	}
	*dirs = append(*dirs, dir)
	return nil
}

// syncsAtOnce bounds how many syncs wait for the disk at one time.
const syncsAtOnce = 8

func syncAll(ctx context.Context, d Disk, names []string) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var next atomic.Int64
	work := func() {
		for ctx.Err() == nil {
			i := int(next.Add(1)) - 1
			if i >= len(names) {
				return
			}
			if err := d.Sync(names[i]); err != nil {
				cancel(err)
			}
		}
	}
	var wg sync.WaitGroup
	for range min(len(names), syncsAtOnce) - 1 {
		wg.Go(work)
	}
	work()
	wg.Wait()
	return context.Cause(ctx)
}

// Discard removes the rest of the staging. If the staging was not committed, it
// also removes the folders that were made for it, unless they contain something
// else.
func (st *Staged) Discard() error {
	if st.discarded {
		return nil
	}
	st.discarded = true
	if st.used {
		err := st.removeEmpty()
		if err != nil {
			st.store.noteLeftover(path.Dir(st.name), nil)
		}
		return err
	}
	err := st.remove()
	if err != nil {
		st.store.noteLeftover(path.Dir(st.name), st.made)
	} else {
		st.store.drop(st.disk, path.Dir(st.name), st.made)
	}
	st.store.unmake()
	return err
}
