package index

import (
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/Masterminds/semver/v3"

	"github.com/ubunye-go/modelregistry/internal/document"
	"github.com/ubunye-go/modelregistry/internal/format"
	"github.com/ubunye-go/modelregistry/internal/pyjson"
)

// A Txn is a state with the changes that are about to be appended. There are
// several changes if callers share one append. The state does not change until
// the append has happened and its events are applied.
type Txn struct {
	Base   *State
	Now    time.Time // the time of the changes
	Events []*Event
	Lines  [][]byte // the lines of the events

	changed        map[string]*Entry // entries after the events so far
	removed        map[string]bool   // versions that these events removed
	added          int               // how many of those are new
	productive     []*Entry          // the versions in production after the events so far
	productions    []string          // the list after the first noted events
	noted          int
	high           *semver.Version // the highest version in the state
	written        string          // Now as text, once it was needed
	hash           string          // the digest of the last line
	archivedOthers bool
}

// NewTxn begins a transaction on a state, at the time of its changes.
func NewTxn(s *State, now time.Time) *Txn {
	t := &Txn{Base: s, productions: slices.Clip(s.productions), high: s.high, Now: now, hash: s.Hash}
	for v := range s.Productive {
		t.productive = append(t.productive, s.Get(v))
	}
	return t
}

// put records the entry that an event leaves.
func (t *Txn) put(e *Entry) {
	if t.Get(e.Version) == nil {
		t.added++
		t.high = highest(t.high, ParseVersion(e.Version))
	}
	if t.changed == nil {
		t.changed = map[string]*Entry{}
	}
	t.changed[e.Version] = e
	delete(t.removed, e.Version)
	t.productive = slices.DeleteFunc(t.productive, func(p *Entry) bool { return p.Version == e.Version })
	if e.Stage == Production {
		t.productive = append(t.productive, e)
	}
}

// remove records that an event removes an entry.
func (t *Txn) remove(version string) {
	if t.removed == nil {
		t.removed = map[string]bool{}
	}
	t.removed[version] = true
	delete(t.changed, version)
	t.productive = slices.DeleteFunc(t.productive, func(p *Entry) bool { return p.Version == version })
}

// Bytes returns about how long the lines are.
func (t *Txn) Bytes() int64 {
	n := 0
	for _, line := range t.Lines {
		n += len(line) + 1
	}
	return int64(n)
}

// Get returns the entry of a version after the events so far, or nil.
func (t *Txn) Get(version string) *Entry {
	if e := t.changed[version]; e != nil || t.removed[version] {
		return e
	}
	return t.Base.Get(version)
}

// Production returns the version in production after the events so far, or nil.
func (t *Txn) Production() *Entry {
	var h *Entry
	for _, e := range t.productive {
		if h == nil || e.newer(h) {
			h = e
		}
	}
	return h
}

// Holder returns the version of a stage after the events so far, as readers see
// the stages. If there are several, it is the one that entered last.
func (t *Txn) Holder(stage string) (h *Entry) {
	switch {
	case stage == Production:
		return t.Production()
	case len(t.changed) == 0 && len(t.removed) == 0:
		return t.Base.Holder(stage)
	case stage == Archived && len(t.productive) > 1:
		return t.withdrawn()
	}
	for e := range t.Entries() {
		if e.Stage == stage && (h == nil || e.newer(h)) {
			h = e
		}
	}
	return h
}

// withdrawn is State.withdrawn after the events so far.
func (t *Txn) withdrawn() (last *Entry) {
	h := t.Production()
	for _, e := range t.productive {
		if e != h && (last == nil || e.newer(last)) {
			last = e
		}
	}
	return last
}

// Entries yields every version after the events so far.
func (t *Txn) Entries() iter.Seq[*Entry] {
	return func(yield func(*Entry) bool) {
		for _, e := range t.Base.Entries {
			if now := t.Get(e.Version); now != nil && !yield(now) {
				return
			}
		}
		for version, e := range t.changed {
			if t.Base.Get(version) == nil && !yield(e) {
				return
			}
		}
	}
}

// Empty reports whether the model has no versions and no event so far adds one.
func (t *Txn) Empty() bool { return t.Base.Empty() && len(t.changed) == 0 }

// Stage returns an entry's stage as readers see it.
func (t *Txn) Stage(e *Entry) string {
	stage := e.Stage
	if stage == Production && t.Production() != e {
		return Archived
	}
	return stage
}

// A Move is a decided move of a version to another stage.
type Move struct {
	Op            string
	Entry         *Entry
	To            string
	Actor, Reason string
	Gates         []byte // the result of each gate, in the form of an event
	SkippedGates  bool
	Forced        bool
}

// Move appends the event of a move. It returns the entry of the version that
// leaves production because of it, or nil.
func (t *Txn) Move(m Move) (predecessor *Entry, err error) {
	ev := &Event{Op: m.Op, Version: m.Entry.Version, From: t.Stage(m.Entry), To: m.To, Actor: m.Actor, Reason: m.Reason,
		Gates: m.Gates, SkippedGates: m.SkippedGates, Forced: m.Forced, After: make([]Image, 0, 2)}
	if m.To == Production {
		if predecessor = t.Production(); predecessor != nil {
			ev.After = append(ev.After, t.inStage(predecessor, Archived))
		}
	}
	var also []pyjson.Member
	if m.Op == OpPromote || m.Op == OpRollback {
		by := []byte("null")
		if m.Actor != "" {
			by = pyjson.Quote(m.Actor)
		}
		also = []pyjson.Member{{Key: "promoted_by", Value: by}}
	}
	ev.After = append(ev.After, t.inStage(m.Entry, m.To, also...))
	return predecessor, t.Emit(ev)
}

// stamp returns the time of the changes, in the form of entries and events.
func (t *Txn) stamp() string {
	if t.written == "" {
		t.written = FormatTime(t.Now)
	}
	return t.written
}

// inStage returns the image of an entry that enters a stage now, with further
// members set.
func (t *Txn) inStage(e *Entry, stage string, also ...pyjson.Member) Image {
	set := append(make([]pyjson.Member, 0, 4), also...)
	room := make([]byte, 0, 128)
	put := func(key, text string) {
		from := len(room)
		room = pyjson.AppendString(room, text)
		set = append(set, pyjson.Member{Key: key, Value: room[from:]})
	}
	put("version", e.Version)
	put("stage", stage)
	if key := stageTimeKeys[stage]; key != "" {
		put(key, t.stamp())
	}
	return Image{Version: e.Version, Raw: document.Set(e.layOut(), set), Extra: e.Extra, stageRead: stage}
}

// Record appends an external change that is not recorded yet, if there is one.
func (t *Txn) Record(pending *Event) error {
	if pending == nil {
		return nil
	}
	e := *pending
	e.Deleted = WithMembers(e.Deleted, records(e.NewDeletions, t.stamp()))
	return t.Emit(&e)
}

// Emit numbers an event and adds it to the append. If another program left a
// second production version, the first event of our own in an append also
// archives it.
func (t *Txn) Emit(ev *Event) error {
	if err := t.Base.Facts.Writable(); err != nil {
		return err
	}
	if ev.Model == nil && ev.restates() {
		ev.Model = t.Base.Facts.image()
	}
	if ev.Op != OpImport && ev.Op != OpForeign && !t.archivedOthers {
		t.archivedOthers = true
		if len(t.Base.Productive) > 1 {
			t.archiveOthers(ev)
		}
	}
	ev.Number = t.Base.Last + int64(len(t.Events)) + 1
	if ev.Number > format.MaxEvent {
		return fmt.Errorf("the history has event %d, and no number comes after it", t.Base.Last)
	}
	ev.ID, ev.Time, ev.Prev = newID(), t.Now, t.hash
	added := 0
	for i := range ev.After {
		im := &ev.After[i]
		pos, old := t.Base.next+t.added+added, t.Get(im.Version)
		if old != nil {
			pos = old.pos
		} else {
			added++
		}
		if old == nil || old.Stage != im.Stage() {
			im.Extra = withEntered(im.Extra, ev.Number)
		}
		im.entry = newEntry(im, pos)
	}
	line, err := ev.Encode()
	if err != nil {
		return err
	}
	if ev.Op == OpDelete {
		for _, version := range ev.Removed {
			t.remove(version)
		}
	}
	for _, im := range ev.After {
		t.put(im.entry)
	}
	ev.Hash = HashLine(line)
	t.Events, t.Lines, t.hash = append(t.Events, ev), append(t.Lines, line), ev.Hash
	return nil
}

// archiveOthers makes an event archive all versions in production except the
// one that entered last. The event's own change of a version has priority.
func (t *Txn) archiveOthers(ev *Event) {
	own := map[string]bool{}
	for _, im := range ev.After {
		own[im.Version] = true
	}
	for _, version := range ev.Removed {
		own[version] = true
	}
	for _, im := range t.otherProductions() {
		if !own[im.Version] {
			ev.After = append(ev.After, im)
		}
	}
	slices.SortStableFunc(ev.After, func(a, b Image) int { return t.place(a) - t.place(b) })
}

// otherProductions returns the images that archive all versions in production
// except the one that entered last. Only another program can have left several.
func (t *Txn) otherProductions() (list []Image) {
	h := t.Base.Holder(Production)
	for _, e := range t.Base.Entries {
		if e.Stage == Production && e != h {
			list = append(list, t.inStage(t.Get(e.Version), Archived))
		}
	}
	return list
}

func (t *Txn) place(im Image) int {
	if e := t.Get(im.Version); e != nil {
		return e.pos
	}
	return t.Base.next
}

// NextNumber returns the version that an auto-versioned registration gets. It
// skips the numbers in skip.
func (t *Txn) NextNumber(skip map[string]bool) (string, error) {
	version, err := nextVersion(t.high)
	for err == nil && skip[version] {
		version, err = nextVersion(ParseVersion(version))
	}
	return version, err
}

// Register appends the event of a registration.
func (t *Txn) Register(version string, raw, x []byte, actor, reason string) error {
	return t.Emit(&Event{Op: OpRegister, Version: version, To: Development, Actor: actor, Reason: reason,
		After: []Image{{Version: version, Raw: raw, Extra: x, stageRead: Development}}})
}

// Free returns a *TakenError if a pinned version can't be registered, or nil.
func (t *Txn) Free(version string) error {
	if t.Get(version) != nil || t.removed[version] || t.Base.WasRemoved(version) {
		return &TakenError{}
	}
	if v := ParseVersion(version); v.Prerelease() == "" && v.Metadata() == "" {
		return nil // digits and dots have one case
	}
	for _, e := range t.Base.Entries {
		if strings.EqualFold(e.Version, version) {
			return &TakenError{Alike: e.Version}
		}
	}
	for v := range t.changed {
		if strings.EqualFold(v, version) {
			return &TakenError{Alike: v}
		}
	}
	return nil
}
