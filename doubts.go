package modelregistry

import "github.com/ubunye-go/modelregistry/internal/pyjson"

// A doubt is what can't be told of an external change to a version: what the
// other program meant, or what it knew.
type doubt struct{ version, reason string }

// appendDoubts appends a member of an event.
func appendDoubts(b []byte, list []doubt) []byte {
	if len(list) == 0 {
		return b
	}
	var members []pyjson.Member
	for _, d := range list {
		members = append(members, pyjson.Member{Key: d.version, Value: pyjson.Quote(d.reason)})
	}
	return appendObject(append(b, `,"doubts":`...), members)
}
