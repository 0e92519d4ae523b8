package registrytest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"slices"
	"strings"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/driver"
)

// The cases of TreeReader and TreeWriter.

// readFilesOf reads every file of a version as a stream.
func readFilesOf(ctx context.Context, store driver.TreeReader, name mr.ModelName, version string) (files map[string]string, modes map[string]fs.FileMode, err error) {
	tree, err := store.ReadTree(ctx, name.UseCase, name.Model, version)
	if err != nil {
		return nil, nil, err
	}
	return readStreams(ctx, tree)
}

// readStreams reads every file of a tree, and closes the tree.
func readStreams(ctx context.Context, tree driver.TreeFiles) (files map[string]string, modes map[string]fs.FileMode, err error) {
	defer tree.Close()
	files, modes = map[string]string{}, map[string]fs.FileMode{}
	for f, err := range tree.Files(ctx) {
		if err != nil {
			return nil, nil, err
		}
		if _, twice := files[f.Path]; twice {
			return nil, nil, fmt.Errorf("Files yields %s twice", f.Path)
		}
		r, err := tree.Open(ctx, f.Path)
		if err != nil {
			return nil, nil, err
		}
		data, err := io.ReadAll(r)
		if err := errors.Join(err, r.Close()); err != nil {
			return nil, nil, err
		}
		if int64(len(data)) != f.Size {
			return nil, nil, fmt.Errorf("%s has %d bytes, and its size is %d", f.Path, len(data), f.Size)
		}
		files[f.Path], modes[f.Path] = string(data), f.Mode
	}
	return files, modes, nil
}

// treeFiles passes a store that is not a TreeReader.
func treeFiles(s *suite) {
	store, other, name := s.handle(), s.handle(), s.name("m")
	if _, ok := store.(driver.TreeReader); !ok {
		return
	}
	large := someFiles("large")
	large["model/large"] = strings.Repeat("0123456789abcdef", 1<<17)
	trees := map[string]map[string]string{
		"1.0.0": someFiles("1.0.0"), "1.0.1": withManifest(withoutManifest(large)), "1.0.2": {"model/w": "without a manifest", "other": ""},
	}
	for _, version := range slices.Sorted(maps.Keys(trees)) {
		s.put(store, name, version, trees[version])
	}
	for _, h := range []mr.Store{store, other, s.handle()} {
		reader := h.(driver.TreeReader)
		for version, want := range trees {
			got, _, err := readFilesOf(s.Context(), reader, name, version)
			if err != nil {
				s.Fatalf("reading %s: %v", version, err)
			}
			s.wantFiles("the files of "+version, got, want)
		}
		for _, version := range []string{"1.0.3", "", ".", "..", "../m/versions/1.0.0", "1.0.0/model", "1.0.0/", "/1.0.0"} {
			if files, _, err := readFilesOf(s.Context(), reader, name, version); !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrInvalid) {
				s.Errorf("reading the version %q: got %d files, error %v, want fs.ErrNotExist", version, len(files), err)
			}
		}
		if _, err := reader.ReadTree(s.Context(), name.UseCase, name.Model, "1.0.3"); !errors.Is(err, fs.ErrNotExist) {
			s.Errorf("reading a missing version: got error %v, want fs.ErrNotExist", err)
		}
		tree, err := reader.ReadTree(s.Context(), name.UseCase, name.Model, "1.0.0")
		if err != nil {
			s.Fatalf("reading 1.0.0: %v", err)
		}
		for _, file := range []string{"", ".", "model", "model/", "nothing", "metrics.json/x", "../1.0.1/manifest.json", "model/../manifest.json", "/etc/hostname", "../../history.jsonl"} {
			if r, err := tree.Open(s.Context(), file); !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrInvalid) {
				if err == nil {
					r.Close()
				}
				s.Errorf("opening %q: got error %v, want fs.ErrNotExist or fs.ErrInvalid", file, err)
			}
		}
		if err := tree.Close(); err != nil {
			s.Errorf("closing the tree: %v", err)
		}
	}
}

// stageFiles begins a tree that is discarded at the end. It returns nil if the
// store is not a TreeWriter.
func (s *suite) stageFiles(store mr.Store, name mr.ModelName) driver.StagedFiles {
	s.Helper()
	w, ok := store.(driver.TreeWriter)
	if !ok {
		return nil
	}
	st, err := w.StageFiles(s.Context(), name.UseCase, name.Model)
	if err != nil {
		s.Fatalf("staging files: %v", err)
	}
	s.Cleanup(func() {
		if err := st.Discard(); err != nil {
			s.Errorf("discarding: %v", err)
		}
	})
	return st
}

// writeFiles writes files into a staged tree, several at the same time, and the
// manifest last.
func (s *suite) writeFiles(st driver.StagedFiles, files map[string]string) {
	s.Helper()
	open := map[string]io.WriteCloser{}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if name != manifestName {
			open[name] = s.create(st, name, int64(len(files[name])))
		}
	}
	for name, w := range open {
		s.writeFile(w, name, files[name])
	}
	if data, ok := files[manifestName]; ok {
		s.writeFile(s.create(st, manifestName, int64(len(data))), manifestName, data)
	}
}

func (s *suite) create(st driver.StagedFiles, name string, size int64) io.WriteCloser {
	s.Helper()
	w, err := st.Create(s.Context(), driver.TreeFile{Path: name, Size: size, Mode: 0o444})
	if err != nil {
		s.Fatalf("creating %s: %v", name, err)
	}
	return w
}

// writeFile writes a file in several parts.
func (s *suite) writeFile(w io.WriteCloser, name, data string) {
	s.Helper()
	for part := range slices.Chunk([]byte(data), 100_000) {
		if n, err := w.Write(part); n != len(part) || err != nil {
			s.Fatalf("writing %s: %d of %d bytes, %v", name, n, len(part), err)
		}
	}
	if err := w.Close(); err != nil {
		s.Fatalf("closing %s: %v", name, err)
	}
}

// commitFiles seals a tree and makes it a version.
func (s *suite) commitFiles(store mr.Store, name mr.ModelName, st driver.StagedFiles, version string) {
	s.Helper()
	if err := st.Seal(s.Context()); err != nil {
		s.Fatalf("sealing: %v", err)
	}
	_, err := commit(s.Context(), store, name, &driver.Commit{Trees: []driver.StagedTree{{Staged: st, Version: version}}, Lines: raw([]string{version})})
	if err != nil {
		s.Fatalf("committing %s: %v", version, err)
	}
}

// stagedFiles passes a store that is not a TreeWriter.
func stagedFiles(s *suite) {
	store, other, name := s.handle(), s.handle(), s.name("m")
	for i, files := range []map[string]string{someFiles("streams"), {"model/w": "without a manifest"}, someFiles(strings.Repeat("large ", 1<<18))} {
		version := fmt.Sprintf("1.0.%d", i)
		st := s.stageFiles(store, name)
		if st == nil {
			return
		}
		s.writeFiles(st, files)
		absent := func(when string) {
			s.Helper()
			if _, err := other.OpenTree(s.Context(), name.UseCase, name.Model, version); !errors.Is(err, fs.ErrNotExist) {
				s.Errorf("opening %s %s: got error %v, want fs.ErrNotExist", version, when, err)
			}
		}
		absent("before it is sealed")
		if err := st.Seal(s.Context()); err != nil {
			s.Fatalf("sealing: %v", err)
		}
		absent("before it is committed")
		if _, err := st.Create(s.Context(), driver.TreeFile{Path: "late", Mode: 0o444}); !errors.Is(err, fs.ErrClosed) {
			s.Errorf("creating a file after Seal: got error %v, want fs.ErrClosed", err)
		}
		s.commitFiles(store, name, st, version)
		if err := st.Discard(); err != nil {
			s.Errorf("discarding after the commit: %v", err)
		}
		for _, h := range []mr.Store{store, other, s.handle()} {
			got, err := readTree(s.Context(), h, name, version)
			if err != nil {
				s.Fatalf("opening %s: %v", version, err)
			}
			s.wantFiles("the files of "+version, got, files)
			reader, ok := h.(driver.TreeReader)
			if !ok {
				continue
			}
			got, modes, err := readFilesOf(s.Context(), reader, name, version)
			if err != nil {
				s.Fatalf("reading %s: %v", version, err)
			}
			s.wantFiles("the files of "+version+", read as streams", got, files)
			for file, mode := range modes { // exFAT keeps no modes and reports 0777
				s.want("the bits 0444 of the mode of "+file, mode&0o444, fs.FileMode(0o444))
			}
		}
	}
}

// unfinishedFiles passes a store that is not a TreeWriter.
func unfinishedFiles(s *suite) {
	store, name := s.handle(), s.name("m")
	for what, spoil := range map[string]func(driver.StagedFiles){
		"a file is open":        func(st driver.StagedFiles) { s.create(st, "model/open", 5).Write([]byte("whole")) },
		"an empty file is open": func(st driver.StagedFiles) { s.create(st, "model/open", 0) },
		"a file is too short": func(st driver.StagedFiles) {
			w := s.create(st, "model/short", 10)
			w.Write([]byte("half"))
			if err := w.Close(); err == nil {
				s.Errorf("a file of 10 bytes was closed after 4 without an error")
			}
		},
		"a file is too long": func(st driver.StagedFiles) {
			w := s.create(st, "model/long", 3)
			_, err := w.Write([]byte("more"))
			if closeErr := w.Close(); err == nil || closeErr == nil {
				s.Errorf("4 bytes were written to a file of 3: Write returned %v, Close returned %v", err, closeErr)
			}
		},
		"the context ended": func(st driver.StagedFiles) {
			ctx, cancel := context.WithCancel(s.Context())
			w, err := st.Create(ctx, driver.TreeFile{Path: "model/late", Size: 4, Mode: 0o444})
			cancel()
			if err == nil {
				w.Write([]byte("half")[:2])
				w.Close()
			}
		},
	} {
		st := s.stageFiles(store, name)
		if st == nil {
			return
		}
		s.writeFile(s.create(st, "model/w", 7), "model/w", "weights")
		spoil(st)
		if err := st.Seal(s.Context()); err == nil {
			s.Errorf("%s: Seal succeeded", what)
		}
		if err := st.Discard(); err != nil {
			s.Errorf("%s: discarding: %v", what, err)
		}
	}
}

// badFiles passes a store that is not a TreeWriter.
func badFiles(s *suite) {
	store, name := s.handle(), s.name("m")
	st := s.stageFiles(store, name)
	if st == nil {
		return
	}
	refused := func(want error, files ...driver.TreeFile) {
		s.Helper()
		for _, f := range files {
			w, err := st.Create(s.Context(), f)
			if err == nil {
				w.Close()
			}
			if !errors.Is(err, want) {
				s.Errorf("creating %q with size %d and mode %v: got error %v, want %v", f.Path, f.Size, f.Mode, err, want)
			}
		}
	}
	for _, path := range []string{
		"", ".", "..", "/", "../escaped", "../../escaped", "model/../../escaped", "/escaped", "model//w", "model/./w", "model/w/", `model\w`, "model/\x00", "model/w?", "\xff", strings.Repeat("a/", 300) + "w",
	} {
		refused(fs.ErrInvalid, driver.TreeFile{Path: path, Mode: 0o444})
	}
	refused(fs.ErrInvalid, driver.TreeFile{Path: "model/w", Size: -1, Mode: 0o444}, driver.TreeFile{Path: "model/w", Mode: fs.ModeSymlink | 0o444})
	files := someFiles("after refusals")
	w := s.create(st, "model/sub/first", 5)
	refused(fs.ErrInvalid, driver.TreeFile{Path: manifestName, Mode: 0o444})
	s.writeFile(w, "model/sub/first", "first")
	refused(fs.ErrExist, driver.TreeFile{Path: "model/sub/first"}, driver.TreeFile{Path: "model/sub"}, driver.TreeFile{Path: "model"}, driver.TreeFile{Path: "model/sub/first/below"})
	files["model/sub/first"] = "first"
	files = withManifest(withoutManifest(files))
	rest := maps.Clone(files)
	delete(rest, "model/sub/first")
	s.writeFiles(st, rest)
	refused(fs.ErrInvalid, driver.TreeFile{Path: "model/after", Mode: 0o444})
	s.commitFiles(store, name, st, "1.0.0")
	got, err := readTree(s.Context(), s.handle(), name, "1.0.0")
	if err != nil {
		s.Errorf("opening the tree: %v", err)
	}
	s.wantFiles("the files", got, files)
}

// discardedFiles passes a store that is not a TreeWriter.
func discardedFiles(s *suite) {
	store, name := s.handle(), s.name("m")
	for i := range 3 {
		st := s.stageFiles(store, name)
		if st == nil {
			return
		}
		s.writeFile(s.create(st, "model/w", 7), "model/w", "weights")
		switch i {
		case 1:
			s.create(st, "model/open", 100).Write([]byte("half"))
		case 2:
			if err := st.Seal(s.Context()); err != nil {
				s.Fatalf("sealing: %v", err)
			}
		}
		for range 2 {
			if err := st.Discard(); err != nil {
				s.Errorf("discarding: %v", err)
			}
		}
		if _, err := st.Create(s.Context(), driver.TreeFile{Path: "late", Mode: 0o444}); !errors.Is(err, fs.ErrClosed) {
			s.Errorf("creating a file after Discard: got error %v, want fs.ErrClosed", err)
		}
		if err := st.Seal(s.Context()); err == nil {
			s.Errorf("a discarded tree was sealed")
		}
		if _, err := commit(s.Context(), store, name, &driver.Commit{Trees: []driver.StagedTree{{Staged: st, Version: "1.0.0"}}, Lines: raw([]string{"1.0.0"})}); err == nil {
			s.Errorf("a discarded tree was committed")
		}
	}
	for found, err := range store.Models(s.Context()) {
		if err != nil || mr.ModelName(found) == name {
			s.Errorf("after everything was discarded, Models yields %v, %v", found, err)
		}
	}
	if _, err := store.OpenTree(s.Context(), name.UseCase, name.Model, "1.0.0"); !errors.Is(err, fs.ErrNotExist) {
		s.Errorf("opening a discarded version: got error %v, want fs.ErrNotExist", err)
	}
	if u, ok := store.(driver.Usage); ok {
		for it, err := range u.Usage(s.Context(), name.UseCase, name.Model) {
			if err != nil || it.Item.Kind == driver.ItemStaging || it.Item.Version != "" {
				s.Errorf("after everything was discarded, Usage yields %+v, %v", it, err)
			}
		}
	}
}
