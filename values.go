package modelregistry

import (
	"encoding/json"
	"iter"
	"math"

	"github.com/ubunye-go/modelregistry/internal/pyjson"
)

// Values is a read-only, ordered set of named JSON values: the metrics or the
// metadata of a version. Numbers have the same digits as in the store. The zero
// Values is empty. A Values is safe for concurrent use.
type Values struct {
	raw []byte // a valid JSON value; anything but an object counts as empty
}

// NewValues encodes a map, for use with [PromotionGate.Evaluate]. It returns an
// error if a value has no JSON form. NaN and infinite numbers are allowed.
func NewValues(m map[string]any) (Values, error) {
	raw, err := pyjson.Marshal(m, false)
	return Values{raw}, err
}

func (v Values) members() []pyjson.Member {
	if len(v.raw) == 0 || v.raw[0] != '{' {
		return nil
	}
	m, _ := pyjson.Object(v.raw)
	return m
}

// Get returns a copy of a value as nil, bool, string, json.Number, []any or
// map[string]any. ok is false if there is no such value. A number keeps its
// digits. NaN and infinite numbers are the json.Numbers "NaN", "Infinity" and
// "-Infinity".
func (v Values) Get(name string) (value any, ok bool) {
	raw := v.last(name)
	if raw == nil {
		return nil, false
	}
	value, err := pyjson.Decode(raw)
	return value, err == nil
}

// last returns the raw value of the last member of a name, which Python reads,
// or nil.
func (v Values) last(name string) (raw []byte) {
	for _, m := range v.members() {
		if m.Key == name {
			raw = m.Value
		}
	}
	return raw
}

// Float returns a number as a float64. ok is false if there is no such value or
// if it is not a number. NaN and infinite numbers count as numbers.
func (v Values) Float(name string) (f float64, ok bool) {
	value, _ := v.Get(name)
	n, ok := value.(json.Number)
	if !ok {
		return 0, false
	}
	f, err := n.Float64()
	return f, err == nil || math.IsInf(f, 0)
}

// All yields the names and values in the order of the store.
func (v Values) All() iter.Seq2[string, any] {
	return func(yield func(string, any) bool) {
		for _, m := range v.members() {
			value, err := pyjson.Decode(m.Value)
			if err == nil && !yield(m.Key, value) {
				return
			}
		}
	}
}

// Len returns the number of values.
func (v Values) Len() int { return len(v.members()) }

// Map returns the values in a new map, with the types that Get returns.
func (v Values) Map() map[string]any {
	m := map[string]any{}
	for k, value := range v.All() {
		m[k] = value
	}
	return m
}

// MarshalJSON returns the values in the order of the store. It writes NaN and
// infinite numbers as null, because JSON has no form for them.
func (v Values) MarshalJSON() ([]byte, error) {
	if len(v.members()) == 0 {
		return []byte("{}"), nil
	}
	return pyjson.Finite(nil, v.raw), nil
}

// String returns the values as compact JSON, but with NaN, Infinity and
// -Infinity as they are stored.
func (v Values) String() string {
	if len(v.raw) == 0 {
		return "{}"
	}
	return string(pyjson.Compact(nil, v.raw))
}

// finiteJSON encodes v as standard JSON, with null for NaN and infinite
// numbers.
func finiteJSON(v any) ([]byte, error) {
	raw, err := pyjson.Marshal(v, false)
	if err != nil {
		return nil, err
	}
	return pyjson.Finite(nil, raw), nil
}
