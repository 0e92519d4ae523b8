package registrytest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/driver"
)

// The cases of PartView, NotedView and TreeView.

// documentParts passes a store whose views are not PartViews, or that opens no
// document.
func documentParts(s *suite) {
	store, name := s.handle(), s.name("m")
	open := func(look func(driver.DocumentParts, int64) error) {
		s.Helper()
		err := s.handle().Read(s.Context(), name.UseCase, name.Model, func(v driver.View) error {
			p, ok := v.(driver.PartView)
			if !ok {
				return nil
			}
			parts, size, err := p.OpenDocument()
			if err != nil || parts == nil {
				return err
			}
			return errors.Join(look(parts, size), parts.Close())
		})
		if err != nil {
			s.Fatalf("opening the document: %v", err)
		}
	}
	open(func(driver.DocumentParts, int64) error {
		s.Errorf("OpenDocument opens the document of a missing model")
		return nil
	})
	put := func(document string) error {
		done, err := commit(s.Context(), store, name, &driver.Commit{Checkpoint: &driver.Checkpoint{Make: func(int64) (io.WriterTo, string) { return strings.NewReader(document), "" }}})
		return errors.Join(err, done.DocumentErr)
	}
	for i, size := range []int{10, 100_000, 5} {
		document := strings.Repeat(fmt.Sprint(i), size)
		if err := put(document); err != nil {
			s.Fatalf("replacing the document: %v", err)
		}
		open(func(parts driver.DocumentParts, n int64) error {
			if err := put("another document"); err != nil && !errors.Is(err, driver.ErrInUse) {
				return err
			}
			var got []byte
			for part := make([]byte, 4096); ; {
				n, err := parts.ReadAt(part, int64(len(got)))
				got = append(got, part[:n]...)
				if err == io.EOF {
					break
				}
				if err != nil {
					return err
				}
			}
			s.want("the size of the document", n, int64(size))
			s.want("the document in parts", string(got), document)
			return nil
		})
	}
}

// notes passes a store without NotedViews if it puts the document in place.
func notes(s *suite) {
	store, other, name := s.handle(), s.handle(), s.name("m")
	check := func(when, document, note string) {
		s.Helper()
		for _, h := range []mr.Store{store, other, s.handle()} {
			err := h.Read(s.Context(), name.UseCase, name.Model, func(v driver.View) error {
				data, _, err := v.Document()
				if err != nil {
					return err
				}
				s.want("the document "+when, string(data), document)
				noted, ok := v.(driver.NotedView)
				if !ok {
					return nil
				}
				if got, ok := noted.Note(); ok && got != note || ok && note == "" {
					s.Errorf("%s: the note is %q, want %q", when, got, note)
				}
				return nil
			})
			if err != nil {
				s.Fatalf("reading: %v", err)
			}
		}
	}
	put := func(document, note string, lines ...string) {
		s.Helper()
		c := &driver.Commit{Lines: raw(lines), Checkpoint: &driver.Checkpoint{Make: func(int64) (io.WriterTo, string) { return bytes.NewReader([]byte(document)), note }}}
		done, err := commit(s.Context(), store, name, c)
		if err != nil || done.DocumentErr != nil {
			s.Fatalf("replacing the document: %v, %v", err, done.DocumentErr)
		}
	}
	for i := range 5 {
		document, note := fmt.Sprintf("document %d", i), fmt.Sprintf("%d note", i)
		put(document, note, fmt.Sprint("line ", i))
		check("after a document", document, note)
		s.add(store, name, "a line without a document")
		check("after lines alone", document, note)
	}
	put("of a caller without notes", "")
	check("after a document without a note", "of a caller without notes", "")
	put("the last", "again")
	check("after the next with one", "the last", "again")
	own := false
	_, err := store.Append(s.Context(), name.UseCase, name.Model, func(v driver.View) (*driver.Commit, error) {
		if noted, ok := v.(driver.NotedView); ok {
			if _, _, err := v.Document(); err != nil {
				return nil, err
			}
			note, known := noted.Note()
			own = !known || note == "again"
			return nil, nil
		}
		own = true
		return nil, nil
	})
	if err != nil || !own {
		s.Errorf("the view of Append shows another note than that of Read: %v", err)
	}
}

// treeKinds passes a store without TreeViews.
func treeKinds(s *suite) {
	store, other, name := s.handle(), s.handle(), s.name("m")
	check := func(version string, want driver.ItemKind) {
		s.Helper()
		for _, h := range []mr.Store{store, other, s.handle()} {
			err := h.Read(s.Context(), name.UseCase, name.Model, func(v driver.View) error {
				trees, ok := v.(driver.TreeView)
				if !ok {
					return nil
				}
				kind, err := trees.Tree(version)
				if err == nil && kind != want {
					s.Errorf("version %s has a tree of kind %q, want %q", version, kind, want)
				}
				return err
			})
			if err != nil {
				s.Errorf("the kind of the tree of %s: %v", version, err)
			}
		}
	}
	for _, version := range []string{"1.0.0", "../1.0.0", "", ".."} {
		check(version, "")
	}
	st := s.stage(store, name, map[string]string{manifestName: `{"files": []}`, "model/w": "weights"})
	check("1.0.0", "")
	if _, err := commit(s.Context(), store, name, &driver.Commit{Trees: []driver.StagedTree{{Staged: st, Version: "1.0.0"}}, Lines: raw([]string{"line"})}); err != nil {
		s.Fatalf("committing: %v", err)
	}
	check("1.0.0", driver.ItemTree)
	check("1.0.1", "")
}
