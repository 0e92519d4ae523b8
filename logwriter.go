package modelregistry

import (
	"bytes"
	"slices"
	"time"

	"github.com/ubunye-go/modelregistry/internal/pyjson"
)

// A logWriter writes a whole history again: lines that are kept, and new events
// between and after them.
type logWriter struct {
	log  []byte
	last int64     // the number of the last event
	hash string    // the digest of its line
	now  time.Time // of new events
}

// keep adds the line of an event, with the digest of the line that is before it
// now.
func (w *logWriter) keep(e *event, line []byte) error {
	line, err := linked(line, e.prev, w.hash)
	if err == nil {
		w.add(e.number, line)
	}
	return err
}

// write adds a new event that has its number.
func (w *logWriter) write(e *event) error {
	e.id, e.time, e.prev = newID(), w.now, w.hash
	line, err := e.encode()
	if err == nil {
		w.add(e.number, line)
	}
	return err
}

// record adds the event of an external change.
func (w *logWriter) record(pending *event) error {
	e := *pending
	e.number = w.last + 1
	e.deleted = withMembers(e.deleted, tombstones(e.gone, formatTime(w.now)))
	return w.write(&e)
}

// restate adds an event that holds all that the state knows, and brings the state
// to the end of the log.
func (w *logWriter) restate(e *event, s *indexState) error {
	e.number, e.reset = max(w.last, s.last)+1, true
	s.settleProduction(w.now, e.number)
	e.after, e.removed, e.deleted, e.model = s.images(), s.removed, s.deleted, s.facts.image()
	if err := w.write(e); err != nil {
		return err
	}
	s.last, s.hash, s.offset = w.last, w.hash, int64(len(w.log))
	return nil
}

func (w *logWriter) add(number int64, line []byte) {
	w.log = append(append(w.log, line...), '\n')
	w.last, w.hash = number, hashLine(line)
}

// settleProduction archives all versions in production but the one that was
// promoted last.
func (s *indexState) settleProduction(now time.Time, event int64) {
	t, h := newIndexTxn(s, now), s.holder(stageProduction)
	for _, e := range slices.Clone(s.order) {
		if e.stage == stageProduction && e != h {
			im := t.staged(e, stageArchived)
			im.extra = entering(im.extra, event)
			s.set(im)
		}
	}
}

// linked returns the line of an event, which has the digest prev, with another
// digest of the line before it. All else stays as it is.
func linked(line []byte, prev, hash string) ([]byte, error) {
	held, sealed := unsealed(line)
	if sealed && prev == hash {
		return line, nil
	}
	end := []byte(`"prev":` + string(pyjson.Quote(prev)))
	if start, ok := bytes.CutSuffix(held, end); ok && sealed {
		return sealLine(append(slices.Clone(start), `"prev":`+string(pyjson.Quote(hash))...)), nil
	}
	return relinked(line, hash)
}

// relinked returns a line that is not as it was written with the digest of the
// line before it and a checksum of its own. What the line says stays, as far as it
// can be read.
func relinked(line []byte, prev string) ([]byte, error) {
	members, err := pyjson.Object(line)
	if err != nil {
		return nil, err
	}
	b := []byte{'{'}
	for _, m := range members {
		if m.Key != "prev" && m.Key != "crc32c" {
			b = append(pyjson.Compact(append(append(b, m.Raw...), ':'), m.Value), ',')
		}
	}
	return sealLine(append(append(b, `"prev":`...), pyjson.Quote(prev)...)), nil
}
