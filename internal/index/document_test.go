package index_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/ubunye-go/modelregistry/internal/document"
	"github.com/ubunye-go/modelregistry/internal/index"
)

// A document that is being written does not change when later events are
// applied to its state.
func TestDocumentIsOfItsEvent(t *testing.T) {
	t.Parallel()
	s := index.New("fraud", "Model")
	apply := func(version, stage string, removed ...string) {
		raw := []byte(`{"version":"` + version + `","stage":"` + stage + `"}`)
		line, err := (&index.Event{Number: s.Last + 1, Op: index.OpRepair, Time: time.Unix(0, 0), Prev: s.Hash, Removed: removed,
			After: []index.Image{{Version: version, Raw: raw}}}).Encode()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Extend(append(line, '\n'), s.Offset, s.Offset+int64(len(line))+1); err != nil {
			t.Fatal(err)
		}
	}
	apply("1.0.0", index.Production)
	apply("1.0.1", index.Development)
	d := s.Document(s.Offset)
	before := d.Bytes()
	apply("1.0.0", index.Archived)
	apply("1.0.2", index.Production, "1.0.1")
	s.Document(s.Offset)
	if after := d.Bytes(); !bytes.Equal(before, after) {
		t.Errorf("the document was\n%s\nand is now\n%s", before, after)
	}
	at, err := document.Parse(before)
	if err != nil || !at.Intact || at.Mark.Event != 2 || len(at.Entries) != 2 {
		t.Errorf("the document is of event %+v, %v", at.Mark, err)
	}
}
