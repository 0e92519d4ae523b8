package document_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ubunye-go/modelregistry/internal/document"
	"github.com/ubunye-go/modelregistry/internal/pyjson"
)

// largest is a document's reader that notes the largest part that it was asked
// for, and the number of bytes.
type largest struct {
	r          io.ReaderAt
	part, read int
}

func (l *largest) ReadAt(p []byte, at int64) (int, error) {
	l.part, l.read = max(l.part, len(p)), l.read+len(p)
	return l.r.ReadAt(p, at)
}

// large returns a document of some MB whose mark was changed by edit. Its key
// begins in the middle; with plain, it is short.
func large(t *testing.T, plain bool, edit func(*document.Mark)) []byte {
	t.Helper()
	d := parse(t, marked(t, 8000))
	for i := range d.Entries {
		if plain {
			d.Entries[i].Extra = nil
		}
	}
	edit(d.Mark)
	return document.Format(d)
}

func TestReadPositionIsPosition(t *testing.T) {
	t.Parallel()
	removed := func(n int) func(*document.Mark) {
		return func(m *document.Mark) {
			for i := range n {
				m.Removed = append(m.Removed, fmt.Sprintf("0.%d.0", i))
			}
		}
	}
	sized := large(t, false, removed(0))
	held, _, _ := strings.Cut(string(sized), `"crc32c"`)
	older := strings.Replace(held, "\n    \"format\": 2,", "", 1)
	older = older[:strings.LastIndex(older, "\n    \"start\"")] + "\n    "
	others := []pyjson.Member{{Key: "x", Raw: []byte(`"x"`), Value: []byte(`{"versions": 1}`)}}
	for name, c := range map[string]struct {
		data []byte
		ok   bool
		most int // bytes at once
	}{
		"small":          {marked(t, 4), true, 256 << 10},
		"large":          {sized, true, 256 << 10},
		"a short key":    {large(t, true, removed(0)), true, 256 << 10},
		"some removed":   {large(t, false, removed(10_000)), true, 256 << 10},
		"many removed":   {large(t, false, removed(60_000)), true, 512 << 10},
		"only removed":   {large(t, true, removed(60_000)), true, 512 << 10},
		"other members":  {large(t, false, func(m *document.Mark) { m.Others = others }), true, 256 << 10},
		"an older one":   {document.Sealed([]byte(older)), true, 256 << 10},
		"another's":      {[]byte(strings.Repeat(python, 10_000)), false, 256 << 10},
		"not our layout": {document.Sealed([]byte(strings.Replace(held, "\n  \"modelregistry\": {", "\n \"modelregistry\" : {", 1))), false, 1 << 20},
	} {
		want, wantOK := document.Position(c.data)
		r := &largest{r: bytes.NewReader(c.data)}
		got, ok, err := document.ReadPosition(r, int64(len(c.data)))
		if err != nil || ok != c.ok || wantOK != c.ok {
			t.Errorf("%s: ReadPosition reports %t, error %v, and Position %t, want %t", name, ok, err, wantOK, c.ok)
		}
		ignore := cmp.FilterPath(func(p cmp.Path) bool { f := p.Last().String(); return f == ".Start" || f == ".At" }, cmp.Ignore())
		if diff := cmp.Diff(want, got, ignore); c.ok && diff != "" {
			t.Errorf("%s (-Position +ReadPosition):\n%s", name, diff)
		}
		if r.part > c.most || r.read > len(c.data) {
			t.Errorf("%s: of %d bytes, %d were read, %d at once", name, len(c.data), r.read, r.part)
		}
	}
}

// Any byte that differs from what was written is found, also if it changes
// while the document is read.
func TestReadPositionFindsChanges(t *testing.T) {
	t.Parallel()
	data := large(t, false, func(*document.Mark) {})
	if _, ok, err := document.ReadPosition(bytes.NewReader(data), int64(len(data))); !ok || err != nil {
		t.Fatalf("the document as it is: %t, %v", ok, err)
	}
	key := bytes.LastIndex(data, []byte("\n  \"modelregistry\""))
	for _, at := range []int{0, 1, 1 << 18, key - 1, key, key + 60, key + 1<<18 - 1, key + 1<<18, len(data) - 1<<18 - 1, len(data) - 1<<18, len(data) - 200, len(data) - 1} {
		other := bytes.Clone(data)
		other[at] ^= 1
		if _, ok, _ := document.ReadPosition(bytes.NewReader(other), int64(len(data))); ok {
			t.Errorf("byte %d differs and was not noticed", at)
		}
	}
	for reads := 1; ; reads++ { // another document from some read on
		other := bytes.Replace(data, []byte(`"event": 42`), []byte(`"event": 43`), 1)
		other = document.Sealed(other[:bytes.LastIndex(other, []byte(`"crc32c"`))])
		r := &changing{[]io.ReaderAt{bytes.NewReader(data), bytes.NewReader(other)}, reads}
		at, ok, _ := document.ReadPosition(r, int64(len(data)))
		if r.reads > 0 {
			break // all was read before
		}
		if ok && at.Event != 42 {
			t.Errorf("a document that was replaced after %d reads: event %d", reads, at.Event)
		}
	}
	for cut := range len(data) / 100_000 {
		if _, ok, err := document.ReadPosition(bytes.NewReader(data[:cut*100_000]), int64(len(data))); ok || err != nil {
			t.Errorf("truncated at %d: %t, error %v", cut*100_000, ok, err)
		}
	}
	broken := errors.New("broken")
	if _, ok, err := document.ReadPosition(failing{broken}, int64(len(data))); ok || err != broken {
		t.Errorf("a read that fails: %t, %v", ok, err)
	}
}

// changing reads the first document, and after a number of reads the second.
type changing struct {
	from  []io.ReaderAt
	reads int
}

func (c *changing) ReadAt(p []byte, at int64) (int, error) {
	c.reads--
	if c.reads >= 0 {
		return c.from[0].ReadAt(p, at)
	}
	return c.from[1].ReadAt(p, at)
}

type failing struct{ err error }

func (f failing) ReadAt([]byte, int64) (int, error) { return 0, f.err }
