package beneath_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ubunye-go/modelregistry/internal/beneath"
)

// each runs a test on an empty folder, as the system does it and as os.Root does.
func each(t *testing.T, test func(t *testing.T, d *beneath.Dir)) {
	for _, how := range []string{"fast", "slow"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			d, err := beneath.OpenDir(t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { d.Close() })
			if how == "slow" {
				d.Slow()
			}
			test(t, d)
		})
	}
}

func setTime(d *beneath.Dir, name string, at time.Time) error {
	f, err := d.OpenFile(name, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	return errors.Join(f.SetTime(at), f.Close())
}

func list(d *beneath.Dir, name string) error {
	_, err := d.ReadDir(name)
	return err
}

func TestFilesAndFolders(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *beneath.Dir) {
		at := time.Date(2020, 1, 2, 3, 4, 5, 6000, time.UTC)
		for _, err := range []error{
			d.Mkdir("a", 0o777),
			d.Mkdir("a/b", 0o777),
			d.WriteFile("a/b/file", []byte("hello"), 0o644),
			d.WriteFile("a/b/gone", nil, 0o644),
			d.WriteFile("top", []byte("top"), 0o644),
			setTime(d, "a/b/file", at),
			d.Rename("a/b/file", "a/b/same"),
			d.Rename("a/b/same", "a/other"),
			d.Rename("top", "a/top"),
			d.Remove("a/b/gone"),
		} {
			if err != nil {
				t.Fatal(err)
			}
		}
		data, err := d.ReadFile("a/other")
		if string(data) != "hello" || err != nil {
			t.Errorf("read %q, %v", data, err)
		}
		if info, err := d.Stat("a/other"); err != nil || !info.ModTime().Equal(at.Truncate(time.Microsecond)) {
			t.Errorf("%v, %v", info, err)
		}
		entries, err := d.ReadDir("a")
		var names []string
		for _, e := range entries {
			names = append(names, e.Name())
		}
		if diff := cmp.Diff([]string{"b", "other", "top"}, names); diff != "" || err != nil {
			t.Error(err, diff)
		}
		if err := d.Remove("a/b"); err != nil {
			t.Error(err)
		}
		if _, err := d.Stat("a/b"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("after it was removed: %v", err)
		}
	})
}

func TestErrors(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *beneath.Dir) {
		if err := errors.Join(d.Mkdir("folder", 0o777), d.Mkdir("folder/in", 0o777), d.WriteFile("file", nil, 0o644)); err != nil {
			t.Fatal(err)
		}
		open := func(name string, flag int) error {
			f, err := d.OpenFile(name, flag, 0o666)
			if err == nil {
				f.Close()
			}
			return err
		}
		for name, c := range map[string]struct{ got, want error }{
			"open what is missing":      {open("missing", os.O_RDONLY), fs.ErrNotExist},
			"create in what is missing": {open("missing/file", os.O_WRONLY|os.O_CREATE), fs.ErrNotExist},
			"create what is there":      {open("file", os.O_WRONLY|os.O_CREATE|os.O_EXCL), fs.ErrExist},
			"make what is there":        {d.Mkdir("folder", 0o777), fs.ErrExist},
			"make in what is missing":   {d.Mkdir("missing/folder", 0o777), fs.ErrNotExist},
			"remove what is missing":    {d.Remove("missing"), fs.ErrNotExist},
			"rename what is missing":    {d.Rename("missing", "other"), fs.ErrNotExist},
			"rename to what is missing": {d.Rename("file", "missing/file"), fs.ErrNotExist},
			"list what is missing":      {list(d, "missing"), fs.ErrNotExist},
		} {
			if !errors.Is(c.got, c.want) {
				t.Errorf("%s: %v", name, c.got)
			}
		}
		if err := d.Remove("folder"); err == nil {
			t.Error("a folder with something in it was removed")
		}
	})
}

// Nothing outside is read, made, moved or removed, by dots, an absolute name or a symlink.
func TestNothingOutside(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("a symlink takes a privilege there")
	}
	each(t, func(t *testing.T, d *beneath.Dir) {
		outside := t.TempDir()
		secret := filepath.Join(outside, "secret")
		for _, err := range []error{
			os.WriteFile(secret, []byte("secret"), 0o644),
			os.Symlink(outside, filepath.Join(d.Path(), "out")),
			os.Symlink(secret, filepath.Join(d.Path(), "link")),
			d.Mkdir("in", 0o777),
			d.WriteFile("in/file", []byte("inside"), 0o644),
			os.Symlink("in", filepath.Join(d.Path(), "within")),
		} {
			if err != nil {
				t.Fatal(err)
			}
		}
		back := "../" + filepath.Base(outside)
		for _, name := range []string{"link", "out/secret", back + "/secret", secret} {
			if data, err := d.ReadFile(name); err == nil {
				t.Errorf("read %q by %s", data, name)
			}
			if err := d.WriteFile(name, []byte("changed"), 0o644); err == nil {
				t.Errorf("wrote by %s", name)
			}
		}
		for _, dir := range []string{"out", back, outside} {
			for what, err := range map[string]error{
				"make":         d.Mkdir(dir+"/made", 0o777),
				"move out":     d.Rename("in/file", dir+"/moved"),
				"move in":      d.Rename(dir+"/secret", "in/moved"),
				"remove":       d.Remove(dir + "/secret"),
				"set the time": setTime(d, dir+"/secret", time.Now()),
				"list":         list(d, dir),
			} {
				if err == nil {
					t.Errorf("%s by %s", what, dir)
				}
			}
		}
		entries, err := os.ReadDir(outside)
		if data, readErr := os.ReadFile(secret); len(entries) != 1 || string(data) != "secret" || err != nil || readErr != nil {
			t.Errorf("outside there are %v, the secret is %q", entries, data)
		}
		if data, err := d.ReadFile("within/file"); string(data) != "inside" || err != nil {
			t.Errorf("by a symlink that stays inside: %q, %v", data, err)
		}
	})
}

// A folder that is closed while others use it never leads somewhere else.
func TestClose(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *beneath.Dir) {
		if err := d.WriteFile("file", []byte("hello"), 0o644); err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		started := make(chan struct{}, 8)
		for range 8 {
			wg.Go(func() {
				for i := 0; ; i++ {
					data, err := d.ReadFile("file")
					if err != nil {
						if !errors.Is(err, fs.ErrClosed) {
							t.Error(err)
						}
						return
					}
					if string(data) != "hello" {
						t.Errorf("read %q", data)
					}
					if i == 0 {
						started <- struct{}{}
					}
				}
			})
		}
		for range 8 {
			<-started
		}
		if err := d.Close(); err != nil {
			t.Error(err)
		}
		wg.Wait()
		if err := d.Mkdir("made", 0o777); !errors.Is(err, fs.ErrClosed) {
			t.Errorf("after Close: %v", err)
		}
	})
}

// Where the system can do it, it does: else the fast half of these tests proves nothing.
func TestFast(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("only Linux resolves names beneath a folder")
	}
	d, err := beneath.OpenDir(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if d.Fast() {
		return
	}
	if os.Getenv("MODELREGISTRY_TEST_ALL") != "" {
		t.Fatal("openat2 is missing or forbidden here")
	}
	t.Skip("openat2 is missing or forbidden here; os.Root serves")
}
