//go:build unix

package fsstore

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/ubunye-go/modelregistry/driver"
)

// Each method that writes is refused in a mounted bucket, and each that reads
// is not.
func TestMountedBucketRefusesWrites(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if _, err := add(t, open(t, dir), nil); err != nil {
		t.Fatal(err)
	}
	s := open(t, dir)
	ctx := t.Context()
	s.mounts[deviceOf(s.path("uc/m"))] = &driver.MountError{}
	nothing := func(driver.View) error { return nil }
	for what, call := range map[string]func() error{
		"Append": func() error {
			_, err := s.Append(ctx, "uc", "m", func(v driver.View) (*driver.Commit, error) { return nil, nothing(v) })
			return err
		},
		"Stage": func() error {
			_, err := s.Stage(ctx, "uc", "m")
			return err
		},
		"StageFiles": func() error {
			_, err := s.StageFiles(ctx, "uc", "m")
			return err
		},
		"Replace": func() error {
			_, err := s.Replace(ctx, "uc", "m", func(v driver.View) (*driver.Replacement, error) { return nil, nothing(v) })
			return err
		},
		"RemoveTrees": func() error {
			_, err := s.RemoveTrees(ctx, "uc", "m", func(v driver.View) ([]string, error) { return nil, nothing(v) })
			return err
		},
	} {
		var refused *driver.MountError
		if err := call(); !errors.As(err, &refused) {
			t.Errorf("%s returned %v, want a MountError", what, err)
		}
	}
	if err := s.Read(ctx, "uc", "m", nothing); err != nil {
		t.Errorf("Read: %v, want no error", err)
	}
	for it, err := range s.Inspect(ctx, "uc", "m") {
		if err != nil {
			t.Errorf("Inspect: %v, %v, want no error", it, err)
		}
	}
	s.OneMachine = true
	if _, err := add(t, s, nil); err != nil {
		t.Errorf("with OneMachine: %v, want no error", err)
	}
}

// The mounts are read once for each device, until the store's folder is another
// one.
func TestMountsAreReadOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	for range 2 {
		if _, err := add(t, s, nil); err != nil {
			t.Fatal(err)
		}
	}
	if len(s.mounts) != 1 {
		t.Errorf("after two writes %d devices are known, want 1", len(s.mounts))
	}
	s.mounts[0] = nil // of a device that is gone
	if err := errors.Join(os.Rename(dir, filepath.Join(t.TempDir(), "old")), os.Mkdir(dir, 0o777)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.disk(true); err != nil {
		t.Fatal(err)
	}
	if len(s.mounts) != 0 {
		t.Errorf("in a new folder %d devices are known, want none", len(s.mounts))
	}
}
