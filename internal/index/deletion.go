package index

import (
	"encoding/json"
	"slices"
	"strconv"
	"time"

	"github.com/ubunye-go/modelregistry/internal/document"
	"github.com/ubunye-go/modelregistry/internal/pyjson"
)

// The members of the record of a deleted version.
const (
	stoneRegistered = "registered_at"
	stoneAt         = "at"
	stoneEvent      = "event" // the number of the event that deleted it; other programs' deletions have none
	stoneBy         = "by"
	stoneReason     = "reason"
	stonePurged     = "purged" // when its files were given up; absent while they are kept
)

// holdKey is the member of an extra that holds a Hold.
const holdKey = "hold"

// A Hold says who forbade the deletion of a version, when and why.
type Hold struct {
	By     string `json:"by,omitempty"`
	At     string `json:"at"`
	Reason string `json:"reason,omitempty"`
}

// A Deletion is the record of a deleted version.
type Deletion struct {
	Version    string
	Event      string    // the number of the event that deleted it, "" if not known
	At, Purged time.Time // Purged is zero while the files are kept
	By, Reason string
}

func readDeletion(version string, raw []byte) (d Deletion, ok bool) {
	if len(raw) == 0 || raw[0] != '{' {
		return d, false
	}
	text := func(key string) string {
		if v := Value(raw, key); len(v) > 0 && v[0] == '"' {
			return string(pyjson.Text(v))
		}
		return ""
	}
	d = Deletion{Version: version, Event: string(Value(raw, stoneEvent)), By: text(stoneBy), Reason: text(stoneReason)}
	d.At, _ = parseTime([]byte(text(stoneAt)))
	d.Purged, _ = parseTime([]byte(text(stonePurged)))
	return d, true
}

// Deletion returns the record of a version that was deleted and is not listed.
func (s *State) Deletion(version string) (d Deletion, ok bool) {
	if s.Get(version) != nil {
		return d, false
	}
	return readDeletion(version, s.deleted.get(version))
}

// Deletions returns the records of all versions that were deleted and are not
// listed, the lowest number first.
func (s *State) Deletions() (list []Deletion) {
	for _, version := range s.deleted.all() {
		if d, ok := s.Deletion(version); ok {
			list = append(list, d)
		}
	}
	slices.SortFunc(list, func(a, b Deletion) int { return CompareVersions(a.Version, b.Version) })
	return list
}

// Deletion is State.Deletion after the events so far.
func (t *Txn) Deletion(version string) (d Deletion, ok bool) {
	if t.Get(version) != nil {
		return d, false
	}
	return readDeletion(version, t.stone(version))
}

// stone returns the raw record of a deleted version after the events so far.
func (t *Txn) stone(version string) []byte {
	for _, e := range slices.Backward(t.Events) {
		if e.Deleted == nil {
			continue
		}
		if raw := Value(e.Deleted, version); raw != nil {
			return raw
		}
	}
	return t.Base.deleted.get(version)
}

// anotherProgram is the name of a deleter that is not known.
const anotherProgram = "another program"

// A newDeletion is a deletion that no record was made of yet.
type newDeletion struct {
	version            string
	registeredAt, once []byte // raw; nil if the version has none
	by, reason         string
	event              int64 // by which this registry deletes it; 0 if another program did
}

// record returns the record of a deletion: an object.
func (d newDeletion) record(at string) []byte {
	var stone []pyjson.Member
	add := func(key string, value []byte) {
		if value != nil {
			stone = append(stone, pyjson.Member{Key: key, Value: value})
		}
	}
	text := func(key, value string) {
		if value != "" {
			add(key, pyjson.Quote(value))
		}
	}
	add(stoneRegistered, d.registeredAt)
	text(stoneAt, at)
	text(stoneBy, d.by)
	text(stoneReason, d.reason)
	if d.event > 0 {
		add(stoneEvent, strconv.AppendInt(nil, d.event, 10))
	}
	add(onceKey, d.once)
	return appendObject(nil, stone)
}

// records returns the records of deletions, by version: an object, nil for
// none.
func records(list []newDeletion, at string) []byte {
	var members []pyjson.Member
	for _, d := range list {
		members = append(members, pyjson.Member{Key: d.version, Value: d.record(at)})
	}
	if members == nil {
		return nil
	}
	return appendObject(nil, members)
}

// deletionOf returns the deletion of an entry. earlier is the record of a
// version of its number that was deleted before, or nil. A version keeps its
// key. If it has none, that record's key stays, so that its registration is not
// repeated.
func deletionOf(e *Entry, earlier []byte) newDeletion {
	d := newDeletion{version: e.Version, registeredAt: registeredAt(e.Raw), once: Value(e.Extra, onceKey)}
	if d.once == nil && earlier != nil {
		d.once = Value(earlier, onceKey)
	}
	return d
}

// Delete appends the event that deletes versions. Their numbers are not given
// out again, and their files stay until they are purged.
func (t *Txn) Delete(list []*Entry, actor, reason string, forced bool) error {
	ev := &Event{Op: OpDelete, Actor: actor, Reason: reason, Forced: forced}
	if len(list) == 1 {
		ev.Version, ev.From = list[0].Version, t.Stage(list[0])
	}
	var deletions []newDeletion
	for _, e := range list {
		d := deletionOf(e, t.stone(e.Version))
		d.by, d.reason, d.event = actor, reason, t.Base.Last+int64(len(t.Events))+1
		deletions = append(deletions, d)
		ev.Removed = append(ev.Removed, e.Version)
	}
	ev.Deleted = records(deletions, t.stamp())
	return t.Emit(ev)
}

// DeleteEach appends an event for each version that it deletes.
func (t *Txn) DeleteEach(list []*Entry, actor, reason string) error {
	for _, e := range list {
		if err := t.Delete([]*Entry{e}, actor, reason, false); err != nil {
			return err
		}
	}
	return nil
}

// Undelete appends the event that lists a deleted version again, as it was. A
// version that was in production is archived.
func (t *Txn) Undelete(im Image, actor, reason string) error {
	e := newEntry(&im, 0)
	if e.Stage == Production {
		im = t.inStage(e, Archived)
	} else {
		im = Image{Version: im.Version, Raw: e.layOut(), Extra: im.Extra, stageRead: e.Stage}
	}
	ev := &Event{Op: OpUndelete, Version: im.Version, To: im.Stage(), Actor: actor, Reason: reason, After: []Image{im}}
	if stone := t.stone(im.Version); stone == nil || Value(stone, onceKey) == nil || Value(im.Extra, onceKey) != nil {
		ev.Deleted = appendObject(nil, []pyjson.Member{{Key: im.Version, Value: []byte("null")}})
	} // else the record keeps the key of an earlier version of the number
	return t.Emit(ev)
}

// Purge appends the event that gives up the files of deleted versions.
func (t *Txn) Purge(versions []string, actor, reason string) error {
	var members []pyjson.Member
	for _, version := range versions {
		members = append(members, pyjson.Member{Key: version, Value: withMember(t.stone(version), stonePurged, pyjson.Quote(t.stamp()))})
	}
	return t.Emit(&Event{Op: OpPurge, Actor: actor, Reason: reason, Deleted: appendObject(nil, members)})
}

// Purged returns the versions whose files a purge gave up.
func (e *Event) Purged() (versions []string) {
	if e.Op != OpPurge || e.Deleted == nil {
		return nil
	}
	members, _ := pyjson.Object(e.Deleted)
	for _, m := range members {
		versions = append(versions, m.Key)
	}
	return versions
}

// Held returns the hold on a version, if there is one. A hold that can't be
// read counts as a hold.
func (e *Entry) Held() (h Hold, held bool) {
	if len(e.Extra) == 0 {
		return h, false
	}
	raw := Value(e.Extra, holdKey)
	if raw == nil || string(raw) == "null" {
		return h, false
	}
	_ = json.Unmarshal(raw, &h)
	return h, true
}

// SetHold appends the event that holds a version, or that ends its hold.
func (t *Txn) SetHold(e *Entry, hold bool, actor, reason string) error {
	ev := &Event{Op: OpUnhold, Version: e.Version, Actor: actor, Reason: reason}
	var value []byte
	if hold {
		raw, err := pyjson.Marshal(map[string]any{"by": actor, "at": t.stamp(), "reason": reason}, true)
		if err != nil {
			return err
		}
		ev.Op, value = OpHold, raw
	}
	ev.After = []Image{{Version: e.Version, Raw: e.layOut(), Extra: withMember(e.Extra, holdKey, value), stageRead: e.Stage}}
	return t.Emit(ev)
}

// HighestNumber is why the highest version is protected.
const HighestNumber = "it has the highest number, which Ubunye would give again"

// Protections say which versions should not be deleted, after the events so
// far.
type Protections struct {
	t                 *Txn
	previous, highest string // versions; empty for none
	facts             Facts
}

// Protections returns the protections of all versions.
func (t *Txn) Protections() Protections {
	p := Protections{t: t, facts: t.Facts()}
	p.previous, _ = t.PreviousProduction()
	for e := range t.Entries() {
		if p.highest == "" || higher(e.Version, p.highest) {
			p.highest = e.Version
		}
	}
	return p
}

// higher reports whether a version is higher than another one. Any release is
// higher than any other version, because Ubunye counts from the releases only.
func higher(version, than string) bool {
	_, a := document.ParseRelease(version)
	_, b := document.ParseRelease(than)
	if a != b {
		return a
	}
	return CompareVersions(version, than) > 0
}

// Of returns why a version should not be deleted, or "". Force overrides all
// reasons but a hold.
func (p Protections) Of(e *Entry) (reason string, held bool) {
	if h, held := e.Held(); held {
		text := "it is held"
		if h.By != "" {
			text += " by " + h.By
		}
		if h.Reason != "" {
			text += ": " + h.Reason
		}
		return text, true
	}
	named := p.facts.NamedBy(e.Version)
	switch {
	case p.t.Stage(e) == Production:
		return "it is in production", false
	case p.previous == e.Version:
		return "a rollback would restore it", false
	case named != "":
		return named, false
	case p.highest == e.Version:
		return HighestNumber, false
	}
	return "", false
}
