package registrytest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/driver"
)

// names uses names that a store may confuse with each other, or with its own
// names.
func names(s *suite) {
	store, other := s.handle(), s.handle()
	list := []mr.ModelName{
		{UseCase: "conformance-" + s.prefix, Model: "m"}, {UseCase: "conformance", Model: s.prefix + "-m"},
		{UseCase: "conformance-history", Model: "registry.json"}, {UseCase: "conformance-history", Model: "manifest.json"},
		{UseCase: "conformance-history", Model: "history"}, {UseCase: "conformance-history", Model: "versions"},
	}
	for _, n := range []string{"a b", "a+b", "a%20b", "a_b", "a%2Fb", "%", "#1", "a&b=c", "a;b", "~", "@1.0.0", "'", "日本", strings.Repeat("x", 190)} {
		list = append(list, s.name(n))
	}
	for _, name := range list {
		if err := name.Validate(); err != nil {
			s.Fatalf("%v", err)
		}
		s.add(store, name, "the log of "+name.String())
		_, err := commit(s.Context(), store, name, &driver.Commit{Checkpoint: &driver.Checkpoint{Make: func(int64) (io.WriterTo, string) {
			return bytes.NewReader([]byte("the document of " + name.String())), ""
		}}})
		if err != nil {
			s.Errorf("replacing the document of %s: %v", name, err)
		}
		st := s.stage(store, name, someFiles(name.String()))
		_, err = commit(s.Context(), store, name, &driver.Commit{Trees: []driver.StagedTree{{Staged: st, Version: "1.0.0"}}, Lines: raw([]string{"1.0.0"})})
		if err != nil {
			s.Errorf("committing %s: %v", name.At("1.0.0"), err)
		}
	}
	for _, name := range list {
		s.want("the log of "+name.String(), s.log(other, name), []string{"the log of " + name.String(), "1.0.0"})
		s.want("the document of "+name.String(), s.document(other, name), "the document of "+name.String())
		files, err := readTree(s.Context(), other, name, "1.0.0")
		if err != nil {
			s.Errorf("reading %s: %v", name.At("1.0.0"), err)
		}
		s.wantFiles("the files of "+name.String(), files, someFiles(name.String()))
	}
}

// badPositions asks for the log from positions where no line ends.
func badPositions(s *suite) {
	store, name := s.handle(), s.name("m")
	first := s.add(store, name, "a line of some length").End
	end := s.add(store, name, "and another one").End
	err := store.Read(s.Context(), name.UseCase, name.Model, func(v driver.View) error {
		bad := []int64{-1, -first, -1024, math.MinInt64, end + 1, end + first, end + 1024, math.MaxInt64}
		for _, p := range []int64{1, first / 2, first - 1, first + 1, (first + end) / 2, end - 1} {
			if p != 0 && p != first && p != end { // a store may count lines
				bad = append(bad, p)
			}
		}
		for _, from := range bad {
			if lines, _, err := readLog(v, from); !errors.Is(err, fs.ErrNotExist) {
				s.Errorf("the log from %d, where lines end at 0, %d and %d: got %q, error %v, want fs.ErrNotExist", from, first, end, lines, err)
			}
		}
		return nil
	})
	if err != nil {
		s.Errorf("reading: %v", err)
	}
	s.want("the log", s.log(store, name), []string{"a line of some length", "and another one"})
}

// badRevisions passes revisions to a store that it did not make.
func badRevisions(s *suite) {
	type revision struct{ newest int64 } // other stores may use this name, too
	store, name := s.handle(), s.name("m")
	s.add(store, name, "line")
	_, err := commit(s.Context(), store, name, &driver.Commit{Checkpoint: &driver.Checkpoint{Make: func(int64) (io.WriterTo, string) { return bytes.NewReader([]byte("document")), "" }}})
	if err != nil {
		s.Errorf("replacing the document: %v", err)
	}
	for _, rev := range []driver.Revision{nil, 0, int64(1 << 40), "1", "", []byte(nil), errSkip, revision{1}, &revision{1}, map[string]any{}, func() {}} {
		if changed, err := store.Changed(s.Context(), name.UseCase, name.Model, rev); !changed && err == nil {
			s.Errorf("Changed is false for the revision %T %v, which the store did not make", rev, rev)
		}
		err := store.Read(s.Context(), name.UseCase, name.Model, func(v driver.View) error {
			if !v.DocumentChanged(rev) {
				s.Errorf("DocumentChanged is false for the revision %T %v, which the store did not make", rev, rev)
			}
			return nil
		})
		if err != nil {
			s.Errorf("reading: %v", err)
		}
	}
}

// badVersions asks for versions, and commits some, whose names lead outside the
// model.
func badVersions(s *suite) {
	store, name := s.handle(), s.name("m")
	s.addTree(store, name, "1.0.0")
	for _, version := range []string{
		"", ".", "..", "../1.0.0", "../versions/1.0.0", "1.0.0/", "1.0.0/model", "/1.0.0", `..\1.0.0`, `1.0.0\model`,
		"1.0.0\x00", "1.0.0\n", "\xff", "1.0.0 ", "1.0.0.", ".1.0.0", strings.Repeat("1", 300),
	} {
		tree, err := store.OpenTree(s.Context(), name.UseCase, name.Model, version)
		if err == nil {
			s.Errorf("version %q gives %s", version, filepath.Base(tree.Path()))
			tree.Close()
		} else if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrInvalid) {
			s.Errorf("version %q: got error %v, want fs.ErrInvalid or fs.ErrNotExist", version, err)
		}
		st := s.stage(store, name, someFiles("planted"))
		_, err = commit(s.Context(), store, name, &driver.Commit{
			Trees: []driver.StagedTree{{Staged: st, Version: version}}, Lines: raw([]string{"planted"}),
		})
		if !errors.Is(err, fs.ErrInvalid) {
			s.Errorf("committing version %q: got error %v, want fs.ErrInvalid", version, err)
		}
	}
	if tree, err := store.OpenTree(s.Context(), name.UseCase, name.Model, "%2e%2e"); err == nil { // a valid name of no version
		s.Errorf(`version "%%2e%%2e" gives %s`, filepath.Base(tree.Path()))
		tree.Close()
	}
	s.want("the log", s.log(s.handle(), name), []string{"1.0.0"})
	files, err := readTree(s.Context(), s.handle(), name, "1.0.0")
	if err != nil {
		s.Errorf("reading the old version: %v", err)
	}
	s.wantFiles("the files of the old version", files, someFiles("1.0.0"))
}

// badManifests commits trees whose manifest names files outside the tree. The
// store may refuse to seal, to commit or to open such a tree.
func badManifests(s *suite) {
	store, name := s.handle(), s.name("m")
	s.addTree(store, name, "1.0.0")
	sum := strings.Repeat("0", 64)
	for i, file := range []string{
		"../escaped", "../../escaped", "model/../../escaped", "/escaped", `..\escaped`, filepath.Join(os.TempDir(), "modelregistry-escaped"),
		".", "", "manifest.json", "model/../weights.bin", "model/nowhere", "model",
	} {
		version := fmt.Sprintf("2.0.%d", i)
		manifest, err := json.Marshal(map[string]any{"files": []any{map[string]any{"path": file, "size": 1, "mode": "0444", "sha256": sum}}})
		if err != nil {
			s.Fatalf("%v", err)
		}
		dir := s.tryTree(store, name, version, map[string]string{"model/weights.bin": "weights", manifestName: string(manifest)})
		for _, outside := range []string{filepath.Join(dir, file), filepath.Join(dir, "..", "escaped"), filepath.Join(dir, "..", "..", "escaped"), file} {
			if dir == "" || filepath.Base(outside) != "escaped" && filepath.Base(outside) != "modelregistry-escaped" {
				continue
			}
			if _, err := os.Lstat(outside); !errors.Is(err, fs.ErrNotExist) {
				s.Errorf("the manifest names %q, and %s exists: %v", file, outside, err)
			}
		}
	}
	for i, manifest := range []string{"", "{", "[]", "null", `{"files":{}}`, `{"files":[1]}`, "\xff"} {
		s.tryTree(store, name, fmt.Sprintf("3.0.%d", i), map[string]string{manifestName: manifest})
	}
	s.addTree(store, name, "1.0.1")
	for _, version := range []string{"1.0.0", "1.0.1"} {
		files, err := readTree(s.Context(), s.handle(), name, version)
		if err != nil {
			s.Errorf("reading a sound version: %v", err)
		}
		s.wantFiles("the files of "+version, files, someFiles(version))
	}
}

// tryTree commits a tree and opens it, if the store accepts it. It returns the
// folder.
func (s *suite) tryTree(store mr.Store, name mr.ModelName, version string, files map[string]string) (dir string) {
	st, err := store.Stage(s.Context(), name.UseCase, name.Model)
	if err != nil {
		s.Fatalf("staging: %v", err)
	}
	defer st.Discard()
	if err := writeTree(st.Dir(), files); err != nil {
		s.Fatalf("writing into a staged tree: %v", err)
	}
	if st.Seal(s.Context()) != nil {
		return ""
	}
	_, err = commit(s.Context(), store, name, &driver.Commit{Trees: []driver.StagedTree{{Staged: st, Version: version}}, Lines: raw([]string{version})})
	if err != nil {
		return ""
	}
	tree, err := s.handle().OpenTree(s.Context(), name.UseCase, name.Model, version)
	if err != nil {
		return ""
	}
	defer tree.Close()
	return tree.Path()
}

// discarded commits a tree that was discarded.
func discarded(s *suite) {
	store, name := s.handle(), s.name("m")
	s.addTree(store, name, "1.0.0")
	st := s.stage(store, name, someFiles("given up"))
	if err := st.Discard(); err != nil {
		s.Errorf("discarding: %v", err)
	}
	_, err := commit(s.Context(), store, name, &driver.Commit{Trees: []driver.StagedTree{{Staged: st, Version: "1.0.1"}}, Lines: raw([]string{"1.0.1"})})
	if err == nil {
		s.Errorf("a discarded tree was committed")
	}
	s.want("the log", s.log(s.handle(), name), []string{"1.0.0"})
	if _, err := s.handle().OpenTree(s.Context(), name.UseCase, name.Model, "1.0.1"); !errors.Is(err, fs.ErrNotExist) {
		s.Errorf("OpenTree of a discarded tree: got error %v, want fs.ErrNotExist", err)
	}
	s.addTree(store, name, "1.0.1")
}
