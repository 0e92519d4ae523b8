package index

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/ubunye-go/modelregistry/internal/pyjson"
)

// Extra is what the registry keeps about a version outside its entry.
type Extra struct {
	Entered        int64           `json:"entered,omitempty"` // the event by which the version entered its stage
	RegisteredBy   string          `json:"registered_by,omitempty"`
	SourceRevision string          `json:"source_revision,omitempty"`
	Manifest       string          `json:"manifest,omitempty"` // SHA-256 of manifest.json, hex
	Gates          json.RawMessage `json:"gates,omitempty"`    // an object
	Once           *Once           `json:"once,omitempty"`
}

// Encode returns the extra as JSON on one line.
func (x Extra) Encode() ([]byte, error) {
	raw, err := json.Marshal(x)
	if err != nil || string(raw) == "{}" {
		return nil, err
	}
	return pyjson.Compact(nil, raw), nil
}

// withEntered returns an extra with the event by which the version enters a
// stage.
func withEntered(raw []byte, event int64) []byte {
	const key = `{"entered":`
	b := strconv.AppendInt(append(make([]byte, 0, len(raw)+len(key)+20), key...), event, 10)
	n := len(b)
	err := pyjson.Walk(raw, func(start, end, at int) (int, error) {
		stop, err := pyjson.Skip(raw, at, 1)
		if err == nil && !pyjson.Names(raw[start:end], "entered") {
			b = append(append(append(append(b, ','), raw[start:end]...), ':'), raw[at:stop]...)
		}
		return stop, err
	})
	if err != nil {
		b = b[:n]
	}
	return append(b, '}')
}

// checkExtra returns the event by which a version entered its stage, and an
// error if the extra can't be read. Gates are not checked: a gate that can't be
// read is a gate that no version passes.
func checkExtra(raw []byte) (entered int64, err error) {
	x, err := ReadExtra(raw)
	return x.Entered, err
}

// ReadExtra splits an extra into its parts. Members that it does not know stay
// in the raw extra.
func ReadExtra(raw []byte) (x RawExtra, err error) {
	if len(raw) == 0 {
		return x, nil
	}
	if x, ok := plainExtra(raw); ok {
		return x, nil
	}
	return walkExtra(raw)
}

// walkExtra is ReadExtra for an extra in any form.
func walkExtra(raw []byte) (x RawExtra, err error) {
	err = pyjson.Walk(raw, func(start, end, at int) (int, error) {
		stop, err := pyjson.Skip(raw, at, 1)
		if err == nil {
			err = x.take(string(pyjson.Text(raw[start:end])), raw[at:stop:stop])
		}
		return stop, err
	})
	return x, err
}

// take records a member that it knows.
func (x *RawExtra) take(key string, value []byte) (err error) {
	if string(value) == "null" {
		return nil
	}
	texts := map[string]*[]byte{"registered_by": &x.RegisteredBy, "source_revision": &x.SourceRevision, "manifest": &x.Manifest}
	switch into := texts[key]; {
	case key == "entered":
		n, err := strconv.ParseInt(string(value), 10, 64)
		if err != nil {
			return fmt.Errorf("%s is not the number of an event: %s", key, value)
		}
		x.Entered = n
	case key == "gates":
		x.Gates = value
	case key == tagsKey:
		x.Tags = value
	case key == descriptionKey:
		x.Description = value
	case key == onceKey:
		x.Once = value
	case into != nil && value[0] != '"':
		return fmt.Errorf("%s is not a string", key)
	case into != nil:
		*into = pyjson.Text(value)
	}
	return nil
}

// RawExtra has the positions of the parts of an extra in its bytes.
type RawExtra struct {
	Entered                                int64
	RegisteredBy, SourceRevision, Manifest []byte
	Gates, Tags, Description, Once         []byte
}

// plainExtra splits the extra of nearly every version without decoding it: a
// number, then texts without escapes, then gates, as Extra.Encode writes them.
// It reports false for any other extra.
func plainExtra(raw []byte) (x RawExtra, ok bool) {
	rest, ok := bytes.CutPrefix(raw, []byte(`{"entered":`))
	if !ok {
		return x, false
	}
	n := 0
	for ; n < len(rest) && n < 18 && '0' <= rest[n] && rest[n] <= '9'; n++ {
		x.Entered = x.Entered*10 + int64(rest[n]-'0')
	}
	if n == 0 || n > 1 && rest[0] == '0' {
		return x, false
	}
	rest = rest[n:]
	x.RegisteredBy, rest = cutText(rest, `,"registered_by":"`)
	x.SourceRevision, rest = cutText(rest, `,"source_revision":"`)
	x.Manifest, rest = cutText(rest, `,"manifest":"`)
	if after, has := bytes.CutPrefix(rest, []byte(`,"gates":`)); has {
		end, err := pyjson.Skip(after, 0, 1)
		if err != nil {
			return x, false
		}
		x.Gates, rest = after[:end], after[end:]
	}
	return x, string(rest) == "}"
}

// cutText returns the text after start, and what follows it. Without a text
// there, or if it has escapes, it returns no text and all of b.
func cutText(b []byte, start string) (text, rest []byte) {
	if len(b) <= len(start) || string(b[:len(start)]) != start {
		return nil, b
	}
	text = b[len(start):]
	end := bytes.IndexByte(text, '"')
	if end < 0 || bytes.IndexByte(text[:end], '\\') >= 0 {
		return nil, b
	}
	return text[:end], text[end+1:]
}
