// Package gate owns the conditions of a promotion: how they are read and
// written, how a version is checked against them, and what a result says. It
// must not know what a stage is, or how a model is stored.
//
// Each kind of gate is a type that implements condition: threshold, relative,
// driftCheck, function and unreadable.
package gate

import (
	"context"
	"iter"
	"slices"
	"strings"
)

// A Set is a list of gates, all of which a version must pass. It is immutable.
// The zero value has no gate.
type Set struct {
	rules []rule
}

// A rule is a gate: a condition and its name.
type rule struct {
	name string // min_auc, or not_below_production auc
	condition
}

// A condition is what a gate requires.
type condition interface {
	// evaluate returns the result for a version. The caller sets its name.
	evaluate(ctx context.Context, c Candidate) Result
	// value returns the condition as it stands after its name in a map of
	// gates, as Python's JSON; nil if it has no such form. Relative gates of
	// one key stand together in a map of margins.
	value() []byte
}

// A Candidate is the version to promote, as gates see it. A gate that compares
// with another version finds that version here, too.
type Candidate struct {
	Metrics   Values
	Metadata  Values
	Version   any                 // the version as Func's functions expect it
	Baselines map[string]Baseline // by the references that Set.Baselines returns
}

// A Baseline is a version that a candidate is compared with. In the zero value
// it is not known.
type Baseline struct {
	Version string // empty if there is none
	Name    string // as it stands in a message: "production 1.4.0"
	Metrics Values // nil if there is no version
	None    string // why there is nothing to compare with, so that every version passes
	Err     error  // why the version can't be found, so that no version passes
}

// Values are named JSON values. A value has one of the types that pyjson.Decode
// returns.
type Values interface {
	Get(name string) (value any, ok bool)
	All() iter.Seq2[string, any]
}

// Evaluate checks a version against every gate and returns a result for each
// gate, in order, and for each slice of a gate such as auc/*.
func (s Set) Evaluate(ctx context.Context, c Candidate) []Result {
	rules := s.forSlices(c)
	results := make([]Result, len(rules))
	for i, r := range rules {
		results[i] = r.evaluate(ctx, c)
		results[i].Name = r.name
	}
	return results
}

// Baselines returns the references of the versions that the gates compare with:
// Production, or the text after the "@" of a gate's key.
func (s Set) Baselines() (refs []string) {
	for _, r := range s.rules {
		if rel, is := r.condition.(relative); is && !slices.Contains(refs, rel.baseline) {
			refs = append(refs, rel.baseline)
		}
	}
	return refs
}

// Join returns the gates of all sets. A gate that is in several sets is in the
// result once.
func Join(sets ...Set) Set {
	var all Set
	for _, s := range sets {
		for _, r := range s.rules {
			if !slices.ContainsFunc(all.rules, r.same) {
				all.rules = append(all.rules, r)
			}
		}
	}
	return all
}

// Same reports whether two sets have the same gates in the same order. It is
// false if one of the gates is a function.
func (s Set) Same(o Set) bool { return slices.EqualFunc(s.rules, o.rules, rule.same) }

// same reports whether two gates are the same. It is false if one is a
// function, because Go functions can't be compared.
func (r rule) same(o rule) bool { return !r.custom() && !o.custom() && r == o }

// Custom reports whether one of the gates is a function.
func (s Set) Custom() bool { return slices.ContainsFunc(s.rules, rule.custom) }

// Len returns the number of gates.
func (s Set) Len() int { return len(s.rules) }

// String lists the gates as "min_auc=0.85, require_drift_check=true". A gate
// that is a function is its name.
func (s Set) String() string {
	list := make([]string, len(s.rules))
	for i, r := range s.rules {
		list[i] = r.name
		if v := r.value(); v != nil {
			list[i] += "=" + string(v)
		}
	}
	return strings.Join(list, ", ")
}

// Storable returns the gates that have a JSON form. It leaves out functions,
// and keeps only the stricter of two gates with the same name. A gate that
// can't be read is the strictest.
func (s Set) Storable() Set {
	var out Set
	for _, r := range s.rules {
		if r.custom() {
			continue
		}
		at := slices.IndexFunc(out.rules, r.clashes)
		switch {
		case at < 0:
			out.rules = append(out.rules, r)
		case r.name == out.rules[at].name && stricter(r.condition, out.rules[at].condition):
			out.rules[at] = r
		case r.name != out.rules[at].name && r.name == r.key(): // it can't be read, and was meant for all metrics of the key
			out.rules = append(slices.DeleteFunc(out.rules, r.clashes), r)
		}
	}
	return out
}
