package registrytest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/driver"
)

func sameData(s *suite) {
	name, all := s.name("m"), s.handles(3)
	for i, store := range all {
		s.add(store, name, fmt.Sprintf("line %d", i))
	}
	for i, store := range append(all, s.handle()) {
		s.want(fmt.Sprintf("the log, read by handle %d", i), s.log(store, name), []string{"line 0", "line 1", "line 2"})
	}
}

func absent(s *suite) {
	store, name := s.handle(), s.name("missing")
	s.want("its log", s.log(store, name), []string(nil))
	s.want("its document", s.document(store, name), "none")
	for found, err := range store.Models(s.Context()) {
		if err != nil || mr.ModelName(found) == name {
			s.Errorf("Models yields %v, %v", found, err)
		}
	}
	if _, err := store.OpenTree(s.Context(), name.UseCase, name.Model, "1.0.0"); !errors.Is(err, fs.ErrNotExist) {
		s.Errorf("OpenTree: got error %v, want fs.ErrNotExist", err)
	}
	err := store.Read(s.Context(), name.UseCase, name.Model, func(v driver.View) error {
		if _, _, err := v.Log(1); !errors.Is(err, fs.ErrNotExist) {
			s.Errorf("the log from 1: got error %v, want fs.ErrNotExist", err)
		}
		return nil
	})
	if err != nil {
		s.Errorf("reading: %v", err)
	}
}

func logPositions(s *suite) {
	writer, reader, name := s.handle(), s.handle(), s.name("m")
	lines := []string{"one", "two", "three", "four", "five"}
	ends := []int64{0}
	groups := [][]string{lines[:1], lines[1:4], lines[4:]}
	for _, g := range groups {
		ends = append(ends, s.add(writer, name, g...).End)
	}
	for i := range ends[1:] {
		if ends[i+1] <= ends[i] {
			s.Errorf("positions %v don't grow", ends)
		}
	}
	err := reader.Read(s.Context(), name.UseCase, name.Model, func(v driver.View) error {
		for i, from := range ends {
			got, end, err := readLog(v, from)
			if err != nil {
				s.Errorf("the log from %d: %v", from, err)
			}
			s.want(fmt.Sprintf("the log from %d", from), got, slices.Concat(groups[i:]...))
			s.want(fmt.Sprintf("the end of the log from %d", from), end, ends[len(ends)-1])
		}
		if _, _, err := v.Log(ends[len(ends)-1] + 1); !errors.Is(err, fs.ErrNotExist) {
			s.Errorf("the log from a position after its end: got error %v, want fs.ErrNotExist", err)
		}
		return nil
	})
	if err != nil {
		s.Errorf("reading: %v", err)
	}
}

func largeLog(s *suite) {
	name := s.name("m")
	var want []string
	for i := range 300 {
		want = append(want, fmt.Sprintf(`{"event":%d}`, i))
	}
	want = append(want, strings.Repeat("é", 1<<19), "{}")
	s.add(s.handle(), name, want...)
	if got := s.log(s.handle(), name); !slices.Equal(got, want) {
		s.Errorf("%d lines were appended, one of them of 1 MiB, and %d lines were read, or other bytes", len(want), len(got))
	}
}

func nothingDecided(s *suite) {
	store, name := s.handle(), s.name("m")
	cause := errors.New("no")
	for _, before := range []bool{false, true} {
		_, err := store.Append(s.Context(), name.UseCase, name.Model, func(driver.View) (*driver.Commit, error) { return &driver.Commit{Lines: raw([]string{"x"})}, cause })
		if err != cause {
			s.Errorf("Append returned %v, want decide's error", err)
		}
		if _, err := store.Append(s.Context(), name.UseCase, name.Model, func(driver.View) (*driver.Commit, error) { return nil, nil }); err != nil {
			s.Errorf("a nil commit: %v", err)
		}
		var want []string
		if before {
			want = []string{"line"}
		}
		s.want("the log", s.log(s.handle(), name), want)
		s.want("the document", s.document(store, name), "none")
		if !before {
			s.add(store, name, "line")
		}
	}
}

func documents(s *suite) {
	store, other, name := s.handle(), s.handle(), s.name("m")
	end := s.add(store, name, "line").End
	s.want("the document before the first one", s.document(other, name), "none")
	var rev driver.Revision
	for _, doc := range []string{"first", "a second, which is longer", "3"} {
		done, err := commit(s.Context(), store, name, &driver.Commit{Checkpoint: &driver.Checkpoint{Make: func(at int64) (io.WriterTo, string) {
			s.want("the position that Make is called with", at, end)
			return strings.NewReader(doc), ""
		}}})
		if err != nil || done.DocumentErr != nil {
			s.Errorf("replacing the document: %v, %v", err, done.DocumentErr)
		}
		s.want("the end of a commit without lines", done.End, end)
		s.want("the document", s.document(other, name), doc)
		s.want("the log", s.log(other, name), []string{"line"})
		err = store.Read(s.Context(), name.UseCase, name.Model, func(v driver.View) error {
			if _, _, err := v.Document(); err != nil {
				return err
			}
			rev = v.Revision()
			return nil
		})
		if err != nil || rev == nil {
			s.Errorf("revision %v, %v", rev, err)
		}
	}
}

func documentAfterLines(s *suite) {
	store, other, name := s.handle(), s.handle(), s.name("m")
	called := false
	done, err := commit(s.Context(), store, name, &driver.Commit{Lines: raw([]string{"line"}), Checkpoint: &driver.Checkpoint{Make: func(at int64) (io.WriterTo, string) {
		called = true
		s.want("the log when Make is called", s.log(other, name), []string{"line"})
		return bytes.NewReader(fmt.Appendf(nil, "at %d", at)), ""
	}}})
	if err != nil {
		s.Fatalf("appending: %v", err)
	}
	if !called || done.DocumentErr != nil {
		s.Errorf("the document was not replaced, although nothing was appended meanwhile: %v", done.DocumentErr)
	}
	s.want("the document", s.document(other, name), fmt.Sprintf("at %d", done.End))
}

func changed(s *suite) {
	store, other, name := s.handle(), s.handle(), s.name("m")
	revision := func() (rev driver.Revision) {
		err := store.Read(s.Context(), name.UseCase, name.Model, func(v driver.View) error {
			if _, _, err := v.Log(0); err != nil {
				return err
			}
			rev = v.Revision()
			return nil
		})
		if err != nil {
			s.Fatalf("reading: %v", err)
		}
		return rev
	}
	check := func(when string, rev driver.Revision) {
		if got, err := store.Changed(s.Context(), name.UseCase, name.Model, rev); !got && err == nil {
			s.Errorf("%s: Changed is false", when)
		}
	}
	check("for a nil revision", nil)
	for i := range 20 {
		rev := revision()
		done := s.add(other, name, fmt.Sprint("line ", i))
		check("after an append by another handle", rev)
		if rev = done.Revision; i%2 == 0 {
			rev = revision()
		}
		s.add(store, name, "and another")
		check("after an append by the same handle", rev)
	}
}

func models(s *suite) {
	store := s.handle()
	var want []string
	for _, n := range []string{"a", "a-b", "a b", "ab", "é", "日本", "1", strings.Repeat("x", 180)} {
		name := s.name(n)
		want = append(want, name.Model)
		s.add(store, name, "line")
	}
	slices.Sort(want)
	list := func() (all []mr.ModelName) {
		for name, err := range s.handle().Models(s.Context()) {
			if err != nil {
				s.Fatalf("Models: %v", err)
			}
			all = append(all, mr.ModelName(name))
		}
		return all
	}
	all := list()
	if !slices.IsSortedFunc(all, func(a, b mr.ModelName) int {
		return slices.Compare([]string{a.UseCase, a.Model}, []string{b.UseCase, b.Model})
	}) {
		s.Errorf("the names are not sorted: %v", all)
	}
	var got []string
	for _, name := range all {
		if strings.HasPrefix(name.Model, s.prefix+"-") {
			got = append(got, name.Model)
		}
	}
	s.want("the models", got, want)
	for range 3 { // a caller that searches for one model stops when it finds it
		for name, err := range store.Models(s.Context()) {
			s.want("the first name", mr.ModelName(name), all[0])
			if err != nil {
				s.Errorf("Models: %v", err)
			}
			break
		}
	}
	s.want("the models, after callers stopped early", list(), all)
}

func readerFails(s *suite) {
	store, name := s.handle(), s.name("m")
	s.add(store, name, "one", "two")
	cause := errors.New("it broke half-way")
	for range 3 {
		err := store.Read(s.Context(), name.UseCase, name.Model, func(v driver.View) error {
			if _, _, err := v.Log(0); err != nil {
				return err
			}
			return cause
		})
		if err != cause {
			s.Errorf("Read returned %v, want look's error", err)
		}
	}
	s.within("an append after readers failed", func() {
		if _, err := add(s.Context(), store, name, "three"); err != nil {
			s.Errorf("appending: %v", err)
		}
	})
	s.want("the log", s.log(store, name), []string{"one", "two", "three"})
}
