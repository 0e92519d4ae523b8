package index

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/ubunye-go/modelregistry/internal/document"
	"github.com/ubunye-go/modelregistry/internal/format"
	"github.com/ubunye-go/modelregistry/internal/pyjson"
)

// DecodeEvent reads a line. It ignores keys that it does not know, because a
// later release may add some. With the error ErrChecksum it also returns the
// event.
func DecodeEvent(line []byte) (*Event, error) {
	return (&eventDecoder{line: line}).decode()
}

// decodeEffect is DecodeEvent for a state. It makes the same checks, and leaves
// out the parts that do not change a state: id, time, actor, reason, gates.
// prev is the expected digest of the line before; if it is right, decoding
// allocates no memory for it.
func decodeEffect(line []byte, prev string) (*Event, error) {
	return (&eventDecoder{line: line, effect: true, prev: prev}).decode()
}

// An eventDecoder reads a line in one pass. A value of the wrong type does not
// end the pass, because a JSON fault after it is more serious.
type eventDecoder struct {
	line   []byte
	effect bool
	prev   string // the expected e.prev
	e      *Event
	room   []Image // for e.after
	extras []extraOf
	err    error // for the first value of the wrong type

	extraRoom [2]extraOf
}

// An extraOf is the extra of an entry in a line. It may come before the entry.
type extraOf struct{ version, raw []byte }

func (d *eventDecoder) decode() (*Event, error) {
	if !utf8.Valid(d.line) {
		return nil, errors.New("it is not UTF-8")
	}
	made := &struct {
		Event
		room [2]Image // a promotion to production has two
	}{}
	d.e, d.room = &made.Event, made.room[:0]
	if err := pyjson.Walk(d.line, d.member); err != nil {
		return nil, err
	}
	d.join()
	if d.err == nil && (d.e.Number < 1 || d.e.Number > format.MaxEvent || d.e.Op == "") {
		d.err = errors.New("it is not an event")
	}
	if _, ok := Unseal(d.line); !ok && d.err == nil {
		d.err = ErrChecksum
	}
	d.e.Hash = HashLine(d.line)
	return d.e, d.err
}

func (d *eventDecoder) member(start, end, at int) (stop int, err error) {
	key := pyjson.Text(d.line[start:end])
	if at < len(d.line) && d.line[at] == '{' { // members that should be objects, and are decoded
		switch string(key) {
		case "after":
			return pyjson.Members(d.line, at, 1, d.image)
		case "extra":
			d.extras = nil
			return pyjson.Members(d.line, at, 1, d.entryExtra)
		}
	}
	stop, err = pyjson.Skip(d.line, at, 1)
	if err != nil {
		return stop, err
	}
	e, raw := d.e, d.line[at:stop]
	switch string(key) {
	case "event":
		d.number("event", raw, &e.Number)
	case "id":
		e.ID = d.description("id", raw)
	case "time":
		e.Time, err = parseTime(d.bytes("time", raw))
		d.fail("time", err)
	case "op":
		e.Op = d.oneOf("op", raw, OpRegister, OpPromote, OpDemote, OpRollback, OpArchive, OpImport, OpForeign, OpRepair, OpGates, OpAlias, OpAnnotate,
			OpDelete, OpUndelete, OpPurge, OpHold, OpUnhold)
	case "version":
		e.Version = d.text("version", raw)
	case "from":
		e.From = d.stage("from", raw)
	case "to":
		e.To = d.stage("to", raw)
	case "actor":
		e.Actor = d.description("actor", raw)
	case "reason":
		e.Reason = d.description("reason", raw)
	case "refused":
		d.flag("refused", raw, &e.Refused)
	case "skipped_gates":
		d.flag("skipped_gates", raw, &e.SkippedGates)
	case "forced":
		d.flag("forced", raw, &e.Forced)
	case "gates":
		e.Gates = d.list("gates", raw)
	case "reset":
		d.flag("reset", raw, &e.Reset)
	case "removed":
		d.json("removed", raw, &e.Removed)
	case "reused":
		d.json("reused", raw, &e.Reused)
	case "deleted":
		e.Deleted = d.object("deleted", raw)
	case "doubts":
		e.Doubts = d.doubts(raw)
	case "aliases":
		e.Aliases = d.aliasChanges(raw)
	case "note":
		e.Note = d.annotationChange(raw)
	case "document":
		e.Document = d.text("document", raw)
	case "after":
		d.fail("after", &pyjson.SyntaxError{Reason: "want an object"})
	case "extra":
		d.extras = nil
		d.fail("extra", &pyjson.SyntaxError{Reason: "want an object"})
	case format.Model:
		if raw[0] != '{' {
			d.fail(format.Model, &pyjson.SyntaxError{Reason: "want an object"})
			break
		}
		e.Model = raw[:len(raw):len(raw)]
	case "checkpoint": // the document's event, which releases before notes wrote
		e.Unnoted = true
	case "prev":
		e.Prev = d.oneOf("prev", raw, d.prev)
	}
	return stop, nil
}

// image reads an entry, and finds its stage on the way.
func (d *eventDecoder) image(start, end, at int) (stop int, err error) {
	stop, stage, err := document.SkipEntry(d.line, at, 2)
	if err != nil {
		return stop, err
	}
	if d.e.After == nil {
		d.e.After = d.room
	}
	raw := d.line[at:stop:stop]
	d.e.After = append(d.e.After, Image{Version: d.version(pyjson.Text(d.line[start:end])), Raw: raw, compact: true, stageRead: entryStage(raw, stage)})
	return stop, nil
}

// entryExtra reads the extra of an entry.
func (d *eventDecoder) entryExtra(start, end, at int) (stop int, err error) {
	if stop, err = pyjson.Skip(d.line, at, 2); err != nil {
		return stop, err
	}
	if d.extras == nil {
		d.extras = d.extraRoom[:0]
	}
	d.extras = append(d.extras, extraOf{pyjson.Text(d.line[start:end]), d.line[at:stop]})
	return stop, nil
}

// join gives the entries their extras.
func (d *eventDecoder) join() {
	find := d.last
	if len(d.extras) > len(d.extraRoom) {
		all := make(map[string]*Image, len(d.e.After))
		for i := range d.e.After {
			all[d.e.After[i].Version] = &d.e.After[i]
		}
		find = func(version []byte) *Image { return all[string(version)] }
	}
	for _, x := range d.extras {
		if im := find(x.version); im != nil {
			_, err := checkExtra(x.raw)
			d.fail(im.Version, err)
			im.Extra = nil
			if string(x.raw) != "{}" {
				im.Extra = pyjson.Compact(nil, x.raw)
			}
		}
	}
}

// last returns the last entry of a version.
func (d *eventDecoder) last(version []byte) *Image {
	for i := range slices.Backward(d.e.After) {
		if im := &d.e.After[i]; im.Version == string(version) {
			return im
		}
	}
	return nil
}

func (d *eventDecoder) fail(key string, err error) {
	if err != nil && d.err == nil {
		d.err = fmt.Errorf("%s: %w", key, err)
	}
}

func (d *eventDecoder) json(key string, raw []byte, into any) { d.fail(key, json.Unmarshal(raw, into)) }

func (d *eventDecoder) number(key string, raw []byte, into *int64) {
	n, err := strconv.ParseInt(string(raw), 10, 64)
	if err != nil {
		d.json(key, raw, into)
		return
	}
	*into = n
}

func (d *eventDecoder) flag(key string, raw []byte, into *bool) {
	if string(raw) == "true" {
		*into = true
		return
	}
	d.json(key, raw, into)
}

// stage accepts any name, because an entry that another program wrote may have
// a stage that we do not know.
func (d *eventDecoder) stage(key string, raw []byte) string { return stageNamed(d.bytes(key, raw)) }

// text reads a string.
func (d *eventDecoder) text(key string, raw []byte) string { return string(d.bytes(key, raw)) }

// bytes is text without a copy.
func (d *eventDecoder) bytes(key string, raw []byte) []byte {
	if raw[0] == '"' {
		return pyjson.Text(raw)
	}
	var s string
	d.json(key, raw, &s)
	return []byte(s)
}

// description reads a string that describes the event and does not change a
// state.
func (d *eventDecoder) description(key string, raw []byte) string {
	if d.effect && raw[0] == '"' {
		return ""
	}
	return d.text(key, raw)
}

// oneOf reads a string that is probably one of likely. In that case it
// allocates no memory.
func (d *eventDecoder) oneOf(key string, raw []byte, likely ...string) string {
	text := d.bytes(key, raw)
	for _, s := range likely {
		if string(text) == s {
			return s
		}
	}
	return string(text)
}

// version returns the version of an entry. In most events it is one that was
// read before.
func (d *eventDecoder) version(name []byte) string {
	if string(name) == d.e.Version {
		return d.e.Version
	}
	return string(name)
}

// list returns a raw list, or nil if the decoder leaves out parts that do not
// change a state.
func (d *eventDecoder) list(key string, raw []byte) []byte {
	switch {
	case raw[0] != '[':
		d.fail(key, &pyjson.SyntaxError{Reason: "want a list"})
		return nil
	case d.effect:
		return nil
	}
	return raw[:len(raw):len(raw)]
}

func (d *eventDecoder) doubts(raw []byte) (list []Doubt) {
	if raw = d.object("doubts", raw); raw == nil {
		return nil
	}
	members, _ := pyjson.Object(raw)
	for _, m := range members {
		var reason string
		d.fail("doubts", json.Unmarshal(m.Value, &reason))
		list = append(list, Doubt{m.Key, reason})
	}
	return list
}

// object returns a raw object, or nil if it is empty.
func (d *eventDecoder) object(key string, raw []byte) []byte {
	members, err := pyjson.Object(raw)
	if err != nil {
		d.fail(key, &pyjson.SyntaxError{Reason: "want an object"})
		return nil
	}
	if len(members) == 0 {
		return nil
	}
	return raw[:len(raw):len(raw)]
}
