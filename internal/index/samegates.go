package index

import (
	"cmp"
	"slices"

	"github.com/ubunye-go/modelregistry/internal/pyjson"
)

// sameGates reports whether two raw values of "promotion_gates" have the same
// gates. A missing value, null and {} are the same, and the order of gates does
// not count. Numbers are compared by their digits.
func sameGates(a, b []byte) bool { return slices.Equal(gateList(a), gateList(b)) }

// A rawGate is one gate of a value of "promotion_gates".
type rawGate struct {
	name, value string
	again       bool // an earlier gate has the same name
}

// gateList returns the gates of a raw value, sorted by name. A drift check that
// is turned off is not a gate. A value that is not an object is one gate, which
// no version passes.
func gateList(raw []byte) (list []rawGate) {
	if len(raw) == 0 || string(raw) == "null" {
		return nil
	}
	members, err := pyjson.Object(raw)
	if err != nil {
		return []rawGate{{name: GatesKey, value: string(pyjson.Compact(nil, raw))}}
	}
	seen := map[string]bool{}
	for _, m := range members {
		g := rawGate{name: m.Key, value: string(pyjson.Compact(nil, m.Value)), again: seen[m.Key]}
		seen[m.Key] = true
		if off := g.name == "require_drift_check" && g.value == "false"; !off || g.again {
			list = append(list, g)
		}
	}
	slices.SortStableFunc(list, func(a, b rawGate) int { return cmp.Compare(a.name, b.name) })
	return list
}
