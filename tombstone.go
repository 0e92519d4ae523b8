package modelregistry

import (
	"encoding/json"

	"github.com/ubunye-go/modelregistry/internal/pyjson"
)

// anotherProgram is who deleted a version, when more is not known.
const anotherProgram = "another program"

// A buried is a version that another program deleted, not recorded yet.
type buried struct {
	version      string
	registeredAt []byte // raw; nil if its entry told none
}

// tombstones returns what is kept of deleted versions: an object, nil for none.
// Members that are not known here stay as they are.
func tombstones(list []buried, at string) []byte {
	var members []pyjson.Member
	for _, v := range list {
		stone := []pyjson.Member{{Key: "at", Value: pyjson.Quote(at)}, {Key: "by", Value: pyjson.Quote(anotherProgram)}}
		if v.registeredAt != nil {
			stone = append([]pyjson.Member{{Key: "registered_at", Value: v.registeredAt}}, stone...)
		}
		members = append(members, pyjson.Member{Key: v.version, Value: appendObject(nil, stone)})
	}
	if members == nil {
		return nil
	}
	return appendObject(nil, members)
}

// withMembers returns an object with those of another in it, in place of such as
// have the same key. Either may be nil.
func withMembers(raw, more []byte) []byte {
	if more == nil {
		return raw
	}
	added, err := pyjson.Object(more)
	if err != nil || len(added) == 0 {
		return raw
	}
	newer := map[string]bool{}
	for _, m := range added {
		newer[m.Key] = true
	}
	var all []pyjson.Member
	if raw != nil {
		old, _ := pyjson.Object(raw)
		for _, m := range old {
			if !newer[m.Key] {
				all = append(all, m)
			}
		}
	}
	return appendObject(nil, append(all, added...))
}

// appendObject appends an object on one line.
func appendObject(b []byte, members []pyjson.Member) []byte {
	b = append(b, '{')
	for i, m := range members {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(pyjson.AppendString(b, m.Key), ':')
		b = pyjson.Compact(b, m.Value)
	}
	return append(b, '}')
}

// A Doubt is what can't be told of an external change: what another program
// meant, or what it knew.
type Doubt struct {
	Version string `json:"version"`
	Reason  string `json:"reason"`
}

// String returns "version: reason".
func (d Doubt) String() string { return d.Version + ": " + d.Reason }

// appendDoubts appends a member of an event.
func appendDoubts(b []byte, list []Doubt) []byte {
	if len(list) == 0 {
		return b
	}
	var members []pyjson.Member
	for _, d := range list {
		members = append(members, pyjson.Member{Key: d.Version, Value: pyjson.Quote(d.Reason)})
	}
	return appendObject(append(b, `,"doubts":`...), members)
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

// object returns an object as it stands, nil if it is empty.
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
