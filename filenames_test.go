package modelregistry_test

import (
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/fstest"

	mr "github.com/ubunye-go/modelregistry"
)

// badFileNames are paths that some store can't keep, and what the refusal says
// of each. Its last segment is the bad one.
var badFileNames = map[string]string{
	"mod\xe8le.bin":     "not valid UTF-8",
	"deep/er/\xff":      "not valid UTF-8",
	"new\nline":         "a control character",
	"tab\t.txt":         "a control character",
	"deep/delete\x7f":   "a control character",
	"next\u0085line":    "a control character",
	`back\slash`:        `holds '\\'`,
	`in "quotes"`:       `holds '"'`,
	"run#3":             "holds '#'",
	"acc=95%.bin":       "holds '%'",
	"what?":             "holds '?'",
	"v1.":               "ends in a dot",
	"deep/...":          "ends in a dot",
	"__0x2f__":          "an escaped character",
	"no\uffffcharacter": "U+FFFF",
	longPath + "x":      "bytes, more than",
}

// longPath has as many bytes as a path may have.
var longPath = strings.Repeat("deep/", 100) + "longer-still"

// goodFileNames are paths of one artifact. Windows refuses some, no store does.
var goodFileNames = []string{
	"weights.bin", "größe ✓.txt", "with space", " before", ".hidden", "a..b", "..a", "_0x41_", "__0x__", "__0xg__",
	"epoch=3-step=100.ckpt", "+&;,@!$'()[]{}^`~", "readme", "sub/ü/x", longPath,
}

var goodOnUnix = []string{"README", "at 10:30", "a*b", "a<b>c|d", "after ", "aux", "nul.txt"}

func TestFileNamesThatAreRefused(t *testing.T) {
	t.Parallel()
	for name, says := range badFileNames {
		// A folder of that name, too.
		for _, name := range []string{name, name + "/weights.bin"} {
			t.Run(fmt.Sprintf("%.20q", name), func(t *testing.T) {
				t.Parallel()
				refused := strings.TrimSuffix(name, "/weights.bin")
				r, store := newStore(t, nil)
				register(t, r, "1.0.0", nil)
				check := unchanged(t, store)
				want := func(from string, err error) {
					t.Helper()
					wantError(t, err, "register", fraud, "", mr.ErrArtifact)
					if err != nil && (!strings.Contains(err.Error(), fmt.Sprintf("file name %q", refused)) || !strings.Contains(err.Error(), says)) {
						t.Errorf("%s: error %q does not name %q and say %q", from, err, refused, says)
					}
					check()
				}
				_, err := r.Register(t.Context(), fraud, mr.FromFS(fstest.MapFS{name: {Data: []byte("w")}, "a": {}}), nil)
				want("FromFS", err)

				save := func(dir string) error {
					file := filepath.Join(dir, filepath.FromSlash(name))
					return errors.Join(os.MkdirAll(filepath.Dir(file), 0o777), os.WriteFile(file, []byte("w"), 0o666))
				}
				dir := filepath.Join(t.TempDir(), "model")
				err = save(dir)
				if err == nil {
					file := filepath.FromSlash(name)
					if _, kept := listing(t, dir)[file]; !kept || filepath.ToSlash(file) != name {
						err = fmt.Errorf("the file got another name than %q", name)
					}
				}
				if err != nil {
					if runtime.GOOS == "linux" {
						t.Fatal(err)
					}
					return // the file system has no such names
				}
				same := unchanged(t, dir)
				from := map[string]mr.Artifact{"FromDir": mr.FromDir(dir), "FromPath": mr.FromPath(dir), "FromFS of a folder": mr.FromFS(os.DirFS(dir)), "MoveDir": mr.MoveDir(dir)}
				for what, a := range from {
					_, err := r.Register(t.Context(), fraud, a, nil)
					want(what, err)
					same()
				}
				refused = "model/" + refused
				_, err = r.Register(t.Context(), fraud, mr.FromFunc(save), nil)
				want("FromFunc", err)
				if refused = path.Base(name); refused != "weights.bin" && len(name) < 512 {
					_, err = r.Register(t.Context(), fraud, mr.FromFile(filepath.Join(dir, filepath.FromSlash(name))), nil)
					want("FromFile", err)
				}
			})
		}
	}
}

// Names that only a file system of the caller can have are refused.
func TestFileNamesThatNoDiskHas(t *testing.T) {
	t.Parallel()
	r, store := newStore(t, nil)
	_, err := r.Register(t.Context(), fraud, mr.FromFS(fstest.MapFS{"a\x00b": {}}), nil)
	wantError(t, err, "register", fraud, "", mr.ErrArtifact)
	if err != nil && !strings.Contains(err.Error(), `file name "a\x00b"`) {
		t.Errorf("error %q", err)
	}
	if got := listing(t, store); len(got) > 0 {
		t.Errorf("files that are left: %v", got)
	}
}

// Every name that is accepted is registered, promoted and verified as it is.
func TestFileNamesThatAreKept(t *testing.T) {
	t.Parallel()
	source := fstest.MapFS{}
	names := goodFileNames
	if runtime.GOOS == "linux" { // others have names that they refuse, or that differ by case only
		names = append(names[:len(names):len(names)], goodOnUnix...)
	}
	want := map[string]string{}
	for _, name := range names {
		source[name] = &fstest.MapFile{Data: []byte(name)}
		want[name] = name
	}
	saved := func(dir string) error { return os.CopyFS(dir, source) }
	for what, a := range map[string]mr.Artifact{"FromFS": mr.FromFS(source), "FromFunc": mr.FromFunc(saved)} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			r, store := newStore(t, nil)
			v, err := r.Register(t.Context(), fraud, a, nil)
			if err != nil {
				t.Fatal(err)
			}
			promote(t, r, v.Version, mr.Production)
			m, err := openStore(t, store, nil).GetModel(t.Context(), fraud.In(mr.Production), &mr.GetOptions{Verify: true})
			if err != nil {
				t.Fatal(err)
			}
			for name := range want {
				data, err := os.ReadFile(filepath.Join(m.Path, filepath.FromSlash(name)))
				if err != nil || string(data) != name {
					t.Errorf("%q holds %q, %v", name, data, err)
				}
			}
		})
	}
}
