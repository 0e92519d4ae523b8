package index

import (
	"bytes"
	"slices"
	"time"

	"github.com/ubunye-go/modelregistry/internal/pyjson"
)

// A LogWriter writes a whole history again: lines that are kept, and new events
// between and after them.
type LogWriter struct {
	Log  []byte
	Last int64     // the number of the last event
	hash string    // the digest of its line
	Now  time.Time // the time of new events
}

// Keep adds the line of an event, with the digest of the line that now precedes
// it.
func (w *LogWriter) Keep(e *Event, line []byte) error {
	line, err := linked(line, e.Prev, w.hash)
	if err == nil {
		w.add(e.Number, line)
	}
	return err
}

// Write adds a new event that already has its number.
func (w *LogWriter) Write(e *Event) error {
	e.ID, e.Time, e.Prev = newID(), w.Now, w.hash
	line, err := e.Encode()
	if err == nil {
		w.add(e.Number, line)
	}
	return err
}

// Record adds the event of an external change.
func (w *LogWriter) Record(pending *Event) error {
	e := *pending
	e.Number = w.Last + 1
	e.Deleted = WithMembers(e.Deleted, records(e.NewDeletions, FormatTime(w.Now)))
	return w.Write(&e)
}

// Restate adds an event that holds everything in the state, and moves the state
// to the end of the log.
func (w *LogWriter) Restate(e *Event, s *State) error {
	e.Number, e.Reset = max(w.Last, s.Last)+1, true
	for _, im := range NewTxn(s, w.Now).otherProductions() {
		im.Extra = withEntered(im.Extra, e.Number)
		s.Set(im)
	}
	e.After, e.Removed, e.Deleted, e.Model = s.images(), s.removed.list, s.deleted.object(), s.Facts.image()
	if err := w.Write(e); err != nil {
		return err
	}
	s.Last, s.Hash, s.Offset = w.Last, w.hash, int64(len(w.Log))
	return nil
}

func (w *LogWriter) add(number int64, line []byte) {
	w.Log = append(append(w.Log, line...), '\n')
	w.Last, w.hash = number, HashLine(line)
}

// linked returns the line of an event with hash in place of prev, the digest of
// the line before it. The rest of the line stays as it is.
func linked(line []byte, prev, hash string) ([]byte, error) {
	held, sealed := Unseal(line)
	if sealed && prev == hash {
		return line, nil
	}
	end := []byte(`"prev":` + string(pyjson.Quote(prev)))
	if start, ok := bytes.CutSuffix(held, end); ok && sealed {
		return Seal(append(slices.Clone(start), `"prev":`+string(pyjson.Quote(hash))...)), nil
	}
	return relinked(line, hash)
}

// relinked returns a damaged line with the digest of the line before it and a
// new checksum. The content of the line stays, as far as it can be read.
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
	return Seal(append(append(b, `"prev":`...), pyjson.Quote(prev)...)), nil
}
