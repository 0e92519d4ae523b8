package gate

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/ubunye-go/modelregistry/internal/pyjson"
)

// Parse reads gates from a map, as a configuration has it, and sorts them by
// name. The error names every bad gate.
func Parse(config map[string]any) (Set, error) {
	var s Set
	var bad []string
	for _, name := range slices.Sorted(maps.Keys(config)) {
		rules, err := parseGate(name, config[name])
		if err != nil {
			bad = append(bad, err.Error())
		}
		s.rules = append(s.rules, rules...)
	}
	if bad != nil {
		return Set{}, errors.New(strings.Join(bad, "; "))
	}
	s.sort()
	return s, nil
}

// sort sorts the gates by name. Two gates of one name keep their order.
func (s Set) sort() {
	slices.SortStableFunc(s.rules, func(a, b rule) int { return cmp.Compare(a.name, b.name) })
}

// parseGate reads the gates under one name in a map of gates. There is none if
// the gate is turned off, and one for each metric of a relative gate.
func parseGate(name string, value any) ([]rule, error) {
	if !utf8.ValidString(name) { // JSON can't hold it unchanged
		return nil, fmt.Errorf("gate %q is not UTF-8", name)
	}
	if _, _, relative := relativeKey(name); relative {
		return parseRelatives(name, value)
	}
	c, err := parseCondition(name, value)
	if err != nil || c == nil {
		return nil, err
	}
	return []rule{{name, c}}, nil
}

// parseCondition reads the value of a gate with one condition. It returns nil
// for a gate that is turned off.
func parseCondition(name string, value any) (condition, error) {
	if name == driftCheckName {
		on, isBool := value.(bool)
		switch {
		case !isBool:
			return nil, fmt.Errorf("%s: %v is not true or false", name, value)
		case !on:
			return nil, nil
		}
		return driftCheck{}, nil
	}
	metric, isMin := strings.CutPrefix(name, "min_")
	isMax := false
	if !isMin {
		metric, isMax = strings.CutPrefix(name, "max_")
	}
	if !isMin && !isMax || metric == "" {
		return nil, fmt.Errorf("unknown gate %q (want min_<metric>, max_<metric>, %s, or not_below_ or not_above_%s with a map of margins)",
			name, driftCheckName, Production)
	}
	t, err := newThreshold(metric, isMax, value)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return t, nil
}

// ParseJSON reads a map of gates as Parse does. A key that is given twice is an
// error.
func ParseJSON(data []byte) (Set, error) {
	if string(data) == "null" {
		return Set{}, nil
	}
	members, err := pyjson.Object(data)
	if err != nil {
		return Set{}, err
	}
	config := make(map[string]any, len(members))
	for _, m := range members {
		if _, twice := config[m.Key]; twice {
			return Set{}, fmt.Errorf("%s is given twice", m.Key)
		}
		if config[m.Key], err = decodeGate(m); err != nil {
			return Set{}, err
		}
	}
	return Parse(config)
}

// decodeGate returns the value of a gate. A map of margins stays raw, so that a
// metric that is given twice is noticed.
func decodeGate(m pyjson.Member) (any, error) {
	if _, _, relative := relativeKey(m.Key); relative {
		return json.RawMessage(m.Value), nil
	}
	return pyjson.Decode(m.Value)
}

// JSON returns the map that ParseJSON reads. It fails if a gate is a function
// or if two gates have the same name.
func (s Set) JSON() ([]byte, error) {
	b := []byte{'{'}
	margins := map[string]bool{} // the keys of relative gates that were written
	for i, r := range s.rules {
		if r.custom() {
			return nil, fmt.Errorf("gate %s is a function, which has no JSON form", r.name)
		}
		if slices.ContainsFunc(s.rules[:i], r.clashes) {
			return nil, fmt.Errorf("gate %s is given twice", r.name)
		}
		key := r.key()
		if margins[key] {
			continue
		}
		if len(b) > 1 {
			b = append(b, ',')
		}
		b = append(pyjson.AppendString(b, key), ':')
		if _, is := r.condition.(relative); is {
			margins[key] = true
			b = s.appendMargins(b, key)
		} else {
			b = pyjson.Finite(b, r.value())
		}
	}
	return append(b, '}'), nil
}

// key returns the name under which the gate stands in a map of gates.
func (r rule) key() string {
	if rel, is := r.condition.(relative); is {
		return rel.key
	}
	return r.name
}

// clashes reports whether two gates can't stand in one map. Relative gates can,
// if they are of different metrics.
func (r rule) clashes(o rule) bool {
	_, is := r.condition.(relative)
	_, other := o.condition.(relative)
	return r.key() == o.key() && (r.name == o.name || !is || !other)
}

// appendMargins appends the map of margins of a key.
func (s Set) appendMargins(b []byte, key string) []byte {
	b = append(b, '{')
	first := true
	for _, r := range s.rules {
		rel, is := r.condition.(relative)
		if !is || rel.key != key {
			continue
		}
		if !first {
			b = append(b, ',')
		}
		first = false
		b = append(append(pyjson.AppendString(b, rel.metric), ':'), rel.margin...)
	}
	return append(b, '}')
}
