package modelregistry_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/internal/fsroot"
	"github.com/ubunye-go/modelregistry/internal/pythonstore"
)

// Invariant 7: what can't be a document or a log, and what would not fit into
// memory, is damage like any other.
func TestNoDocumentAndNoLog(t *testing.T) {
	t.Parallel()
	sparse := func(size int64) func(t *testing.T, name string) {
		return func(t *testing.T, name string) {
			if err := os.Truncate(name, size); err != nil {
				unavailable(t, err) // this file system takes no file that large
			}
		}
	}
	folder := func(t *testing.T, name string) {
		if err := errors.Join(os.Remove(name), os.MkdirAll(filepath.Join(name, "theirs"), 0o777)); err != nil {
			t.Fatal(err)
		}
	}
	tests := map[string]struct {
		damage func(t *testing.T, name string)
		too    bool // large
	}{
		"1 TB":     {sparse(1 << 40), true},
		"a folder": {folder, false},
	}
	for what, tt := range tests {
		for _, file := range []string{"registry.json", "history.jsonl"} {
			for _, alone := range []bool{false, true} {
				for _, held := range []bool{false, true} {
					t.Run(fmt.Sprintf("%s for %s, alone=%t held=%t", what, file, alone, held), func(t *testing.T) {
						t.Parallel()
						s := pythonstore.New(t)
						r := s.Open()
						s.Register(r, "1.0.0")
						s.Promote(r, "1.0.0", modelregistry.Production)
						if alone {
							s.Remove(map[string]string{"registry.json": "history.jsonl", "history.jsonl": "registry.json"}[file])
						}
						want := s.List(r)
						tt.damage(t, s.Path(file))
						if !held {
							r = s.Open()
						}
						info, err := os.Stat(s.Path(file))
						if err != nil {
							t.Fatal(err)
						}
						before := listing(t, s.Path("versions"))
						_, regErr := r.Register(t.Context(), fraud, pythonstore.Artifact("x"), nil)
						list, readErr := r.ListVersions(t.Context(), fraud)
						if file == "registry.json" && !alone { // hides nothing, but for the checkpoint
							if err := errors.Join(regErr, readErr); err != nil {
								t.Fatal(err)
							}
							if diff := cmp.Diff(want, pythonstore.Lines(list)[1:]); diff != "" {
								t.Error(diff)
							}
						} else {
							for _, err := range []error{regErr, readErr} {
								var corrupt *modelregistry.CorruptError
								var size *fsroot.SizeError
								if !errors.As(err, &corrupt) || corrupt.Path != fraud.String()+"/"+file || !errors.Is(err, fs.ErrInvalid) {
									t.Errorf("got %v", err)
									continue
								}
								if tt.too && (!errors.As(err, &size) || size.Path != corrupt.Path || size.Size < 1<<40-1<<20) {
									t.Errorf("%v does not say how large it is", err)
								}
							}
							if diff := cmp.Diff(before, listing(t, s.Path("versions"))); diff != "" {
								t.Errorf("a failed registration left:\n%s", diff)
							}
						}
						if now, err := os.Stat(s.Path(file)); err != nil || !os.SameFile(info, now) || now.Size() != info.Size() {
							t.Errorf("it was overwritten: %v", err)
						}
					})
				}
			}
		}
	}
}
