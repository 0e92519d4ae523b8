package document_test

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/ubunye-go/modelregistry/internal/document"
)

// chunks collects what is written to it, and how long each part was.
type chunks struct {
	bytes.Buffer
	sizes []int
}

func (c *chunks) Write(p []byte) (int, error) {
	c.sizes = append(c.sizes, len(p))
	return c.Buffer.Write(p)
}

// A large document is written in chunks, and a small one at once. The chunks
// are the document that Format returns, with a right checksum.
func TestWriteInChunks(t *testing.T) {
	t.Parallel()
	for versions, most := range map[int]int{1: 1, 200: 1, 20_000: 24} {
		d, err := document.Parse(marked(t, versions))
		if err != nil {
			t.Fatal(err)
		}
		var c chunks
		n, err := document.Write(&c, d.Head, slices.Values(d.Entries), d.Mark)
		if err != nil || n != int64(c.Len()) || !bytes.Equal(c.Bytes(), d.Bytes) {
			t.Errorf("%d versions: wrote %d bytes, %v; they differ from the %d of the document", versions, n, err, len(d.Bytes))
		}
		if len(c.sizes) > most || slices.Max(c.sizes) > 512<<10 {
			t.Errorf("%d versions: wrote %d bytes in parts of %v", versions, n, c.sizes)
		}
		if again := parse(t, c.Bytes()); !again.Intact {
			t.Errorf("%d versions: the document is not intact", versions)
		}
	}
}

// full fails after some bytes, once.
type full struct {
	left   int
	failed bool
}

var errFull = errors.New("full")

func (f *full) Write(p []byte) (int, error) {
	if n := f.left; n < len(p) && !f.failed {
		f.failed = true
		return n, errFull
	}
	f.left -= len(p)
	return len(p), nil
}

func TestWriteReportsTheFirstFailure(t *testing.T) {
	t.Parallel()
	d := parse(t, marked(t, 20_000))
	for _, room := range []int{0, 300_000, len(d.Bytes) - 1} {
		n, err := document.Write(&full{left: room}, d.Head, slices.Values(d.Entries), d.Mark)
		if !errors.Is(err, errFull) || n != int64(room) {
			t.Errorf("with room for %d bytes: %d, %v", room, n, err)
		}
	}
	if _, err := document.Write(&full{left: 1 << 30}, nil, slices.Values([]document.Entry{}), nil); err != nil {
		t.Errorf("an empty document: %v", err)
	}
	if got := strings.Count(string(document.Format(document.New("u", "m"))), "versions"); got != 1 {
		t.Errorf("%d times versions in a new document", got)
	}
}
