package modelregistry

import (
	"fmt"

	"github.com/ubunye-go/modelregistry/internal/pyjson"
)

// differs says where two states hold different entries, or "".
func (s *indexState) differs(other *indexState) string {
	for _, e := range s.order {
		o := other.get(e.version)
		switch {
		case o == nil:
			return fmt.Sprintf("the history has no version %s", e.version)
		case !pyjson.Equal(e.raw, o.raw):
			return fmt.Sprintf("the entry of version %s is another one than in the history", e.version)
		case s.older: // what it keeps beside the entries is not looked at
		case len(e.extra)+len(o.extra) > 0 && !pyjson.Equal(e.extra, o.extra):
			return fmt.Sprintf("what is kept of version %s beside its entry is not what the history has", e.version)
		}
	}
	for _, o := range other.order {
		if s.get(o.version) == nil {
			return fmt.Sprintf("version %s of the history is missing", o.version)
		}
	}
	if !s.older && !pyjson.Equal(s.facts.image(), other.facts.image()) {
		return "what is kept of the model beside its versions is not what the history has"
	}
	return ""
}
