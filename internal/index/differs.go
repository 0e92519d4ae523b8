package index

import (
	"fmt"

	"github.com/ubunye-go/modelregistry/internal/pyjson"
)

// Differs says in which entry two states differ, or returns "".
func (s *State) Differs(other *State) string {
	for _, e := range s.Entries {
		o := other.Get(e.Version)
		switch {
		case o == nil:
			return fmt.Sprintf("the history has no version %s", e.Version)
		case !pyjson.Equal(e.Raw, o.Raw):
			return fmt.Sprintf("the entry of version %s differs from the history", e.Version)
		case s.Older: // its extras are not compared
		case len(e.Extra)+len(o.Extra) > 0 && !pyjson.Equal(e.Extra, o.Extra):
			return fmt.Sprintf("the data beside the entry of version %s differ from the history", e.Version)
		}
	}
	for _, o := range other.Entries {
		if s.Get(o.Version) == nil {
			return fmt.Sprintf("version %s of the history is missing", o.Version)
		}
	}
	if !s.Older && !pyjson.Equal(s.Facts.image(), other.Facts.image()) {
		return "the facts of the model differ from the history"
	}
	return ""
}
