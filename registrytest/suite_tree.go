package registrytest

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"sync/atomic"
	"testing/fstest"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/driver"
)

// someFiles returns the files of a tree, with a manifest that makes it the
// registry's. Trees of different content have different files.
func someFiles(content string) map[string]string {
	return withManifest(map[string]string{
		"model/weights.bin":       content,
		"model/sub/deep/conf.txt": "configuration of " + content,
		"model/empty":             "",
		"metrics.json":            "{}",
	})
}

// wantFiles compares the contents of files by name. Of a long content, the
// difference shows the length and the digest.
func (s *suite) wantFiles(what string, got, want map[string]string) {
	s.Helper()
	s.want(what, shortContents(got), shortContents(want))
}

func shortContents(files map[string]string) map[string]string {
	short := maps.Clone(files)
	for file, content := range short {
		if len(content) > 1<<10 {
			short[file] = fmt.Sprintf("%d bytes, SHA-256 %x", len(content), sha256.Sum256([]byte(content)))
		}
	}
	return short
}

// withManifest adds the manifest that the registry would write.
func withManifest(files map[string]string) map[string]string {
	type entry struct {
		Path   string `json:"path"`
		Size   int    `json:"size"`
		Mode   string `json:"mode"`
		SHA256 string `json:"sha256"`
	}
	list := []entry{}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		list = append(list, entry{name, len(files[name]), "0444", fmt.Sprintf("%x", sha256.Sum256([]byte(files[name])))})
	}
	manifest, err := json.Marshal(map[string]any{"files": list})
	if err != nil {
		panic(err)
	}
	files[manifestName] = string(manifest)
	return files
}

func trees(s *suite) {
	writer, reader, name := s.handle(), s.handle(), s.name("m")
	for _, version := range []string{"1.0.0", "1.0.1-rc.1", "2.0.0+build.7"} {
		files := someFiles(version)
		st := s.stage(writer, name, files)
		if _, err := reader.OpenTree(s.Context(), name.UseCase, name.Model, version); !errors.Is(err, fs.ErrNotExist) {
			s.Errorf("opening %s before its commit: got error %v, want fs.ErrNotExist", version, err)
		}
		_, err := commit(s.Context(), writer, name, &driver.Commit{
			Trees: []driver.StagedTree{{Staged: st, Version: version}}, Lines: raw([]string{version}),
		})
		if err != nil {
			s.Fatalf("committing %s: %v", version, err)
		}
		for _, store := range []mr.Store{writer, reader, s.handle()} {
			got, err := readTree(s.Context(), store, name, version)
			if err != nil {
				s.Errorf("reading %s: %v", version, err)
			}
			s.wantFiles("the files of "+version, got, files)
		}
	}
	if _, err := reader.OpenTree(s.Context(), name.UseCase, name.Model, "1.0.2"); !errors.Is(err, fs.ErrNotExist) {
		s.Errorf("opening a missing version: got error %v, want fs.ErrNotExist", err)
	}
}

// treeWhole opens each version as soon as its line can be read, and the next
// version at any moment before. The tree must be complete, or missing.
func treeWhole(s *suite) {
	name, all := s.name("m"), s.handles(callers)
	const versions = 10
	var failed, done atomic.Bool
	version := func(n int) string { return fmt.Sprintf("1.0.%d", n) }
	s.together(func(i int) {
		if i == 0 {
			defer done.Store(true)
			for n := range versions {
				if failed.Load() || !s.addTree(all[0], name, version(n)) {
					failed.Store(true)
					return
				}
			}
			return
		}
		if i%2 == 0 {
			for n := 0; n < versions && !failed.Load(); {
				last := done.Load()
				got, err := readTree(s.Context(), all[i], name, version(n))
				switch {
				case err == nil && maps.Equal(got, someFiles(version(n))):
					n++
				case err == nil:
					failed.Store(true)
					s.wantFiles("the files of "+version(n)+", which is being committed", got, someFiles(version(n)))
				case !errors.Is(err, fs.ErrNotExist) || last:
					failed.Store(true)
					s.Errorf("opening %s, which is being committed: %v", version(n), err)
				}
			}
			return
		}
		for seen := 0; seen < versions && !failed.Load(); {
			var lines []string
			err := all[i].Read(s.Context(), name.UseCase, name.Model, func(v driver.View) (err error) {
				lines, _, err = readLog(v, 0)
				return err
			})
			for ; err == nil && seen < len(lines); seen++ {
				var got map[string]string
				if got, err = readTree(s.Context(), all[i], name, lines[seen]); err == nil {
					s.wantFiles("the files of "+lines[seen]+", whose line was read", got, someFiles(lines[seen]))
				}
			}
			if err != nil {
				failed.Store(true)
				s.Errorf("opening a version as soon as its line could be read: %v", err)
			}
		}
	})
}

// addTree commits a tree. It may be called in any goroutine.
func (s *suite) addTree(store mr.Store, name mr.ModelName, version string) bool {
	err := s.putTree(store, name, version)
	if err != nil {
		s.Errorf("committing %s: %v", version, err)
	}
	return err == nil
}

func treeLeft(s *suite) {
	store, name := s.handle(), s.name("m")
	put := func(version, line string, files map[string]string) error {
		_, err := commit(s.Context(), store, name, &driver.Commit{
			Trees: []driver.StagedTree{{Staged: s.stage(store, name, files), Version: version}}, Lines: raw([]string{line}),
		})
		return err
	}
	if err := put("1.0.0", "a", someFiles("old")); err != nil {
		s.Fatalf("committing: %v", err)
	}
	next := withManifest(map[string]string{"model/other": "new"})
	if err := put("1.0.0", "b", next); err != nil {
		s.Errorf("committing over the registry's own remains: %v", err)
	}
	got, err := readTree(s.Context(), s.handle(), name, "1.0.0")
	if err != nil {
		s.Errorf("reading the new tree: %v", err)
	}
	s.wantFiles("the files of the new tree", got, next)

	bare := map[string]string{"model/theirs": "theirs"}
	if err := put("2.0.0", "c", bare); err != nil {
		s.Fatalf("committing a tree without a manifest: %v", err)
	}
	var occupied *driver.OccupiedError
	if err := put("2.0.0", "d", next); !errors.As(err, &occupied) || occupied.Version != "2.0.0" {
		s.Errorf("committing over another program's files: got error %v, want an *OccupiedError for 2.0.0", err)
	}
	got, err = readTree(s.Context(), s.handle(), name, "2.0.0")
	if err != nil {
		s.Errorf("reading another program's files: %v", err)
	}
	s.want("another program's files", got, bare)
	s.want("the log", s.log(store, name), []string{"a", "b", "c"})
}

func discard(s *suite) {
	store, name := s.handle(), s.name("m")
	st, err := store.Stage(s.Context(), name.UseCase, name.Model)
	if err != nil {
		s.Fatalf("staging: %v", err)
	}
	if err := writeTree(st.Dir(), map[string]string{"model/half": "of it"}); err != nil { // then the caller fails
		s.Fatalf("writing into a staged tree: %v", err)
	}
	ctx, cancel := context.WithCancel(s.Context())
	cancel()
	if err := st.Seal(ctx); err == nil {
		s.Errorf("Seal succeeded, although the context had ended")
	}
	for range 2 {
		if err := st.Discard(); err != nil {
			s.Errorf("discarding: %v", err)
		}
	}
	for found, err := range store.Models(s.Context()) {
		if err != nil || mr.ModelName(found) == name {
			s.Errorf("after the discard, Models yields %v, %v", found, err)
		}
	}
	sealed := s.stage(store, name, someFiles("x"))
	_, err = store.Append(s.Context(), name.UseCase, name.Model, func(driver.View) (*driver.Commit, error) { return nil, errSkip })
	if err != errSkip {
		s.Errorf("Append returned %v, want decide's error", err)
	}
	for range 2 {
		if err := sealed.Discard(); err != nil {
			s.Errorf("discarding: %v", err)
		}
	}
	if _, err := store.OpenTree(s.Context(), name.UseCase, name.Model, "1.0.0"); !errors.Is(err, fs.ErrNotExist) {
		s.Errorf("opening a discarded version: got error %v, want fs.ErrNotExist", err)
	}
	s.addTree(store, name, "1.0.0")
	for range 2 {
		if err := sealed.Discard(); err != nil {
			s.Errorf("discarding after the commit: %v", err)
		}
	}
	got, err := readTree(s.Context(), store, name, "1.0.0")
	if err != nil {
		s.Errorf("reading: %v", err)
	}
	s.wantFiles("the files", got, someFiles("1.0.0"))
}

// registries has two registries take turns and race on the same data.
func registries(s *suite) {
	name := s.name("m")
	var all []*mr.ModelRegistry
	for range 2 {
		store, err := s.open()
		if err != nil {
			s.Fatalf("opening: %v", err)
		}
		r := mr.New(store, nil)
		s.Cleanup(func() { r.Close() })
		all = append(all, r)
	}
	const each = 3
	s.together(func(i int) {
		for n := range each {
			files := fstest.MapFS{"weights.bin": {Data: fmt.Appendf(nil, "%d-%d", i, n)}}
			v, err := all[i%2].Register(s.Context(), name, mr.FromFS(files), &mr.RegisterOptions{Metrics: map[string]any{"n": n}})
			if err != nil {
				s.Errorf("registering: %v", err)
				continue
			}
			if _, err := all[(i+1)%2].Promote(s.Context(), name.At(v.Version), mr.Production, nil); err != nil {
				s.Errorf("promoting: %v", err)
			}
		}
	})
	list, err := all[0].ListVersions(s.Context(), name)
	if err != nil {
		s.Fatalf("listing: %v", err)
	}
	productions := 0
	versions := map[string]bool{}
	for _, v := range list {
		if versions[v.Version] = true; v.Stage == mr.Production {
			productions++
		}
	}
	s.want("the number of versions", len(versions), each*callers)
	s.want("the number of versions in production", productions, 1)
	m, err := all[1].GetModel(s.Context(), name.In(mr.Production), &mr.GetOptions{Verify: true})
	if err != nil {
		s.Fatalf("getting the version in production: %v", err)
	}
	defer m.Close()
	report, err := all[1].Verify(s.Context(), &mr.VerifyOptions{UseCase: name.UseCase, Model: name.Model})
	if err != nil {
		s.Fatalf("verifying: %v", err)
	}
	if problems := report.Problems(); len(problems) > 0 || report.Versions != each*callers {
		s.Errorf("Verify checks %d versions and finds %v", report.Versions, problems)
	}
	if !slices.ContainsFunc(list, func(v mr.ModelVersion) bool { return v.Version == m.Version.Version }) {
		s.Errorf("%s is in production, but is not listed", m.Version)
	}
}
