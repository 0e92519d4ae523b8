package index

import (
	"bytes"
	"errors"
	"io"
	"slices"

	"github.com/ubunye-go/modelregistry/internal/document"
	"github.com/ubunye-go/modelregistry/internal/pyjson"
)

// A Document is the document of a state. It does not change with the state, so
// it can be written without a lock on the state.
type Document struct {
	head    []pyjson.Member
	entries []*Entry // laid out
	mark    document.Mark
}

// Document returns the document that includes the last event, given the
// position after that event in the log. The state then counts as written.
func (s *State) Document(end int64) *Document {
	s.Pending, s.Checkpoint, s.CheckpointEnd, s.Older = nil, s.Last, end, false
	for _, e := range s.Entries {
		e.layOut()
	}
	return &Document{s.Head, slices.Clone(s.Entries), document.Mark{
		Removed: s.removed.list, Deleted: s.deleted.object(), Productions: s.productions, Event: s.Last, Offset: end, Hash: s.Hash,
		Model: s.Facts.raw, Others: s.Others, External: s.External,
	}}
}

// WriteTo writes the document.
func (d *Document) WriteTo(w io.Writer) (n int64, err error) {
	return document.Write(w, d.head, d.each, &d.mark)
}

// Bytes returns the document.
func (d *Document) Bytes() []byte {
	var b bytes.Buffer
	_, _ = d.WriteTo(&b) // a buffer does not fail
	return b.Bytes()
}

// CheckSizes returns an error if a document does not read the same by its sizes
// as without them.
func CheckSizes(d *document.Document) error {
	plain, err := document.ParsePlainly(d.Bytes)
	if err != nil {
		return err
	}
	same := slices.EqualFunc(d.Entries, plain.Entries, func(a, b document.Entry) bool {
		return a.Version == b.Version && bytes.Equal(a.Raw, b.Raw) && bytes.Equal(a.Extra, b.Extra) &&
			entryStage(a.Raw, a.Stage) == entryStage(b.Raw, b.Stage)
	})
	if !same {
		return errors.New("the sizes of its entries are wrong")
	}
	return nil
}

// rawStages has the stages as they are in an entry.
var rawStages = func() map[string][]byte {
	raw := map[string][]byte{}
	for _, stage := range Stages {
		raw[stage] = pyjson.Quote(stage)
	}
	return raw
}()

func (d *Document) each(yield func(document.Entry) bool) {
	for _, e := range d.entries {
		if !yield(document.Entry{Version: e.Version, Raw: e.Raw, Stage: rawStages[e.Stage], Extra: e.Extra}) {
			return
		}
	}
}
