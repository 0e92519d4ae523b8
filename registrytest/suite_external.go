package registrytest

import (
	"bytes"
	"context"
	"errors"
	"io"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/driver"
)

// changedExternally reports whether a model changed, external changes included.
func changedExternally(ctx context.Context, store mr.Store, name mr.ModelName, since driver.Revision) (bool, error) {
	if c, ok := store.(driver.ExternalChecker); ok {
		return c.ChangedExternally(ctx, name.UseCase, name.Model, since)
	}
	return store.Changed(ctx, name.UseCase, name.Model, since)
}

// writeDocument writes a document as another program does.
func (s *suite) writeDocument(name mr.ModelName, document string) {
	s.Helper()
	if s.opts.WriteDocument == nil {
		s.Skipf("the case needs StoreOptions.WriteDocument")
	}
	if err := s.opts.WriteDocument(name, []byte(document)); err != nil {
		s.Fatalf("writing a document as another program: %v", err)
	}
}

// shown returns the document that a view shows, and the revision that covers
// it.
func shown(v driver.View) (document string, rev driver.Revision, err error) {
	if _, _, err := v.Log(0); err != nil {
		return "", nil, err
	}
	data, _, err := v.Document()
	return string(data), v.Revision(), err
}

func externalChange(s *suite) {
	store, name := s.handle(), s.name("m")
	done, err := commit(s.Context(), store, name, &driver.Commit{Lines: raw([]string{"line"}), Checkpoint: &driver.Checkpoint{Make: func(int64) (io.WriterTo, string) { return bytes.NewReader([]byte("ours")), "" }}})
	if err != nil || done.DocumentErr != nil {
		s.Fatalf("appending: %v, %v", err, done.DocumentErr)
	}
	look := func(v driver.View) (document string, rev driver.Revision) {
		s.Helper()
		document, rev, err := shown(v)
		if err != nil {
			s.Errorf("looking: %v", err)
		}
		return document, rev
	}
	read := func(look func(v driver.View)) {
		s.Helper()
		if err := store.Read(s.Context(), name.UseCase, name.Model, func(v driver.View) error { look(v); return nil }); err != nil {
			s.Errorf("reading: %v", err)
		}
	}
	var rev driver.Revision
	read(func(v driver.View) { _, rev = look(v) })
	for _, theirs := range []string{"theirs", "theirs, and longer", "thine"} {
		s.writeDocument(name, theirs)
		if is, err := changedExternally(s.Context(), store, name, rev); !is || err != nil {
			s.Errorf("after an external change: ChangedExternally = %t, %v", is, err)
		}
		var now driver.Revision
		read(func(v driver.View) {
			if !v.DocumentChanged(rev) {
				s.Errorf("a view of Read does not show the external change that was found before")
			}
			var document string
			document, now = look(v)
			s.want("the document that a view of Read shows", document, theirs)
		})
		next := theirs + " again"
		s.writeDocument(name, next)
		_, err := store.Append(s.Context(), name.UseCase, name.Model, func(v driver.View) (*driver.Commit, error) {
			if !v.DocumentChanged(now) {
				s.Errorf("a view of Append does not show an external change")
			}
			var document string
			document, rev = look(v)
			s.want("the document that a view of Append shows", document, next)
			return nil, nil
		})
		if err != nil {
			s.Errorf("a nil commit: %v", err)
		}
	}
}

func externalMeanwhile(s *suite) {
	store, name := s.handle(), s.name("m")
	lines := 0
	// change appends a line and a document. It calls between after decide used
	// the view, and replaces if the store calls Replaces.
	change := func(document string, between func(), replaces func(there []byte) bool) error {
		s.Helper()
		lines++
		done, err := store.Append(s.Context(), name.UseCase, name.Model, func(v driver.View) (*driver.Commit, error) {
			if _, _, err := shown(v); err != nil {
				return nil, err
			}
			between()
			return &driver.Commit{Lines: raw([]string{"line"}), Checkpoint: &driver.Checkpoint{Make: func(int64) (io.WriterTo, string) { return bytes.NewReader([]byte(document)), "" }, Replaces: replaces}}, nil
		})
		if err != nil {
			s.Fatalf("appending: %v", err)
		}
		s.want("the number of lines", len(s.log(store, name)), lines)
		return done.DocumentErr
	}
	never := func([]byte) bool { return false }
	for _, theirs := range []string{"theirs", "theirs, and longer", "thine"} {
		if err := change("ours", func() {}, never); err != nil {
			s.Errorf("without an external change: %v", err)
		}
		s.want("the document", s.document(store, name), "ours")

		err := change("ours, and later", func() { s.writeDocument(name, theirs) }, func(there []byte) bool {
			s.want("the document that may be replaced", string(there), theirs)
			return false
		})
		if !errors.Is(err, mr.ErrOvertaken) {
			s.Errorf("the document was changed meanwhile: got error %v, want %v", err, mr.ErrOvertaken)
		}
		s.want("the document that was changed meanwhile", s.document(store, name), theirs)

		want := "ours, in its place"
		err = change(want, func() { s.writeDocument(name, theirs+" again") }, func([]byte) bool { return true })
		if errors.Is(err, mr.ErrOvertaken) {
			want, err = theirs+" again", nil // a store need not call Replaces
		}
		if err != nil {
			s.Errorf("the document was changed meanwhile and may be replaced: got error %v", err)
		}
		s.want("the document that may be replaced", s.document(store, name), want)
	}
}
