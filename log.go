package modelregistry

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/ubunye-go/modelregistry/internal/pyjson"
)

// parseLog reads lines that follow the event last with the digest hash. The
// numbers go up by one, but for an import or a repair, which may leave some out.
// Before the first damage it returns the events so far, and a *damageError.
func parseLog(lines []byte, at, last int64, hash string) (events []*event, err error) {
	for len(lines) > 0 {
		n := bytes.IndexByte(lines, '\n')
		line := bytes.TrimRight(lines[:n], " ")
		e, err := decodeEffect(line, hash)
		switch {
		case err != nil:
		case e.prev != hash:
			err = errors.New("the line does not follow the one before it")
		case e.number != last+1 && !(e.skips() && e.number > last):
			err = fmt.Errorf("event %d follows event %d", e.number, last)
		}
		if err != nil {
			var syntax *pyjson.SyntaxError
			if errors.As(err, &syntax) {
				at += syntax.Offset
			}
			return events, &damageError{offset: at, err: err}
		}
		last, hash = e.number, e.hash
		events = append(events, e)
		at, lines = at+int64(n)+1, lines[n+1:]
	}
	return events, nil
}

// applyAll applies events that end at a position of the log.
func (s *indexState) applyAll(events []*event, end int64) {
	for _, e := range events {
		s.apply(e, end)
	}
	s.offset = end
}

// lookUp settles the version of every stage, so that readers that share the
// model's lock only read.
func (s *indexState) lookUp() {
	for _, stage := range stages {
		s.holder(stage)
	}
}

// extend applies lines that stand at a position of the log, behind the event
// that the state stands at, and returns them as events.
func (s *indexState) extend(lines []byte, at, end int64) ([]*event, error) {
	events, err := parseLog(lines, at, s.last, s.hash)
	if err != nil {
		return nil, err
	}
	s.applyAll(events, end)
	return events, nil
}

// replay returns the state that a whole log makes, and the log's events.
func replay(useCase, model string, lines []byte, end int64) (*indexState, []*event, error) {
	s := newState(useCase, model)
	events, err := s.extend(lines, 0, end)
	return s, events, err
}

// stands reports whether log has the event that the state stands at: its line, or
// its digest in the next line. What a position means is the store's business.
func (s *indexState) stands(log []byte) bool {
	if bytes.Contains(log, []byte(`"prev":"`+s.hash+`"`)) {
		return true
	}
	for line := range bytes.Lines(log) {
		if hashLine(bytes.TrimRight(line, " \n")) == s.hash {
			return true
		}
	}
	return false
}

// lost makes a state that stands on its document alone continue whatever log
// there is: the next change begins with an event that holds all of it. If an
// earlier change did so, and only the document was not brought up to date, the
// log goes on from there.
func (s *indexState) lost(lines []byte, end int64) (*indexState, error) {
	if s.damage != nil { // gates might be among it, and must not open
		return nil, &damageError{document: true, err: s.damage}
	}
	hash, last := "", s.last
	for at := 0; at < len(lines); {
		n := bytes.IndexByte(lines[at:], '\n')
		line := bytes.TrimRight(lines[at:at+n], " ")
		hash = hashLine(line)
		if e, err := decodeEffect(line, ""); err == nil {
			if e.reset && e.number > s.last {
				return resume(lines[at:], int64(at), e, end, s)
			}
			last = max(last, e.number)
			s.giveOut(e)
		}
		at += n + 1
	}
	s.last, s.hash, s.offset = last, hash, end
	s.layGates(s.facts)
	s.pending = &event{op: opImport, reset: true, after: s.images(), removed: s.removed, deleted: s.deleted, model: s.facts.image()}
	return s, nil
}

// resume replays the log from an event that holds everything, but for what only
// the document has: stood is the document's state.
func resume(lines []byte, at int64, first *event, end int64, stood *indexState) (*indexState, error) {
	s := newState(stood.useCase, stood.model)
	s.last, s.hash = first.number-1, first.prev
	s.head, s.others, s.deleted = stood.head, stood.others, stood.deleted
	if _, err := s.extend(lines, at, end); err != nil {
		return nil, err
	}
	if first.model == nil && s.facts.raw == nil && stood.facts.raw != nil { // its writer knew of no facts
		s.learn(stood.facts)
		s.pending = &event{op: opForeign, model: s.facts.raw}
	}
	return s, nil
}

// giveOut keeps numbers that an event of another history gave out from being
// given again.
func (s *indexState) giveOut(e *event) {
	for _, im := range e.after {
		if s.get(im.version) == nil {
			s.remove(im.version)
		}
	}
	for _, version := range e.removed {
		if s.get(version) == nil {
			s.remove(version)
		}
	}
}

func (s *indexState) images() []image {
	list := make([]image, len(s.order))
	for i, e := range s.order {
		list[i] = e.image()
	}
	return list
}
