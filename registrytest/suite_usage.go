package registrytest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/driver"
)

// The cases of Usage, Remover and Cleaner.

// put commits a tree as a version, with one line that names it.
func (s *suite) put(store mr.Store, name mr.ModelName, version string, files map[string]string) {
	s.Helper()
	st := s.stage(store, name, files)
	_, err := commit(s.Context(), store, name, &driver.Commit{Trees: []driver.StagedTree{{Staged: st, Version: version}}, Lines: raw([]string{version})})
	if err != nil {
		s.Fatalf("committing %s: %v", name.At(version), err)
	}
	if err := st.Discard(); err != nil {
		s.Errorf("discarding: %v", err)
	}
}

// usage passes a store that is not a Usage.
func usage(s *suite) {
	store, name := s.handle(), s.name("m")
	u, ok := store.(driver.Usage)
	if !ok {
		return
	}
	measure := func(useCase, model string) (trees map[string]string, kinds map[driver.ItemKind]int64) {
		trees, kinds = map[string]string{}, map[driver.ItemKind]int64{}
		for it, err := range u.Usage(s.Context(), useCase, model) {
			if err != nil {
				s.Fatalf("Usage: %v", err)
			}
			kinds[it.Item.Kind] += it.Bytes
			if it.Item.Kind == driver.ItemTree || it.Item.Kind == driver.ItemBare {
				trees[it.Item.Version] = fmt.Sprint(it.Item.Kind, ": ", it.Files, " files, ", it.Bytes, " bytes")
			}
		}
		return trees, kinds
	}
	trees, kinds := measure(name.UseCase, name.Model)
	s.want("the trees of a missing model", trees, map[string]string{})
	s.want("the usage of a missing model", kinds, map[driver.ItemKind]int64{})
	want := map[string]string{}
	for i, version := range []string{"1.0.0", "1.0.1"} {
		files := someFiles(version)
		files["model/more"] = string(make([]byte, 1000*i))
		files = withManifest(withoutManifest(files))
		size := 0
		for _, data := range files {
			size += len(data)
		}
		want[version] = fmt.Sprint(driver.ItemTree, ": ", len(files), " files, ", size, " bytes")
		s.put(store, name, version, files)
	}
	document := []byte("a document of some length")
	if _, err := commit(s.Context(), store, name, &driver.Commit{Checkpoint: &driver.Checkpoint{Make: func(int64) (io.WriterTo, string) { return bytes.NewReader(document), "" }}}); err != nil {
		s.Fatalf("replacing the document: %v", err)
	}
	trees, kinds = measure(name.UseCase, name.Model)
	s.want("the trees", trees, want)
	s.want("the document's bytes", kinds[driver.ItemDocument], int64(len(document)))
	if log := int64(len("1.0.0\n1.0.1\n")); kinds[driver.ItemLog] < log {
		s.Errorf("the log has %d bytes, want at least %d", kinds[driver.ItemLog], log)
	}
}

func withoutManifest(files map[string]string) map[string]string {
	delete(files, manifestName)
	return files
}

// removeTrees passes a store that is not a Remover.
func removeTrees(s *suite) {
	store, other, name := s.handle(), s.handle(), s.name("m")
	if _, ok := store.(driver.Remover); !ok {
		return
	}
	remove := func(h mr.Store, versions ...string) ([]string, error) {
		return h.(driver.Remover).RemoveTrees(s.Context(), name.UseCase, name.Model, func(driver.View) ([]string, error) { return versions, nil })
	}
	bare := map[string]string{"model/w": "weights"}
	for _, version := range []string{"1.0.0", "1.0.1", "1.0.2"} {
		s.put(store, name, version, someFiles(version))
	}
	s.put(store, name, "1.0.3", bare)
	_, err := store.(driver.Remover).RemoveTrees(s.Context(), name.UseCase, name.Model, func(v driver.View) ([]string, error) {
		lines, _, err := readLog(v, 0)
		s.want("the log in the view of decide", lines, []string{"1.0.0", "1.0.1", "1.0.2", "1.0.3"})
		return []string{"1.0.0"}, errors.Join(errSkip, err)
	})
	if !errors.Is(err, errSkip) {
		s.Errorf("decide refuses: got error %v, want decide's error", err)
	}
	s.wantTrees(store, name, "1.0.0", "1.0.1", "1.0.2")
	removed, err := remove(store, "1.0.0", "7.0.0", "1.0.2")
	if err != nil {
		s.Fatalf("removing trees: %v", err)
	}
	s.want("the versions whose trees were removed", removed, []string{"1.0.0", "1.0.2"})
	if removed, err := remove(other, "1.0.0", "1.0.3"); err != nil || fmt.Sprint(removed) != "[1.0.3]" {
		s.Errorf("removing the same trees and one without a manifest: got %q, error %v, want [1.0.3]", removed, err)
	}
	for _, h := range []mr.Store{store, other, s.handle()} {
		s.wantTrees(h, name, "1.0.1")
		for _, version := range []string{"1.0.0", "1.0.2", "1.0.3"} {
			if _, err := h.OpenTree(context.WithoutCancel(s.Context()), name.UseCase, name.Model, version); !errors.Is(err, fs.ErrNotExist) {
				s.Errorf("opening the removed %s: got error %v, want fs.ErrNotExist", version, err)
			}
		}
	}
	s.want("the log", s.log(other, name), []string{"1.0.0", "1.0.1", "1.0.2", "1.0.3"})
	for _, version := range []string{"", "..", "../1.0.1", "a/b"} {
		if removed, err := remove(store, version); !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrInvalid) && (err != nil || len(removed) > 0) {
			s.Errorf("removing the version %q: got %q, error %v", version, removed, err)
		}
	}
	s.wantTrees(store, name, "1.0.1")
}

// wantTrees checks the files of versions that were made with someFiles.
func (s *suite) wantTrees(store mr.Store, name mr.ModelName, versions ...string) {
	s.Helper()
	for _, version := range versions {
		files, err := readTree(s.Context(), store, name, version)
		if err != nil {
			s.Errorf("reading %s: %v", name.At(version), err)
		}
		s.wantFiles("the files of "+version, files, someFiles(version))
	}
}

// clean passes a store that is not a Cleaner.
func clean(s *suite) {
	store, other, name := s.handle(), s.handle(), s.name("m")
	if _, ok := store.(driver.Cleaner); !ok {
		return
	}
	cleaned := func(what string) {
		s.Helper()
		for _, remove := range []bool{false, true} {
			found, err := other.(driver.Cleaner).Clean(s.Context(), name.UseCase, name.Model, 0, remove)
			if err != nil || len(found) > 0 {
				s.Errorf("cleaning %s: got %+v, error %v; want nothing to clean", what, found, err)
			}
		}
	}
	cleaned("a missing model")
	first := s.stage(store, name, someFiles("1.0.0"))
	cleaned("a model whose first tree is being made")
	_, err := commit(s.Context(), store, name, &driver.Commit{Trees: []driver.StagedTree{{Staged: first, Version: "1.0.0"}}, Lines: raw([]string{"1.0.0"})})
	if err != nil {
		s.Fatalf("committing a tree after Clean: %v", err)
	}
	if err := first.Discard(); err != nil {
		s.Errorf("discarding: %v", err)
	}
	second := s.stage(store, name, someFiles("1.0.1"))
	cleaned("a model whose second tree is being made")
	_, err = commit(s.Context(), store, name, &driver.Commit{Trees: []driver.StagedTree{{Staged: second, Version: "1.0.1"}}, Lines: raw([]string{"1.0.1"})})
	if err != nil {
		s.Fatalf("committing a tree after Clean: %v", err)
	}
	if err := second.Discard(); err != nil {
		s.Errorf("discarding: %v", err)
	}
	cleaned("a model with two versions")
	s.wantTrees(other, name, "1.0.0", "1.0.1")
}
