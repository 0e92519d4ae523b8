package document

import (
	"encoding/json"

	"github.com/ubunye-go/modelregistry/internal/format"
	"github.com/ubunye-go/modelregistry/internal/pyjson"
)

// A markReader reads the members of our key, except those about single
// versions.
type markReader struct {
	data  []byte
	into  *Mark
	start int64 // where in the document the members begin, as the key says; 0 if it does not
	sound bool
	sum   span // of the checksum, if that is the last member
	sizes []byte
}

// member reads one member, given its key and where its value starts.
func (r *markReader) member(start, end, at int) (stop int, err error) {
	if stop, err = pyjson.Skip(r.data, at, 2); err != nil {
		return stop, err
	}
	m, raw := r.into, r.data[at:stop:stop]
	r.sum = span{}
	var field any
	switch name := pyjson.Unquote(r.data[start:end]); name {
	case "format":
		field = &m.Format
	case format.Model:
		switch {
		case raw[0] == '{':
			m.Model = raw
		case string(raw) != "null":
			r.sound = false
		}
	case "versions":
		r.sound = r.sound && string(raw) == "null"
	case "removed":
		field = &m.Removed
	case "deleted":
		field = &m.Deleted
	case "external":
		field = &m.External
	case "productions":
		field = &m.Productions
	case "event":
		field = &m.Event
	case "offset":
		field = &m.Offset
	case "start":
		field = &r.start
	case "sizes":
		r.sizes = raw
	case "hash":
		field = &m.Hash
	case "crc32c":
		r.sum = span{start, end, at, stop}
	default:
		m.Others = append(m.Others, pyjson.Member{Key: name, Raw: r.data[start:end:end], Value: raw, Start: start, At: at})
	}
	if field != nil && json.Unmarshal(raw, field) != nil || m.Event > format.MaxEvent {
		r.sound = false
	}
	return stop, nil
}
