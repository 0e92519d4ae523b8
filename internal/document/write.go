package document

import (
	"bytes"
	"fmt"
	"hash/crc32"
	"io"
	"iter"
	"slices"

	"github.com/ubunye-go/modelregistry/internal/format"
	"github.com/ubunye-go/modelregistry/internal/pyjson"
)

// Format returns the bytes of a document.
func Format(d *Document) []byte {
	var b bytes.Buffer
	_, _ = Write(&b, d.Head, slices.Values(d.Entries), d.Mark) // a buffer does not fail
	return b.Bytes()
}

// chunk is how many bytes Write passes on at once. With chunks of this size a
// file is written as fast as at once, and the buffer stays in a core's cache.
const chunk = 256 << 10

// A writer writes a document in chunks. Its buffer has what comes next.
type writer struct {
	to   io.Writer
	b    []byte
	done int64  // bytes that were passed on
	crc  uint32 // of these bytes
	err  error

	sized int64  // how many bytes the versions take that have sizes
	sizes []byte // of the entries
}

// flush passes the buffer on if it is large enough, or if this is the end.
func (w *writer) flush(end bool) {
	if len(w.b) < chunk && !end || w.err != nil {
		return
	}
	var n int
	n, w.err = w.to.Write(w.b)
	w.crc = crc32.Update(w.crc, castagnoli(), w.b)
	w.done += int64(n)
	w.b = w.b[:0]
}

// Write writes a document as the Python program does, with our key last if mark
// is not nil. It goes through the entries twice. The members of head are all
// top-level keys but ours. Write returns the number of bytes written.
func Write(to io.Writer, head []pyjson.Member, entries iter.Seq[Entry], mark *Mark) (n int64, err error) {
	return (&writer{to: to, sized: sized}).write(head, entries, mark)
}

func (w *writer) write(head []pyjson.Member, entries iter.Seq[Entry], mark *Mark) (n int64, err error) {
	w.b = append(w.b, '{')
	for i, m := range head {
		if i > 0 {
			w.b = append(w.b, ',')
		}
		w.b = append(w.b, "\n  "...)
		w.b = append(appendKey(w.b, m), ": "...)
		if m.Key == "versions" {
			w.entries(entries)
		} else {
			w.b = append(w.b, m.Value...)
		}
	}
	if mark != nil {
		if len(head) > 0 {
			w.b = append(w.b, ',')
		}
		w.mark(mark, entries)
	}
	w.b = append(w.b, "\n}"...)
	w.flush(true)
	return w.done, w.err
}

// appendKey writes a key as it was read. A new key is written as Python writes
// it.
func appendKey(b []byte, m pyjson.Member) []byte {
	if m.Raw != nil {
		return append(b, m.Raw...)
	}
	return pyjson.AppendString(b, m.Key)
}

func (w *writer) entries(entries iter.Seq[Entry]) {
	before := "{"
	for e := range entries {
		w.b = append(append(w.b, before...), "\n"+entryPrefix...)
		w.b = append(pyjson.AppendString(w.b, e.Version), ": "...)
		w.b = append(w.b, e.Raw...)
		w.sizes = appendSize(w.sizes, e)
		w.flush(false)
		before = ","
	}
	if before == "{" {
		w.b = append(w.b, "{}"...)
		return
	}
	w.b = append(w.b, "\n  }"...)
}

func (w *writer) mark(m *Mark, entries iter.Seq[Entry]) {
	w.b = append(w.b, keyStart...)
	start := w.done + int64(len(w.b))
	b := fmt.Appendf(w.b, "\n    \"format\": %d,", format.Version)
	if len(m.Model) > 0 {
		b = append(pyjson.Compact(append(b, "\n    \""+format.Model+"\": "...), m.Model), ',')
	}
	b = appendStrings(b, "removed", m.Removed)
	if len(m.Deleted) > 0 {
		b = append(pyjson.Compact(append(b, "\n    \"deleted\": "...), m.Deleted), ',')
	}
	b = appendStrings(b, "productions", m.Productions)
	if m.External > 0 {
		b = fmt.Appendf(b, "\n    \"external\": %d,", m.External)
	}
	for _, o := range m.Others {
		b = append(append(append(append(append(b, "\n    "...), o.Raw...), ": "...), o.Value...), ',')
	}
	w.b = b
	if start > w.sized {
		w.b = fmt.Appendf(w.b, "\n    \"sizes\": \"%d:", m.Event)
		for part := range slices.Chunk(w.sizes, chunk) {
			w.b = append(w.b, part...)
			w.flush(false)
		}
		w.b = append(w.b, "\","...)
	}
	w.extras(entries)
	w.b = fmt.Appendf(w.b, "%s: %d,\n    \"offset\": %d,\n    \"hash\": %s,\n    \"start\": %d,\n    ",
		tailStart, m.Event, m.Offset, pyjson.Quote(m.Hash), start)
	w.b = fmt.Appendf(w.b, "%s%08x\"\n  }", sumStart, crc32.Update(w.crc, castagnoli(), w.b))
}

// extras writes what our key says about the versions, in the order of the
// entries, so that equal documents have equal bytes.
func (w *writer) extras(entries iter.Seq[Entry]) {
	before := "\n    \"versions\": {"
	first := before
	for e := range entries {
		if len(e.Extra) == 0 {
			continue
		}
		w.b = append(append(w.b, before...), "\n      "...)
		w.b = append(pyjson.AppendString(w.b, e.Version), ": "...)
		w.b = append(w.b, e.Extra...)
		w.flush(false)
		before = ","
	}
	if before != first {
		w.b = append(w.b, "\n    },"...)
	}
}

func appendStrings(b []byte, key string, list []string) []byte {
	if len(list) == 0 {
		return b
	}
	b = fmt.Appendf(b, "\n    %q: [", key)
	for i, s := range list {
		if i > 0 {
			b = append(b, ", "...)
		}
		b = pyjson.AppendString(b, s)
	}
	return append(b, "],"...)
}
