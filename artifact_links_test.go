package modelregistry_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/internal/storetest"
)

// makeLink makes a symbolic link, or skips the test where there are none.
func makeLink(t testing.TB, name, target string) {
	t.Helper()
	storetest.NeedSymlinks(t)
	if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o777), os.Symlink(filepath.FromSlash(target), name)); err != nil {
		t.Fatal(err)
	}
}

// makeSnapshot makes a model's folder in a cache of Hugging Face, and returns
// it and its snapshot, in which every file is a link.
func makeSnapshot(t testing.TB) (root, snapshot string) {
	t.Helper()
	root = filepath.Join(t.TempDir(), "models--org--bert")
	snapshot = filepath.Join(root, "snapshots", "abc")
	writeFile(t, filepath.Join(root, "blobs", "one"), "weights")
	writeFile(t, filepath.Join(root, "blobs", "two"), "graph")
	makeLink(t, filepath.Join(snapshot, "model.safetensors"), "../../blobs/one")
	makeLink(t, filepath.Join(snapshot, "onnx", "model.onnx"), "../../../blobs/two")
	return root, snapshot
}

// With FollowLinks, a version holds plain copies of the files that the links of
// a snapshot lead to, under the names of the links.
func TestFollowLinks(t *testing.T) {
	t.Parallel()
	whole := map[string]string{"model.safetensors": "weights", "onnx/model.onnx": "graph"}
	weights := map[string]string{"model.safetensors": "weights"}
	for what, test := range map[string]struct {
		from func(root, snapshot string) mr.Artifact
		want map[string]string
	}{
		"FromDir":  {func(root, snapshot string) mr.Artifact { return mr.FromDir(snapshot).FollowLinks(root) }, whole},
		"FromPath": {func(root, snapshot string) mr.Artifact { return mr.FromPath(snapshot).FollowLinks(root) }, whole},
		"a root above the model": {func(root, snapshot string) mr.Artifact {
			return mr.FromDir(snapshot).FollowLinks(filepath.Dir(root))
		}, whole},
		"the folder through a link": {func(root, snapshot string) mr.Artifact {
			makeLink(t, filepath.Join(root, "current"), "snapshots/abc")
			return mr.FromDir(filepath.Join(root, "current")).FollowLinks(root)
		}, whole},
		"the root through a link": {func(root, snapshot string) mr.Artifact {
			other := filepath.Join(filepath.Dir(root), "other")
			makeLink(t, other, filepath.Base(root))
			return mr.FromDir(snapshot).FollowLinks(other)
		}, whole},
		"the last root counts": {func(root, snapshot string) mr.Artifact {
			return mr.FromDir(snapshot).FollowLinks(snapshot).FollowLinks(root)
		}, whole},
		"links inside the folder": {func(_, snapshot string) mr.Artifact {
			dir := filepath.Join(snapshot, "own")
			writeFile(t, filepath.Join(dir, "a"), "a")
			makeLink(t, filepath.Join(dir, "sub", "b"), "../a")
			makeLink(t, filepath.Join(dir, "c"), "sub/b")
			return mr.FromDir(dir).FollowLinks(dir)
		}, map[string]string{"a": "a", "sub/b": "a", "c": "a"}},
		"FromFile": {func(root, snapshot string) mr.Artifact {
			return mr.FromFile(filepath.Join(snapshot, "model.safetensors")).FollowLinks(root)
		}, weights},
		"FromPath, file": {func(root, snapshot string) mr.Artifact {
			return mr.FromPath(filepath.Join(snapshot, "model.safetensors")).FollowLinks(root)
		}, weights},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			root, snapshot := makeSnapshot(t)
			a := test.from(root, snapshot)
			source := unchanged(t, root)
			r, store := newStore(t, nil)
			if _, err := r.Register(t.Context(), fraud, a, nil); err != nil {
				t.Fatal(err)
			}
			model := modelPath(store, "versions", "1.0.0", "model")
			if diff := cmp.Diff(test.want, files(t, model)); diff != "" {
				t.Errorf("the version's files (-want +got):\n%s", diff)
			}
			for name := range test.want {
				info, err := os.Lstat(filepath.Join(model, filepath.FromSlash(name)))
				if err != nil || !info.Mode().IsRegular() {
					t.Errorf("%s of the version is %v (%v), want a regular file", name, info, err)
				}
			}
			wantFindings(t, store)
			source()
		})
	}
}

// A link that leads out of the root, or to something else than a regular file,
// is refused with its name and its target, before a file is copied.
func TestFollowLinksRefuses(t *testing.T) {
	t.Parallel()
	outside := t.TempDir()
	secret := filepath.Join(outside, "secret")
	writeFile(t, secret, "secret")
	for what, test := range map[string]struct {
		target string
		more   func(t *testing.T, root string)
	}{
		"out of the root":         {"../../../../secret", nil},
		"an absolute path":        {secret, nil},
		"a folder outside":        {outside, nil},
		"a link that leads out":   {"../out", func(t *testing.T, root string) { makeLink(t, filepath.Join(root, "snapshots", "out"), secret) }},
		"a file below such a one": {"../out/secret", func(t *testing.T, root string) { makeLink(t, filepath.Join(root, "snapshots", "out"), outside) }},
		"nothing":                 {"nowhere", nil},
		"itself":                  {"zlink", nil},
		"a loop": {"zother", func(t *testing.T, root string) {
			makeLink(t, filepath.Join(root, "snapshots", "abc", "zother"), "zlink")
		}},
		"its own folder": {".", nil},
		"a folder":       {"../../blobs", nil},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			root, snapshot := makeSnapshot(t)
			writeFile(t, filepath.Join(filepath.Dir(root), "secret"), "secret")
			link := filepath.Join(snapshot, "zlink")
			makeLink(t, link, test.target)
			if test.more != nil {
				test.more(t, root)
			}
			r, store := newStore(t, nil)
			ctx := &askedContext{t.Context(), func() {
				if staged(t, store, "model.safetensors") >= 0 {
					t.Error("a file was copied before the link was refused")
				}
			}}
			_, err := r.Register(ctx, fraud, mr.FromDir(snapshot).FollowLinks(root), nil)
			wantLinkError(t, err, "zlink", test.target)
			_, err = r.Register(t.Context(), fraud, mr.FromFile(link).FollowLinks(root), nil)
			wantError(t, err, "register", fraud, "", mr.ErrArtifact)
			if got := listing(t, store); len(got) > 0 {
				t.Errorf("the store holds %v, want nothing", got)
			}
		})
	}
	t.Run("FromFile", func(t *testing.T) {
		t.Parallel()
		_, snapshot := makeSnapshot(t)
		r, _ := newStore(t, nil)
		_, err := r.Register(t.Context(), fraud, mr.FromFile(filepath.Join(snapshot, "model.safetensors")).FollowLinks(snapshot), nil)
		wantLinkError(t, err, "model.safetensors", "../../blobs/one")
	})
}

// wantLinkError checks that a registration failed with an error that names a
// link and its target.
func wantLinkError(t *testing.T, err error, name, target string) {
	t.Helper()
	wantError(t, err, "register", fraud, "", mr.ErrArtifact)
	// Windows writes the target with other slashes, which are quoted.
	if want := name + " is a symbolic link to "; err != nil && (!strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), filepath.Base(target))) {
		t.Errorf("error %q does not say %q and %s", err, want, target)
	}
}

// An artifact outside the root, and one that is not on disk or is moved, is
// refused.
func TestFollowLinksOfAnUnfitArtifact(t *testing.T) {
	t.Parallel()
	root, snapshot := makeSnapshot(t)
	source := unchanged(t, root)
	const unfit = "links are followed only in a folder or a file on disk"
	for what, test := range map[string]struct {
		artifact mr.Artifact
		says     string
	}{
		"outside the root":        {mr.FromDir(root).FollowLinks(snapshot), "is not inside " + snapshot},
		"a file outside the root": {mr.FromFile(filepath.Join(root, "blobs", "one")).FollowLinks(snapshot), "is not inside " + snapshot},
		"no root":                 {mr.FromDir(snapshot).FollowLinks(""), unfit},
		"a missing root":          {mr.FromDir(snapshot).FollowLinks(filepath.Join(root, "missing")), "missing"},
		"a file as the root":      {mr.FromDir(snapshot).FollowLinks(filepath.Join(root, "blobs", "one")), "one"},
		"a file for FromDir":      {mr.FromDir(filepath.Join(snapshot, "model.safetensors")).FollowLinks(root), "is a file, not a folder"},
		"a folder for FromFile":   {mr.FromFile(snapshot).FollowLinks(root), "is a folder, not a file"},
		"MoveDir":                 {mr.MoveDir(snapshot).FollowLinks(root), unfit},
		"FromFS":                  {mr.FromFS(fstest.MapFS{"a": {Data: []byte("a")}}).FollowLinks(root), unfit},
		"FromFunc": {mr.FromFunc(func(dir string) error {
			return os.WriteFile(filepath.Join(dir, "a"), nil, 0o666)
		}).FollowLinks(root), unfit},
		"none": {mr.Artifact{}.FollowLinks(root), "none given"},
	} {
		r, store := newStore(t, nil)
		_, err := r.Register(t.Context(), fraud, test.artifact, nil)
		if !errors.Is(err, mr.ErrArtifact) || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: got %v, want ErrArtifact and %q", what, err, test.says)
		}
		if got := listing(t, store); len(got) > 0 {
			t.Errorf("%s: the store holds %v, want nothing", what, got)
		}
		source()
	}
}

// Without FollowLinks, the refusal of a link says how to follow it.
func TestRefusalOfALinkNamesFollowLinks(t *testing.T) {
	t.Parallel()
	_, snapshot := makeSnapshot(t)
	for what, a := range map[string]mr.Artifact{
		"FromDir": mr.FromDir(snapshot), "MoveDir": mr.MoveDir(snapshot), "FromFS": mr.FromFS(os.DirFS(snapshot)),
	} {
		r, _ := newStore(t, nil)
		_, err := r.Register(t.Context(), fraud, a, nil)
		for _, want := range []string{"model.safetensors is a symbolic link", "FollowLinks", "--follow-links"} {
			if !errors.Is(err, mr.ErrArtifact) || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: error %v does not say %q", what, err, want)
			}
		}
	}
}

// A link that is replaced while its tree is copied fails the registration. It
// can't lead out of the root, also not between the two listings of the tree.
func TestLinkThatChangesWhileItIsCopied(t *testing.T) {
	t.Parallel()
	for what, test := range map[string]struct {
		target string // of the link b, from when a was copied
		back   bool   // until b was copied
		says   string
	}{
		"out of the root":          {"../../../secret", false, ""},
		"out of the root and back": {"../../../secret", true, ""},
		"to another file":          {"../../blobs/two", false, "b changed while it was copied: "},
		"to another file and back": {"../../blobs/two", true, "b changed while it was copied: another symbolic link is in its place"},
		"to a folder":              {"../../blobs", false, "b changed while it was copied: it is a folder now"},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			root, snapshot := makeSnapshot(t)
			writeFile(t, filepath.Join(filepath.Dir(root), "secret"), "secret")
			link := filepath.Join(snapshot, "b")
			makeLink(t, filepath.Join(snapshot, "a"), "../../blobs/one")
			makeLink(t, link, "../../blobs/one")
			nextTick(t, filepath.Dir(root))
			r, store := newStore(t, nil)
			var mu sync.Mutex
			led := "../../blobs/one"
			lead := func(target string) {
				if led == target {
					return
				}
				led = target
				if err := errors.Join(os.Remove(link), os.Symlink(filepath.FromSlash(target), link)); err != nil {
					t.Error(err)
				}
			}
			ctx := &askedContext{t.Context(), func() {
				mu.Lock()
				defer mu.Unlock()
				if staged(t, store, "b") == int64(len("secret")) {
					t.Error("the file outside the root was copied")
				}
				switch {
				case test.back && staged(t, store, "b") >= 0:
					lead("../../blobs/one")
				case staged(t, store, "a") >= 0:
					lead(test.target)
				}
			}}
			_, err := r.Register(ctx, fraud, mr.FromDir(snapshot).FollowLinks(root), nil)
			wantError(t, err, "register", fraud, "", mr.ErrArtifact)
			if err != nil && !strings.Contains(err.Error(), test.says) {
				t.Errorf("error %q does not say %q", err, test.says)
			}
			if led == "../../blobs/one" && !test.back {
				t.Error("the link was not replaced")
			}
			if got := listing(t, store); len(got) > 0 {
				t.Errorf("the store holds %v, want nothing", got)
			}
		})
	}
}
