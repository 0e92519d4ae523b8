package index

import (
	"bytes"
	"errors"
	"fmt"
	"iter"
	"slices"

	"github.com/ubunye-go/modelregistry/internal/document"
	"github.com/ubunye-go/modelregistry/internal/pyjson"
)

// A LogLine is one line of a log that can be read as an event.
type LogLine struct {
	*Event
	At  int64  // where the line begins
	Raw []byte // without its end
}

// A LogDamage is a place where a log is damaged.
type LogDamage struct {
	At      int64 // where the line begins
	Event   int64 // the event that should be there
	Dropped bool  // the line can't be read, or is out of place
	Err     error
}

// A logReader reads lines that follow the event last with the digest hash.
type logReader struct {
	at     int64
	last   int64
	hash   string
	decode func(line []byte, prev string) (*Event, error)
}

// lines yields each line of a log that ends with whole lines, with its damage,
// or nil. A line that was dropped has no event. The numbers of events go up by
// one, except at an import or a repair, which may leave some out. Each damage
// is yielded once: if a line only does not follow because the line before it is
// damaged, it is in order.
func (r logReader) lines(log []byte) iter.Seq2[LogLine, *LogDamage] {
	return func(yield func(LogLine, *LogDamage) bool) {
		noted := int64(-1) // the event of the last damage
		for len(log) > 0 {
			n := bytes.IndexByte(log, '\n')
			line := LogLine{At: r.at, Raw: bytes.TrimRight(log[:n], " ")}
			e, damage := r.event(&line, noted)
			if damage != nil {
				noted = damage.Event
			}
			if damage == nil || !damage.Dropped {
				line.Event, r.last, r.hash = e, e.Number, e.Hash
			}
			if !yield(line, damage) {
				return
			}
			r.at, log = r.at+int64(n)+1, log[n+1:]
		}
	}
}

// event reads the event of a line, and returns the damage of the line, or nil.
// If a program rewrote the line as text, event reads the line as it was.
func (r *logReader) event(line *LogLine, noted int64) (*Event, *LogDamage) {
	e, err := r.decode(line.Raw, r.hash)
	if err != nil {
		if original, rewritten := originalLine(*line); rewritten != nil {
			if len(original) == 0 {
				return nil, &LogDamage{At: line.At, Event: r.last + 1, Dropped: true, Err: rewritten}
			}
			if was, err := r.decode(original, r.hash); err == nil && was.Number > r.last {
				line.Raw = original
				return was, &LogDamage{At: line.At, Event: was.Number, Err: rewritten}
			}
		}
	}
	edited := errors.Is(err, ErrChecksum)
	d := &LogDamage{At: line.At, Event: r.last + 1}
	switch {
	case err != nil && !edited:
		d.Dropped, d.Err = true, err
	case e.Number <= r.last:
		d.Dropped, d.Err = true, fmt.Errorf("event %d comes after event %d", e.Number, r.last)
	case edited:
		d.Event, d.Err = e.Number, err
	case noted == r.last+1, noted == r.last:
		return e, nil
	case e.Number != r.last+1 && !e.Skips():
		d.Err = fmt.Errorf("event %d is missing", r.last+1)
	case e.Prev != r.hash:
		d.Err = fmt.Errorf("event %d does not follow the one before it", e.Number)
	default:
		return e, nil
	}
	return e, d
}

// ParseLog reads lines at a position of a log, which follow the event last with
// the digest hash. It reads the parts of events that change a state. At the
// first damage it returns the events before it, and a *DamageError.
func ParseLog(lines []byte, at, last int64, hash string) (events []*Event, err error) {
	r := logReader{at: at, last: last, hash: hash, decode: decodeEffect}
	for line, damage := range r.lines(lines) {
		if damage == nil {
			events = append(events, line.Event)
			continue
		}
		var syntax *pyjson.SyntaxError
		if errors.As(damage.Err, &syntax) {
			damage.At += syntax.Offset
		}
		return events, &DamageError{Offset: damage.At, Err: damage.Err}
	}
	return events, nil
}

// A Log is a whole log, read as far as that is possible.
type Log struct {
	Lines  []LogLine
	Damage []LogDamage // in order

	dropped [][]byte // lines that can't be read, or are out of place
}

// ReadLog reads a whole log. It goes on after damage.
func ReadLog(raw []byte) *Log {
	l := &Log{}
	r := logReader{decode: func(line []byte, _ string) (*Event, error) { return DecodeEvent(line) }}
	for line, damage := range r.lines(raw) {
		if damage != nil {
			l.Damage = append(l.Damage, *damage)
		}
		if line.Event != nil {
			l.Lines = append(l.Lines, line)
		} else {
			l.dropped = append(l.dropped, line.Raw)
		}
	}
	return l
}

// Rewritten reports whether the only damage of the log is that a program
// rewrote it as text. Then OriginalLog returns the sound log.
func (l *Log) Rewritten() bool {
	return len(l.Damage) > 0 && !slices.ContainsFunc(l.Damage, func(d LogDamage) bool { return !Rewritten(d.Err) })
}

// Events returns the events that can be read.
func (l *Log) Events() []*Event {
	list := make([]*Event, len(l.Lines))
	for i, line := range l.Lines {
		list[i] = line.Event
	}
	return list
}

// Last returns the number of the last event that can be read, 0 for none.
func (l *Log) Last() int64 {
	if len(l.Lines) == 0 {
		return 0
	}
	return l.Lines[len(l.Lines)-1].Number
}

// Has reports whether the log has the event that a document includes: its line,
// or its digest in the next line, which is enough if the line itself is
// damaged. The position in the mark is not checked, because only the store
// knows its meaning.
func (l *Log) Has(m *document.Mark) bool {
	for _, line := range l.Lines {
		if line.Hash == m.Hash || line.Prev == m.Hash {
			return true
		}
	}
	next := []byte(`"prev":"` + m.Hash + `"`)
	for _, line := range l.dropped {
		if HashLine(line) == m.Hash || bytes.Contains(line, next) {
			return true
		}
	}
	return false
}

// Contradicts reports whether the log is sound and has another event of the
// number that is in a document's mark. Then the document came from another
// history.
func (l *Log) Contradicts(m *document.Mark) bool {
	return len(l.Damage) == 0 && !l.Has(m) && slices.ContainsFunc(l.Lines, func(line LogLine) bool { return line.Number == m.Event })
}

// Supersedes reports whether the log began a new history after the event in a
// document's mark.
func (l *Log) Supersedes(m *document.Mark) bool {
	return slices.ContainsFunc(l.Lines, func(line LogLine) bool { return line.Reset && line.Number > m.Event })
}
