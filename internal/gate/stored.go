package gate

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/ubunye-go/modelregistry/internal/pyjson"
)

// Stored reads the gates that a store holds under a key, and sorts them by
// name. A later release or another program may have written a gate that this
// release can't read. It becomes a gate that no version passes, so that it is
// not ignored.
func Stored(key string, raw []byte) Set {
	if len(raw) == 0 || string(raw) == "null" {
		return Set{}
	}
	members, err := pyjson.Object(raw)
	if err != nil {
		return Unreadable(key, raw, errors.New("it is not an object"))
	}
	var s Set
	seen := map[string]bool{}
	for _, m := range members {
		rules, err := parseStored(m)
		if err == nil && seen[m.Key] {
			err = errors.New("it is given twice")
		}
		seen[m.Key] = true
		if err != nil {
			rules = []rule{{m.Key, newUnreadable(m.Key, m.Value, err)}}
		}
		s.rules = append(s.rules, rules...)
	}
	s.sort()
	return s
}

func parseStored(m pyjson.Member) ([]rule, error) {
	value, err := decodeGate(m)
	if err != nil {
		return nil, err
	}
	return parseGate(m.Key, value)
}

// An unreadable is a stored condition that this release can't read. No version
// passes it. It keeps the raw value, so that the gate can be written again
// unchanged.
type unreadable struct {
	raw    string
	reason string
}

// Unreadable returns a gate for a stored value that can't be read. No version
// passes it.
func Unreadable(name string, raw []byte, err error) Set {
	return Set{[]rule{{name, newUnreadable(name, raw, err)}}}
}

func newUnreadable(name string, raw []byte, err error) unreadable {
	reason := strings.TrimPrefix(err.Error(), name+": ")
	return unreadable{string(pyjson.Compact(nil, raw)), "this release can't read it: " + reason}
}

func (u unreadable) value() []byte { return []byte(u.raw) }

func (u unreadable) evaluate(context.Context, Candidate) Result {
	wanted, _ := pyjson.Decode([]byte(u.raw))
	return Result{Message: u.reason, Threshold: wanted}
}

// Problems returns one line for each gate that can't be read, with the reason.
func (s Set) Problems() (problems []string) {
	for _, r := range s.rules {
		if u, is := r.condition.(unreadable); is {
			problems = append(problems, fmt.Sprintf("gate %s: %s", r.name, u.reason))
		}
	}
	return problems
}
