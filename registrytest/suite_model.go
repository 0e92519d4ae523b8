package registrytest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"sync"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/driver"
)

// alike uses names that differ from a model's in case only.
func alike(s *suite) {
	store, other := s.handle(), s.handle()
	for _, n := range []string{"Model", "Élan", "a1b"} {
		name := s.name(n)
		s.addTree(store, name, "1.0.0")
		for _, like := range []mr.ModelName{
			{UseCase: name.UseCase, Model: swapCase(name.Model)},
			{UseCase: swapCase(name.UseCase), Model: name.Model},
			{UseCase: strings.ToUpper(name.UseCase), Model: strings.ToUpper(name.Model)},
		} {
			for _, store := range []mr.Store{store, other} {
				_, err := add(s.Context(), store, like, "line")
				s.wantNameError("appending to "+like.String(), err, name)
				s.wantNameError("registering in "+like.String(), s.putTree(store, like, "1.0.1"), name)
				s.wantAbsent(store, like, name)
			}
		}
		s.want("the log of "+name.String(), s.log(other, name), []string{"1.0.0"})
		s.add(other, name, "2") // the model is usable as before
		s.want("the log of "+name.String(), s.log(store, name), []string{"1.0.0", "2"})
	}
	for name, err := range other.Models(s.Context()) {
		if err != nil {
			s.Errorf("Models: %v", err)
		}
		mine := strings.HasPrefix(name.Model, s.prefix+"-") && name.UseCase == "conformance"
		if !mine && strings.EqualFold(name.UseCase, "conformance") && strings.HasPrefix(strings.ToLower(name.Model), strings.ToLower(s.prefix)+"-") {
			s.Errorf("Models yields %s", name)
		}
	}
}

// swapCase returns a string with the case of every letter changed.
func swapCase(text string) string {
	return strings.Map(func(r rune) rune {
		if up := []rune(strings.ToUpper(string(r))); len(up) == 1 && up[0] != r {
			return up[0]
		}
		if low := []rune(strings.ToLower(string(r))); len(low) == 1 {
			return low[0]
		}
		return r
	}, text)
}

// putTree stages a tree and commits it, and returns the error.
func (s *suite) putTree(store mr.Store, name mr.ModelName, version string) error {
	st, err := store.Stage(s.Context(), name.UseCase, name.Model)
	if err != nil {
		return err
	}
	defer st.Discard()
	if err := errors.Join(writeTree(st.Dir(), someFiles(version)), st.Seal(s.Context())); err != nil {
		return err
	}
	_, err = commit(s.Context(), store, name, &driver.Commit{
		Trees: []driver.StagedTree{{Staged: st, Version: version}}, Lines: raw([]string{version}),
	})
	return err
}

func (s *suite) wantNameError(what string, err error, other mr.ModelName) {
	s.Helper()
	var name *mr.NameError
	if !errors.As(err, &name) || mr.ModelName(name.Other) != other || !errors.Is(err, mr.ErrInvalid) {
		s.Errorf("%s: got error %v, want a *NameError that names %s", what, err, other)
	}
}

// wantAbsent checks that nothing can be read under a name that is like a
// model's.
func (s *suite) wantAbsent(store mr.Store, like, name mr.ModelName) {
	s.Helper()
	err := store.Read(s.Context(), like.UseCase, like.Model, func(v driver.View) error {
		data, ok, err := v.Document()
		lines, _, logErr := readLog(v, 0)
		if ok || len(lines) > 0 {
			s.Errorf("%s, which is another model than %s, has the document %q and the log %q", like, name, data, lines)
		}
		return errors.Join(err, logErr)
	})
	if err != nil {
		s.wantNameError("reading "+like.String(), err, name)
	}
	tree, err := store.OpenTree(s.Context(), like.UseCase, like.Model, "1.0.0")
	if err == nil {
		tree.Close()
	}
	if !errors.Is(err, fs.ErrNotExist) {
		s.wantNameError("opening "+like.At("1.0.0").String(), err, name)
	}
}

// alikeRace makes models at the same time whose names differ in case only.
func alikeRace(s *suite) {
	all := s.handles(callers)
	for round := range 10 {
		names := make([]mr.ModelName, callers)
		for i := range names {
			model := []byte(fmt.Sprintf("race%d-abc", round))
			for bit := range 3 {
				if i>>bit&1 == 1 {
					model[len(model)-1-bit] ^= 'a' - 'A'
				}
			}
			names[i] = s.name(string(model))
		}
		var mu sync.Mutex
		var made []mr.ModelName
		s.together(func(i int) {
			_, err := add(s.Context(), all[i], names[i], names[i].Model)
			var refused *mr.NameError
			switch {
			case err == nil:
				mu.Lock()
				made = append(made, names[i])
				mu.Unlock()
			case !errors.As(err, &refused):
				s.Errorf("making %s: got error %v, want a *NameError", names[i], err)
			}
		})
		if len(made) == 0 {
			s.Fatalf("round %d: none of %v was made", round, names)
		}
		for i, name := range made { // all models that were made stay usable, and apart
			s.add(all[i], name, "more")
		}
		for i, name := range made {
			s.want("the log of "+name.String(), s.log(all[callers-1-i], name), []string{name.Model, "more"})
		}
	}
}

// indexLost removes the log and the document of models.
func indexLost(s *suite) {
	if s.opts.LoseIndex == nil {
		s.Skipf("the case needs StoreOptions.LoseIndex")
	}
	store, name := s.handle(), s.name("m")
	s.addTree(store, name, "1.0.0")
	s.addTree(store, name, "1.0.1")
	if _, err := commit(s.Context(), store, name, &driver.Commit{Checkpoint: &driver.Checkpoint{Make: func(int64) (io.WriterTo, string) { return bytes.NewReader([]byte("document")), "" }}}); err != nil {
		s.Fatalf("replacing the document: %v", err)
	}
	if err := s.opts.LoseIndex(name); err != nil {
		s.Fatalf("removing the log and the document: %v", err)
	}
	for _, store := range []mr.Store{store, s.handle()} {
		if err := s.putTree(store, name, "1.0.0"); !errors.Is(err, mr.ErrIndexLost) {
			s.Errorf("committing a tree: got error %v, want ErrIndexLost", err)
		}
		if _, err := add(s.Context(), store, name, "line"); !errors.Is(err, mr.ErrIndexLost) {
			s.Errorf("committing a line: got error %v, want ErrIndexLost", err)
		}
		s.want("the log", s.log(store, name), []string(nil))
		s.want("the document", s.document(store, name), "none")
		files, err := readTree(s.Context(), store, name, "1.0.0")
		if err != nil {
			s.Errorf("reading a tree: %v", err)
		}
		s.wantFiles("the files of 1.0.0", files, someFiles("1.0.0"))
		for found, err := range store.Models(s.Context()) {
			if err != nil || mr.ModelName(found) == name {
				s.Errorf("Models yields %v, %v", found, err)
			}
		}
	}
	s.notLost(store)
}

// notLost makes trees without a log that are not a loss: another program's
// tree, and a tree that a commit put in place without naming it.
func (s *suite) notLost(store mr.Store) {
	s.Helper()
	bare := s.name("bare")
	_, err := commit(s.Context(), store, bare, &driver.Commit{Lines: raw([]string{"1"}),
		Trees: []driver.StagedTree{{Staged: s.stage(store, bare, map[string]string{"model/theirs": "theirs"}), Version: "1.0.0"}}})
	if err == nil {
		err = s.opts.LoseIndex(bare)
	}
	if err == nil {
		err = s.putTree(store, bare, "1.0.1")
	}
	if err != nil {
		s.Errorf("committing beside a tree without a manifest: %v", err)
	}
	left := s.name("left")
	_, err = commit(s.Context(), store, left, &driver.Commit{
		Trees: []driver.StagedTree{{Staged: s.stage(store, left, someFiles("left")), Version: "1.0.0"}}})
	if err == nil {
		err = s.putTree(s.handle(), left, "1.0.0")
	}
	if err != nil {
		s.Errorf("committing beside a tree that a commit left: %v", err)
	}
}
