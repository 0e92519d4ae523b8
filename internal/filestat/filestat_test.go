package filestat_test

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"testing/fstest"
	"time"

	"github.com/ubunye-go/modelregistry/internal/filestat"
)

// A write to an open file shows in its stat. A rename of the file does not.
func TestDifference(t *testing.T) {
	t.Parallel()
	old := time.Now().Add(-time.Hour)
	for what, test := range map[string]struct {
		change func(f *os.File, name string) error
		shows  bool
	}{
		"nothing":     {func(*os.File, string) error { return nil }, false},
		"read":        {func(_ *os.File, name string) error { _, err := os.ReadFile(name); return err }, false},
		"overwritten": {func(f *os.File, _ string) error { _, err := f.WriteAt([]byte("B"), 0); return err }, true},
		"grown":       {func(f *os.File, _ string) error { _, err := f.WriteAt([]byte("B"), 7); return err }, true},
		"cut":         {func(f *os.File, _ string) error { return f.Truncate(3) }, true},
		"overwritten, and dated back": {func(f *os.File, name string) error {
			_, err := f.WriteAt([]byte("B"), 0)
			return errors.Join(err, os.Chtimes(name, time.Time{}, old))
		}, runtime.GOOS != "windows"},
		"replaced": {func(_ *os.File, name string) error {
			return errors.Join(os.WriteFile(name+".next", nil, 0o666), os.Rename(name+".next", name))
		}, false},
		"linked": {func(_ *os.File, name string) error { return os.Link(name, name+".link") }, false},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			name := filepath.Join(t.TempDir(), "file")
			if err := errors.Join(os.WriteFile(name, []byte("content"), 0o666), os.Chtimes(name, old, old)); err != nil {
				t.Fatal(err)
			}
			f, err := os.OpenFile(name, os.O_RDWR, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			stat := func() filestat.Stat {
				info, err := f.Stat()
				if err != nil {
					t.Fatal(err)
				}
				return filestat.Of(info)
			}
			before := stat()
			nextTick(t, filepath.Dir(name))
			if err := test.change(f, name); err != nil {
				t.Fatal(err)
			}
			if got := before.Difference(stat()); (got != "") != test.shows {
				t.Errorf("the difference is %q, want one: %v", got, test.shows)
			}
		})
	}
}

// nextTick returns when the clock of a folder's file system has ticked.
func nextTick(t *testing.T, dir string) {
	t.Helper()
	name := filepath.Join(dir, "clock")
	write := func() time.Time {
		if err := os.WriteFile(name, nil, 0o666); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		return info.ModTime()
	}
	for first := write(); !write().After(first); {
	}
}

// If a program sets a file's time of modification back, the file does not look
// settled, where the system keeps the time of the last change.
func TestDatedBackIsNotSettled(t *testing.T) {
	t.Parallel()
	start, name := time.Now(), filepath.Join(t.TempDir(), "file")
	old := start.Add(-time.Hour)
	if err := errors.Join(os.WriteFile(name, nil, 0o666), os.Chtimes(name, old, old)); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	if got := filestat.Of(info).Settles(start); (got > 0) != (runtime.GOOS != "windows") {
		t.Errorf("the file settles after %v on %s", got, runtime.GOOS)
	}
}

// A file is settled once the tick of its clock is over.
func TestSettles(t *testing.T) {
	t.Parallel()
	second := time.Date(2026, 11, 27, 5, 30, 11, 0, time.UTC)
	for _, test := range []struct {
		modified time.Time
		now      time.Time
		want     time.Duration
	}{
		{second.Add(1), second.Add(1), 20 * time.Millisecond},
		{second.Add(1), second.Add(15*time.Millisecond + 1), 5 * time.Millisecond},
		{second.Add(1), second.Add(time.Minute), 0},
		{second, second.Add(time.Millisecond), 1999 * time.Millisecond},
		{second, second.Add(2 * time.Second), 0},
		{second.Add(time.Hour), second, 0},
		{time.Time{}, second, 0},
	} {
		file := fstest.MapFS{"file": {ModTime: test.modified}}
		info, err := file.Stat("file")
		if err != nil {
			t.Fatal(err)
		}
		if got := filestat.Of(info).Settles(test.now); got != test.want {
			t.Errorf("a file modified at %v settles %v after %v; want %v", test.modified, got, test.now, test.want)
		}
	}
}
