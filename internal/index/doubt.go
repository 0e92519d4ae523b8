package index

import "github.com/ubunye-go/modelregistry/internal/pyjson"

// A Doubt is a question about an external change to a version that can't be
// decided: the intention or the knowledge of the other program.
type Doubt struct{ Version, Reason string }

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
