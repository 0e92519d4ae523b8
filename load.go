package modelregistry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"github.com/ubunye-go/modelregistry/driver"
	"github.com/ubunye-go/modelregistry/internal/document"
	"github.com/ubunye-go/modelregistry/internal/format"
	"github.com/ubunye-go/modelregistry/internal/pyjson"
)

// Another program truncates the document and writes it again, in place. What
// reads as damaged in between is read again for tornFor, every tornEvery, before
// it is reported as damaged.
const (
	tornFor   = 50 * time.Millisecond
	tornEvery = 5 * time.Millisecond
)

// documentFile and logFile are how errors call a model's document and log.
const (
	documentFile = "registry.json"
	logFile      = "history.jsonl"
)

// load brings m.state up to what the view shows, from where it stands or from
// the start.
func (m *model) load(v driver.View) error {
	if m.state != nil {
		ok, err := m.advance(v)
		if err != nil {
			return err
		}
		if ok {
			m.state.rev = v.Revision()
			m.state.lookUp()
			return nil
		}
	}
	s, err := m.loadAll(v)
	if err != nil {
		return err
	}
	s.rev = v.Revision()
	s.lookUp()
	m.state = s
	return nil
}

// withState brings the state up to date by load and calls fn, both under the
// model's lock. If load finds damage it is tried again for tornFor, without the
// lock in between, so that other readers go on.
func (m *model) withState(ctx context.Context, load, fn func() error) error {
	for deadline := time.Now().Add(tornFor); ; time.Sleep(tornEvery) {
		last := ctx.Err() != nil || !time.Now().Before(deadline)
		if torn, err := m.tryState(load, fn, last); !torn {
			return err
		}
	}
}

// loadSettled is load that reads again what looks damaged.
func (m *model) loadSettled(ctx context.Context, v driver.View) error {
	return m.withState(ctx, func() error { return m.load(v) }, func() error { return nil })
}

func (m *model) tryState(load, fn func() error, last bool) (torn bool, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	err = load()
	damage := err
	if err == nil {
		damage = m.state.docErr
	}
	var corrupt *CorruptError
	if errors.As(damage, &corrupt) && !last {
		return true, err
	}
	if err == nil {
		err = fn()
	}
	return false, err
}

// advance applies what was appended since the state was read. It reports false
// if the state has to be read anew: the document is not ours, or the log is not
// the one it was.
func (m *model) advance(v driver.View) (bool, error) {
	s := m.state
	if s.pending != nil || s.docErr != nil || s.rev == nil {
		return false, nil
	}
	checkpoint, checkpointEnd, older := s.checkpoint, s.checkpointEnd, s.older
	if v.DocumentChanged(s.rev) {
		data, ok, err := v.Document()
		if errors.Is(err, fs.ErrInvalid) {
			return false, nil // a full read says so
		}
		if err != nil || !ok {
			return false, err
		}
		at, ours := document.Position(data)
		if !ours || at.Event == s.last && at.Hash != s.hash { // a repair made another history of it
			return false, nil
		}
		if older = at.Format < format.Version; !older && !sameMembers(at.Others, s.others) {
			return false, nil // a later release wrote it
		}
		checkpoint, checkpointEnd = at.Event, at.Offset
	}
	lines, end, err := m.readLog(v, s.offset)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	events, err := m.parseLog(lines, s.offset, s.last, s.hash)
	if err != nil {
		return false, nil // a full read says what is wrong, or finds that nothing is
	}
	if slices.ContainsFunc(events, func(e *event) bool { return e.op == opForeign || e.op == opImport || e.op == opRepair }) {
		return false, nil // the document may hold bytes and keys that no event does
	}
	s.applyAll(events, end)
	s.checkpoint, s.checkpointEnd, s.older = checkpoint, checkpointEnd, older
	return checkpoint <= s.last, nil
}

// applyAll applies events that end at a position of the log.
func (s *state) applyAll(events []*event, end int64) {
	for _, e := range events {
		s.apply(e, end)
	}
	s.offset = end
}

// lookUp settles the version of every stage, so that readers that share the
// model's lock only read.
func (s *state) lookUp() {
	for stage := range rank {
		s.holder(stage)
	}
}

// parseLog reads lines that follow the event last with the digest hash. The
// numbers go up by one, but for an import or a repair, which may leave some out.
func (m *model) parseLog(lines []byte, at, last int64, hash string) (events []*event, err error) {
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
			return events, m.corrupt(logFile, at, err)
		}
		last, hash = e.number, e.hash
		events = append(events, e)
		at, lines = at+int64(n)+1, lines[n+1:]
	}
	return events, nil
}

// readDocument reads the document. What can't be one is corrupt.
func (m *model) readDocument(v driver.View) (d *document.Document, exists bool, err error) {
	data, exists, err := v.Document()
	switch {
	case errors.Is(err, fs.ErrInvalid):
		return nil, true, m.corrupt(documentFile, 0, err)
	case err != nil || !exists:
		return nil, exists, err
	}
	if d, err = document.Parse(data); err != nil {
		var syntax *pyjson.SyntaxError
		errors.As(err, &syntax)
		return nil, true, m.corrupt(documentFile, syntax.Offset, err)
	}
	return d, true, nil
}

// readLog reads the log from a position on. What can't be a log is corrupt.
func (m *model) readLog(v driver.View, from int64) (lines []byte, end int64, err error) {
	lines, end, err = v.Log(from)
	if errors.Is(err, fs.ErrInvalid) {
		err = m.corrupt(logFile, from, err)
	}
	return lines, end, err
}

func (m *model) corrupt(file string, offset int64, err error) error {
	return &CorruptError{Path: m.name.String() + "/" + file, Offset: offset, Err: err}
}

// loadAll reads the model from the start: the document, if it is one of ours,
// and what the log has behind it; else the whole log, merged with the document.
func (m *model) loadAll(v driver.View) (*state, error) {
	d, exists, damage := m.readDocument(v)
	var corrupt *CorruptError
	switch {
	case errors.As(damage, &corrupt):
		s, _, err := m.replay(v)
		if err != nil {
			return nil, errors.Join(damage, err)
		}
		if s.last == 0 {
			return nil, damage
		}
		s.docErr = damage
		return s, nil
	case damage != nil:
		return nil, damage
	case !exists:
		s, _, err := m.replay(v)
		return s, err
	}
	switch {
	case d.Mark == nil || !d.Intact:
		return m.merge(v, d)
	case d.Mark.Format < format.Version:
		return m.followOlder(v, d)
	}
	return m.follow(v, d, fromDocument(m.name, d))
}

// extend applies lines that stand at a position of the log, behind the event
// that the state stands at, and returns them as events.
func (m *model) extend(s *state, lines []byte, at, end int64) ([]*event, error) {
	events, err := m.parseLog(lines, at, s.last, s.hash)
	if err != nil {
		return nil, err
	}
	s.applyAll(events, end)
	return events, nil
}

// replay applies the whole log.
func (m *model) replay(v driver.View) (*state, []*event, error) {
	lines, end, err := m.readLog(v, 0)
	if err != nil {
		return nil, nil, err
	}
	s := newState(m.name)
	events, err := m.extend(s, lines, 0, end)
	return s, events, err
}

// follow starts from the state of a document of ours and applies what the log has
// behind it. If the log does not have the event that the document stands at, somebody
// lost or cut it, and the document is what there is; if it has another one of that
// number, the document came from somewhere else.
func (m *model) follow(v driver.View, d *document.Document, s *state) (*state, error) {
	base := s.facts
	if s.damage != nil {
		return nil, m.corrupt(documentFile, 0, s.damage)
	}
	lines, end, err := m.readLog(v, s.offset)
	if err == nil {
		if _, err = m.extend(s, lines, s.offset, end); err == nil {
			s.takeGates(base, d)
			return s, nil
		}
	} else if errors.Is(err, fs.ErrNotExist) {
		err = m.corrupt(logFile, s.offset, fmt.Errorf("no line ends where event %d should", s.last))
	}
	var corrupt *CorruptError
	if !errors.As(err, &corrupt) {
		return nil, err
	}
	if there, lookErr := stands(v, s); lookErr == nil && there {
		return nil, err
	}
	if r, events, replayErr := m.replay(v); replayErr == nil && slices.ContainsFunc(events, func(e *event) bool { return e.number == s.last }) {
		r.docErr = m.corrupt(documentFile, 0, errStrange)
		return r, nil
	}
	return m.lost(v, s)
}

// errStrange says that a document is one of ours, but tells of another history than the one
// beside it. If that is sound it is the truth.
var errStrange = errors.New("it stands at an event of another history")

// stands reports whether the log has the event that the state stands at: its line,
// or the digest of it in the line behind. What a position means is the store's business.
func stands(v driver.View, s *state) (bool, error) {
	lines, _, err := v.Log(0)
	if err == nil && bytes.Contains(lines, []byte(`"prev":"`+s.hash+`"`)) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	for line := range bytes.Lines(lines) {
		if hashLine(bytes.TrimRight(line, " \n")) == s.hash {
			return true, nil
		}
	}
	return false, nil
}

// lost makes a state that stands on its document alone continue whatever log
// there is: the next change begins with an event that holds all of it. If one
// did so before, and only the document was not brought up to date, the log goes
// on from there.
func (m *model) lost(v driver.View, s *state) (*state, error) {
	if s.damage != nil { // gates might be among it, and must not open
		return nil, m.corrupt(documentFile, 0, s.damage)
	}
	lines, end, err := m.readLog(v, 0)
	if err != nil {
		return nil, err
	}
	hash, last := "", s.last
	for at := 0; at < len(lines); {
		n := bytes.IndexByte(lines[at:], '\n')
		line := bytes.TrimRight(lines[at:at+n], " ")
		hash = hashLine(line)
		if e, err := decodeEffect(line, ""); err == nil {
			if e.reset && e.number > s.last {
				return m.resume(lines[at:], int64(at), e, end, s)
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

// giveOut keeps numbers that an event of another history gave out from being
// given again.
func (s *state) giveOut(e *event) {
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

// resume replays the log from an event that holds everything, but for what only
// the document has.
func (m *model) resume(lines []byte, at int64, first *event, end int64, stood *state) (*state, error) {
	s := newState(m.name)
	s.last, s.hash = first.number-1, first.prev
	s.head, s.others, s.deleted = stood.head, stood.others, stood.deleted
	if _, err := m.extend(s, lines, at, end); err != nil {
		return nil, err
	}
	if first.model == nil && s.facts.raw == nil && stood.facts.raw != nil { // its writer knew of no facts
		s.learn(stood.facts)
		s.pending = &event{op: opForeign, model: s.facts.raw}
	}
	return s, nil
}

func (s *state) images() []image {
	list := make([]image, len(s.order))
	for i, e := range s.order {
		list[i] = e.image()
	}
	return list
}
