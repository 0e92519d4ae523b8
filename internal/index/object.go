package index

import (
	"github.com/ubunye-go/modelregistry/internal/pyjson"
)

// WithMembers returns an object with the members of another object added. They
// replace members of the same key. Either object may be nil.
func WithMembers(raw, more []byte) []byte {
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
