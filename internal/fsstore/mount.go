package fsstore

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/ubunye-go/modelregistry/driver"
	"github.com/ubunye-go/modelregistry/internal/fsroot"
	"github.com/ubunye-go/modelregistry/internal/mounts"
)

// The locks of a folder exclude the processes of one machine. Other machines
// may have mounted the folder, too. A bucket that a program mounts is refused:
// nothing excludes another machine there, a rename is a copy, and each program
// caches the files that it reads. On a network file system it depends on the
// mount options, which this package can't judge, so it warns.

// checkMount returns a *driver.MountError if a model may not be written,
// because its folder is in a mounted bucket. It logs a warning at the first
// write to a network file system. The mounts are read once for each device, and
// again if the store's folder was replaced.
func (s *Store) checkMount(at *place) error {
	if s.OneMachine {
		return nil
	}
	folder := s.path(at.dir)
	device := deviceOf(folder)
	if device == 0 {
		return nil // unknown; if the folder can't be read, the write will fail
	}
	s.mu.Lock()
	err, known := s.mounts[device]
	s.mu.Unlock()
	if known {
		return err
	}
	m, found := mounts.Of(folder, device)
	program, url, isBucket := m.Bucket()
	if found && isBucket {
		err = &driver.MountError{Folder: folder, Mount: m.Point, Program: program, URL: url}
	}
	s.mu.Lock()
	_, known = s.mounts[device]
	s.mounts[device] = err
	s.mu.Unlock()
	if found && !known && m.Network() {
		s.warn(fmt.Sprintf("the store is on a network file system (%s on %s): several machines may write to it only if file locks work between them and none caches the attributes of files; "+
			"if only this one writes, say so with Options.OneMachine, or --one-machine of ubunye", m.Type, m.Point))
	}
	return err
}

// deviceOf returns the device of a folder, or of the deepest folder above it
// that exists. It is 0 if it is not known.
func deviceOf(folder string) uint64 {
	for {
		info, err := os.Stat(folder)
		if err == nil {
			device, _ := fsroot.Identity(info)
			return device
		}
		above := filepath.Dir(folder)
		if !errors.Is(err, fs.ErrNotExist) || above == folder {
			return 0
		}
		folder = above
	}
}

func (s *Store) warn(text string) {
	if s.Log != nil {
		s.Log.Warn(text)
	}
}
