package modelregistry_test

import (
	"crypto/rand"
	"errors"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/fstest"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/internal/storetest"
)

func TestBadArtifacts(t *testing.T) {
	t.Parallel()
	outside := t.TempDir()
	writeFile(t, filepath.Join(outside, "secret"), "secret")
	link := func(t *testing.T, dir, target string) {
		writeFile(t, filepath.Join(dir, "a"), "a")
		makeLink(t, filepath.Join(dir, "link"), target)
	}
	tests := map[string]struct {
		prepare func(t *testing.T, dir string)
		names   string // the file that the error names
		missing bool
	}{
		"missing":        {prepare: func(t *testing.T, dir string) { os.Remove(dir) }, missing: true},
		"empty":          {prepare: func(*testing.T, string) {}},
		"folders only":   {prepare: func(t *testing.T, dir string) { os.MkdirAll(filepath.Join(dir, "a", "b"), 0o777) }},
		"link to file":   {prepare: func(t *testing.T, dir string) { link(t, dir, "a") }, names: "link"},
		"link to folder": {prepare: func(t *testing.T, dir string) { link(t, dir, outside) }, names: "link"},
		"broken link":    {prepare: func(t *testing.T, dir string) { link(t, dir, "nowhere") }, names: "link"},
		"link below": {prepare: func(t *testing.T, dir string) {
			sub := filepath.Join(dir, "x", "y")
			writeFile(t, filepath.Join(sub, "b"), "b")
			link(t, sub, filepath.Join(outside, "secret"))
		}, names: "x/y/link"},
		"socket": {prepare: func(t *testing.T, dir string) {
			if runtime.GOOS == "windows" {
				t.Skip("a socket in the file system is not a file type of its own on Windows")
			}
			if err := makeSocket(filepath.Join(dir, "sock")); err != nil {
				t.Fatal(err)
			}
			writeFile(t, filepath.Join(dir, "a"), "a")
		}, names: "sock"},
		"pipe": {prepare: func(t *testing.T, dir string) {
			if runtime.GOOS == "windows" {
				t.Skip("Windows keeps named pipes outside the file system")
			}
			if err := exec.Command("mkfifo", filepath.Join(dir, "pipe")).Run(); err != nil {
				t.Fatal("can't make a named pipe here:", err)
			}
			writeFile(t, filepath.Join(dir, "a"), "a")
		}, names: "pipe"},
	}
	for what, test := range tests {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			test.prepare(t, dir)
			r, store := newStore(t, nil)
			register(t, r, "1.0.0", nil)
			check, source := unchanged(t, store), unchanged(t, dir)
			from := map[string]mr.Artifact{"FromDir": mr.FromDir(dir), "FromPath": mr.FromPath(dir)}
			if !test.missing {
				from["FromFS"] = mr.FromFS(os.DirFS(dir))
			}
			if test.missing || test.names != "" {
				from["MoveDir"] = mr.MoveDir(dir)
			}
			for how, a := range from {
				_, err := r.Register(t.Context(), fraud, a, nil)
				wantError(t, err, "register", fraud, "", mr.ErrArtifact)
				if err != nil && !strings.Contains(err.Error(), test.names) {
					t.Errorf("%s: error %q does not name %s", how, err, test.names)
				}
				if test.missing && !errors.Is(err, fs.ErrNotExist) {
					t.Errorf("%s: error %q does not match fs.ErrNotExist", how, err)
				}
				check()
				source()
			}
			if test.names == "" {
				return
			}
			_, err := r.Register(t.Context(), fraud, mr.FromFile(filepath.Join(dir, filepath.FromSlash(test.names))), nil)
			if what != "link to file" && what != "link below" { // a file's own path may be a link
				wantError(t, err, "register", fraud, "", mr.ErrArtifact)
				check()
			}
		})
	}
}

func TestSavedArtifactOfBadKind(t *testing.T) {
	t.Parallel()
	tests := map[string]func(dir string) error{
		"nothing": func(string) error { return nil },
		"link": func(dir string) error {
			return errors.Join(os.WriteFile(filepath.Join(dir, "a"), nil, 0o666), os.Symlink("a", filepath.Join(dir, "link")))
		},
		"the folder itself a link": func(dir string) error {
			return errors.Join(os.Remove(dir), os.Symlink(os.TempDir(), dir))
		},
		"no folder":         os.Remove,
		"the folder a file": func(dir string) error { return errors.Join(os.Remove(dir), os.WriteFile(dir, nil, 0o666)) },
	}
	for what, save := range tests {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			if strings.Contains(what, "link") {
				storetest.NeedSymlinks(t)
			}
			r, dir := newStore(t, nil)
			_, err := r.Register(t.Context(), fraud, mr.FromFunc(save), nil)
			wantError(t, err, "register", fraud, "", mr.ErrArtifact)
			if got := listing(t, dir); len(got) > 0 {
				t.Errorf("the store holds %v, want nothing", got)
			}
		})
	}
	t.Run("none given", func(t *testing.T) {
		_, err := mr.New(untouchable{t}, nil).Register(t.Context(), fraud, mr.Artifact{}, nil)
		wantError(t, err, "register", fraud, "", mr.ErrArtifact)
	})
}

// climbingFS is a file system whose ReadDir returns a path to a file outside
// it.
type climbingFS struct{ fstest.MapFS }

func (c climbingFS) ReadDir(name string) ([]fs.DirEntry, error) {
	list, err := c.MapFS.ReadDir(name)
	for i := range list {
		list[i] = climbingEntry{list[i]}
	}
	return list, err
}

func (c climbingFS) Open(name string) (fs.File, error) {
	if strings.Contains(name, "escaped") {
		name = "a"
	}
	return c.MapFS.Open(name)
}

type climbingEntry struct{ fs.DirEntry }

func (climbingEntry) Name() string { return "../../escaped" }

func TestFromFSStaysInside(t *testing.T) {
	t.Parallel()
	r, dir := newStore(t, nil)
	_, err := r.Register(t.Context(), fraud, mr.FromFS(climbingFS{fstest.MapFS{"a": {Data: []byte("a")}}}), nil)
	wantError(t, err, "register", fraud, "", mr.ErrArtifact)
	if got := listing(t, dir); len(got) > 0 {
		t.Errorf("the store holds %v, want nothing", got)
	}
}

// A store is often in the project folder. That folder can't be the artifact.
func TestArtifactThatContainsTheStore(t *testing.T) {
	t.Parallel()
	for what, from := range map[string]func(string) mr.Artifact{"FromDir": mr.FromDir, "MoveDir": mr.MoveDir, "FromPath": mr.FromPath} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			writeFile(t, filepath.Join(dir, "weights.bin"), "weights")
			store := filepath.Join(dir, ".ubunye", "model_store")
			r := openStore(t, store, nil)
			register(t, r, "1.0.0", nil)
			check := unchanged(t, dir)
			_, err := r.Register(t.Context(), fraud, from(dir), nil)
			wantError(t, err, "register", fraud, "", mr.ErrArtifact)
			if errText := err.Error(); len(errText) > 1000 {
				t.Errorf("got an error of %d bytes, want a short one, without a copy of the folder into itself: %.100s…", len(errText), errText)
			}
			check()
		})
	}
}

// makeSocket leaves a socket at path. The path that a socket is bound to has at
// most about a hundred bytes, so it is bound to a short one and then renamed.
func makeSocket(path string) error {
	short := filepath.Join(os.TempDir(), "s"+rand.Text()[:8])
	l, err := net.Listen("unix", short)
	if err != nil {
		return err
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	return errors.Join(l.Close(), os.Rename(short, path))
}
