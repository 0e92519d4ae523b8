package registrytest

import (
	"errors"
	"io/fs"

	"github.com/ubunye-go/modelregistry/driver"
)

// The cases of Fetcher.

// cachedTree passes a store that is not a Fetcher.
func cachedTree(s *suite) {
	store, name := s.handle(), s.name("m")
	fetcher, ok := store.(driver.Fetcher)
	if !ok {
		return
	}
	s.put(store, name, "1.0.0", someFiles("1.0.0"))
	s.put(store, name, "1.0.1", someFiles("1.0.1"))
	opened, err := store.OpenTree(s.Context(), name.UseCase, name.Model, "1.0.1")
	if err != nil {
		s.Fatalf("opening 1.0.1: %v", err)
	}
	if err := opened.Close(); err != nil {
		s.Errorf("closing 1.0.1: %v", err)
	}
	for _, version := range []string{"1.0.0", "1.0.1"} {
		tree, streams, err := fetcher.CachedTree(s.Context(), name.UseCase, name.Model, version)
		var got map[string]string
		switch {
		case err != nil:
			s.Fatalf("CachedTree of %s: %v", version, err)
		case (tree == nil) == (streams == nil):
			s.Fatalf("CachedTree of %s: got the tree %v and the streams %v, want one of them", version, tree, streams)
		case tree != nil:
			got, err = readFiles(tree.Path())
			err = errors.Join(err, tree.Close())
		default:
			got, _, err = readStreams(s.Context(), streams)
		}
		if err != nil {
			s.Fatalf("reading %s: %v", version, err)
		}
		s.wantFiles("the files of "+version, got, someFiles(version))
		if version == "1.0.1" && tree == nil {
			s.Errorf("CachedTree of 1.0.1, which was opened: got no tree")
		}
	}
	for _, version := range []string{"1.0.2", "", "..", "1.0.0/model"} {
		if _, _, err := fetcher.CachedTree(s.Context(), name.UseCase, name.Model, version); !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrInvalid) {
			s.Errorf("CachedTree of the version %q: got error %v, want fs.ErrNotExist", version, err)
		}
	}
}
