package modelregistry

import (
	"crypto/rand"
	"encoding/hex"
	"strconv"
	"time"

	"github.com/ubunye-go/modelregistry/internal/format"
	"github.com/ubunye-go/modelregistry/internal/pyjson"
)

// Operations, as events name them.
const (
	opRegister = "register"
	opPromote  = "promote"
	opDemote   = "demote"
	opRollback = "rollback"
	opArchive  = "archive"
	opImport   = "import"  // the state of a document that had no history, or had lost it
	opForeign  = "foreign" // what somebody else changed in the document
	opRepair   = "repair"  // what Repair found and made of it
)

// An event is one line of a model's history. It carries the full after-image of
// every entry it touches, so that to apply it is to set entries, in any number,
// twice if need be.
type event struct {
	number       int64
	id           string // 128 random bits, hex
	time         time.Time
	op           string
	version      string
	from, to     string // stages
	actor        string
	reason       string
	refused      bool
	gates        []byte // what each gate found: a list; nil if none was asked
	skippedGates bool
	forced       bool
	after        []image
	removed      []string // entries that are gone
	model        []byte   // the facts of the model after it, an object; nil if it did not touch them
	deleted      []byte   // who deleted them and when, by version: an object; nil for nothing
	gone         []buried // of those, what is not in deleted yet
	reused       []string // of those in after, numbers that were given out before
	doubts       []doubt  // what of an external change can't be told
	document     string   // SHA-256 of the document that an external change was taken from, hex
	reset        bool     // the entries after it are all there are
	unnoted      bool     // its writer leaves no note of documents that it puts in place
	prev         string   // SHA-256 of the line before, hex
	hash         string   // SHA-256 of its own line, hex, once it has one
}

// An image is one version's entry after an event.
type image struct {
	version   string
	raw       []byte // the entry, as the document holds it
	compact   bool   // or as an event does
	extra     []byte // what the registry keeps of it beside, as JSON on one line; nil for nothing
	stageRead string // as raw has it; empty if it was not looked for
	made      *entry // of it, by the txn that emitted it
}

// stage returns the entry's stage, empty for what is no entry.
func (im *image) stage() string {
	if im.stageRead != "" {
		return im.stageRead
	}
	return stageOf(im.raw)
}

// skips reports whether the event may leave out numbers: it starts anew, or tells
// that lines were lost.
func (e *event) skips() bool { return e.reset || e.op == opRepair }

// restates reports whether the event says anew what is known of the model.
func (e *event) restates() bool { return e.reset || e.op == opImport || e.op == opRepair }

// newID returns the identifier of a new event.
func newID() string {
	var b [16]byte
	rand.Read(b[:])
	var text [2 * len(b)]byte
	hex.Encode(text[:], b[:])
	return string(text[:])
}

// encode returns the event as a line without its end.
func (e *event) encode() ([]byte, error) {
	room := 512 + len(e.reason) + len(e.gates) + len(e.model)
	for _, im := range e.after {
		room += len(im.raw) + len(im.extra) + 2*len(im.version)
	}
	b := strconv.AppendInt(append(make([]byte, 0, room), `{"event":`...), e.number, 10)
	text := func(key, value string) {
		if value != "" {
			b = pyjson.AppendString(append(b, key...), value)
		}
	}
	flag := func(key string, on bool) {
		if on {
			b = append(append(b, key...), "true"...)
		}
	}
	text(`,"id":`, e.id)
	text(`,"time":`, formatTime(e.time))
	text(`,"op":`, e.op)
	text(`,"version":`, e.version)
	text(`,"from":`, e.from)
	text(`,"to":`, e.to)
	text(`,"actor":`, e.actor)
	text(`,"reason":`, e.reason)
	flag(`,"refused":`, e.refused)
	flag(`,"skipped_gates":`, e.skippedGates)
	flag(`,"forced":`, e.forced)
	if e.gates != nil {
		b = pyjson.Compact(append(b, `,"gates":`...), e.gates)
	}
	flag(`,"reset":`, e.reset)
	for _, list := range []struct {
		key      string
		versions []string
	}{{`,"removed":`, e.removed}, {`,"reused":`, e.reused}} {
		if len(list.versions) > 0 {
			raw, err := pyjson.Marshal(list.versions, true)
			if err != nil {
				return nil, err
			}
			b = append(append(b, list.key...), raw...)
		}
	}
	if e.deleted != nil {
		b = pyjson.Compact(append(b, `,"deleted":`...), e.deleted)
	}
	if len(e.after) > 0 {
		key := `,"after":{`
		for _, im := range e.after {
			b = append(pyjson.AppendString(append(b, key...), im.version), ':')
			b = pyjson.Compact(b, im.raw)
			key = ","
		}
		key = `},"extra":{`
		for _, im := range e.after {
			b = append(pyjson.AppendString(append(b, key...), im.version), ':')
			if len(im.extra) == 0 {
				b = append(b, "{}"...)
			}
			b = append(b, im.extra...)
			key = ","
		}
		b = append(b, '}')
	}
	if e.model != nil {
		b = pyjson.Compact(append(b, `,"`+format.Model+`":`...), e.model)
	}
	b = appendDoubts(b, e.doubts)
	text(`,"document":`, e.document)
	return sealLine(pyjson.AppendString(append(b, `,"prev":`...), e.prev)), nil
}
