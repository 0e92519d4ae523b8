package index

import (
	"bytes"
	"slices"
)

// ApplyAll applies events. The last of them ends at a position of the log.
func (s *State) ApplyAll(events []*Event, end int64) {
	for _, e := range events {
		s.Apply(e, end)
	}
	s.Offset = end
}

// IndexStages finds the version of every stage. After it, several goroutines
// may read the state.
func (s *State) IndexStages() {
	for _, stage := range Stages {
		s.Holder(stage)
	}
}

// Extend applies lines at a position of the log, which follow the last event of
// the state, and returns them as events.
func (s *State) Extend(lines []byte, at, end int64) ([]*Event, error) {
	events, err := ParseLog(lines, at, s.Last, s.Hash)
	if err != nil {
		return nil, err
	}
	s.ApplyAll(events, end)
	return events, nil
}

// Replay returns the state that a whole log results in, and the log's events.
func Replay(useCase, model string, lines []byte, end int64) (*State, []*Event, error) {
	s := New(useCase, model)
	events, err := s.Extend(lines, 0, end)
	return s, events, err
}

// Continue makes a state that was read from a document alone continue a log.
// The next change then begins with an event that holds all of the state. If an
// earlier change did that, and only the document was not rewritten, the log
// goes on from that event.
func (s *State) Continue(lines []byte, end int64) (*State, error) {
	if s.Damage != nil { // the damaged part may have gates, which must not be lost
		return nil, &DamageError{Document: true, Err: s.Damage}
	}
	hash, last := "", s.Last
	for at := 0; at < len(lines); {
		n := bytes.IndexByte(lines[at:], '\n')
		line := bytes.TrimRight(lines[at:at+n], " ")
		hash = HashLine(line)
		if e, err := decodeEffect(line, ""); err == nil {
			if e.Reset && e.Number > s.Last {
				return resume(lines[at:], int64(at), e, end, s)
			}
			last = max(last, e.Number)
			s.reserveNumbers(e)
		}
		at += n + 1
	}
	s.Last, s.Hash, s.Offset = last, hash, end
	s.MergeGates(s.Facts)
	s.Pending = &Event{Op: OpImport, Reset: true, After: s.images(), Removed: s.removed.list, Deleted: s.deleted.object(), Model: s.Facts.image()}
	return s, nil
}

// resume replays the log from an event that holds everything, except the facts
// that only the document has.
func resume(lines []byte, at int64, first *Event, end int64, document *State) (*State, error) {
	s := New(document.UseCase, document.Model)
	s.Last, s.Hash = first.Number-1, first.Prev
	s.Head, s.Others = document.Head, document.Others
	s.deleted.load(document.deleted.object())
	s.Size += s.deleted.size
	if _, err := s.Extend(lines, at, end); err != nil {
		return nil, err
	}
	if first.Model == nil && s.Facts.raw == nil && document.Facts.raw != nil { // the writer of first did not know facts
		s.SetFacts(document.Facts)
		s.Pending = &Event{Op: OpForeign, Model: s.Facts.raw}
	}
	return s, nil
}

// reserveNumbers prevents numbers that an event of another history gave out
// from being given out again.
func (s *State) reserveNumbers(e *Event) {
	var unlisted []string
	for _, im := range e.After {
		unlisted = append(unlisted, im.Version)
	}
	unlisted = append(unlisted, e.Removed...)
	s.Remove(slices.DeleteFunc(unlisted, func(v string) bool { return s.Get(v) != nil })...)
}

func (s *State) images() []Image {
	list := make([]Image, len(s.Entries))
	for i, e := range s.Entries {
		list[i] = e.image()
	}
	return list
}
