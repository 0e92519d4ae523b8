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

// fetchTree passes a store that is not a Fetcher.
func fetchTree(s *suite) {
	store, name := s.handle(), s.name("m")
	fetcher, ok := store.(driver.Fetcher)
	if !ok {
		return
	}
	type call struct{ done, total int64 }
	fetch := func(version string) (calls []call) {
		tree, err := fetcher.FetchTree(s.Context(), name.UseCase, name.Model, version, func(done, total int64) { calls = append(calls, call{done, total}) })
		if err != nil {
			s.Fatalf("FetchTree of %s: %v", version, err)
		}
		got, err := readFiles(tree.Path())
		if err = errors.Join(err, tree.Close()); err != nil {
			s.Fatalf("reading %s: %v", version, err)
		}
		s.wantFiles("the files of "+version, got, someFiles(version))
		return calls
	}
	s.put(store, name, "1.0.0", someFiles("1.0.0"))
	calls := fetch("1.0.0")
	for i, c := range calls {
		if last := i == len(calls)-1; c.total <= 0 || c.total != calls[0].total || c.done < 0 || c.done > c.total || i == 0 && c.done != 0 || last && c.done != c.total {
			s.Errorf("FetchTree of 1.0.0 reported %v, want a count that begins at 0 and ends at the total", calls)
			break
		}
	}
	if calls := fetch("1.0.0"); len(calls) > 0 {
		s.Errorf("FetchTree of 1.0.0, which is on this machine, reported %v, want nothing", calls)
	}
	for _, version := range []string{"1.0.2", "", "..", "1.0.0/model"} {
		_, err := fetcher.FetchTree(s.Context(), name.UseCase, name.Model, version, func(int64, int64) {})
		if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrInvalid) {
			s.Errorf("FetchTree of the version %q: got error %v, want fs.ErrNotExist", version, err)
		}
	}
}
