package modelregistry

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/ubunye-go/modelregistry/internal/index"
	"github.com/ubunye-go/modelregistry/internal/pyjson"
)

// storedGates reads the gates that a store holds under a key, and sorts them by
// name. A later release or another program may have written a gate that this
// release can't read. It becomes a gate that no version passes, so that it is
// not ignored.
func storedGates(key string, raw []byte) PromotionGate {
	if len(raw) == 0 || string(raw) == "null" {
		return PromotionGate{}
	}
	members, err := pyjson.Object(raw)
	if err != nil {
		return PromotionGate{rules: []rule{unreadable(key, raw, errors.New("it is not an object"))}}
	}
	var g PromotionGate
	seen := map[string]bool{}
	for _, m := range members {
		r, on, err := parseStored(m)
		if err == nil && seen[m.Key] {
			err = errors.New("it is given twice")
		}
		seen[m.Key] = true
		if err != nil {
			r, on = unreadable(m.Key, m.Value, err), true
		}
		if on {
			g.rules = append(g.rules, r)
		}
	}
	slices.SortStableFunc(g.rules, func(a, b rule) int { return cmp.Compare(a.name, b.name) })
	return g
}

func parseStored(m pyjson.Member) (r rule, on bool, err error) {
	value, err := pyjson.Decode(m.Value)
	if err != nil {
		return r, false, err
	}
	return parseRule(m.Key, value)
}

// unreadable returns a rule for a gate that can't be read. It keeps the raw
// value, so that the gate can be written again unchanged.
func unreadable(name string, raw []byte, err error) rule {
	reason := strings.TrimPrefix(err.Error(), name+": ")
	return rule{name: name, raw: string(pyjson.Compact(nil, raw)), err: fmt.Errorf("this release can't read it: %s", reason)}
}

// same reports whether two lists have the same gates. It is false if one of the
// gates is a function.
func (g PromotionGate) same(o PromotionGate) bool {
	return slices.EqualFunc(g.rules, o.rules, rule.same)
}

// unreadable returns one line for each gate that can't be read, with the
// reason.
func (g PromotionGate) unreadable() (problems []string) {
	for _, r := range g.rules {
		if r.err != nil {
			problems = append(problems, fmt.Sprintf("gate %s: %v", r.name, r.err))
		}
	}
	return problems
}

// refuse returns the result of a gate that can't be read.
func (r rule) refuse() GateResult {
	wanted, _ := pyjson.Decode([]byte(r.raw))
	return GateResult{Name: r.name, Message: r.err.Error(), Threshold: wanted}
}

// appendStored appends the value of a gate that can't be read, as standard
// JSON.
func (r rule) appendStored(b []byte) []byte { return pyjson.Finite(b, []byte(r.raw)) }

// factsGates returns the gates that another program stored for a model.
func factsGates(f index.Facts) PromotionGate {
	if f.Decoded == nil {
		return PromotionGate{}
	}
	if g, ok := f.Decoded.Load().(PromotionGate); ok {
		return g
	}
	g := storedGates(index.GatesKey, f.Get(index.GatesKey))
	f.Decoded.Store(g)
	return g
}

// encodeResults encodes the results of gates for an event. It returns nil for
// nil.
func encodeResults(results []GateResult) ([]byte, error) {
	if results == nil {
		return nil, nil
	}
	b := []byte{'['}
	for i, r := range results {
		if i > 0 {
			b = append(b, ',')
		}
		raw, err := pyjson.Marshal([]any{r.Name, r.Passed, r.Message, r.Actual, r.Threshold}, false)
		if err != nil {
			return nil, err
		}
		f, _ := pyjson.Array(raw)
		b = fmt.Appendf(b, `{"name":%s,"passed":%s,"message":%s,"actual":%s,"threshold":%s}`, f[0], f[1], f[2], f[3], f[4])
	}
	return append(b, ']'), nil
}

// decodeResults decodes the results of gates from an event. It returns nil for
// nil.
func decodeResults(raw []byte) []GateResult {
	if raw == nil {
		return nil
	}
	results := []GateResult{}
	list, _ := pyjson.Array(raw)
	for _, raw := range list {
		v, _ := pyjson.Decode(raw)
		f, _ := v.(map[string]any)
		r := GateResult{Actual: f["actual"], Threshold: f["threshold"], Passed: f["passed"] == true}
		r.Name, _ = f["name"].(string)
		r.Message, _ = f["message"].(string)
		results = append(results, r)
	}
	return results
}

// storable returns the gates that have a JSON form. It leaves out functions,
// and keeps only the stricter of two gates with the same name.
func (g PromotionGate) storable() PromotionGate {
	var out PromotionGate
	for _, r := range g.rules {
		if r.fn != nil {
			continue
		}
		at := slices.IndexFunc(out.rules, func(o rule) bool { return o.name == r.name })
		if at < 0 {
			out.rules = append(out.rules, r)
		} else if r.stricter(out.rules[at]) {
			out.rules[at] = r
		}
	}
	return out
}

// stricter reports whether r is stricter than o, which has the same name.
func (r rule) stricter(o rule) bool {
	a, errA := exact(r.threshold)
	b, errB := exact(o.threshold)
	if errA != nil || errB != nil {
		return false // the drift check has no threshold
	}
	if strings.HasPrefix(r.name, "max_") {
		a, b = b, a
	}
	return a.Cmp(b) > 0
}
