package turns

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"
)

// A stamp is a time that an operation took from the clock. It is known to be
// between two times until an answer contains it exactly. The zero stamp means
// never.
type stamp struct{ from, until time.Time }

// settle uses the time in an answer as the stamp, if it is possible.
func (s *stamp) settle(exact time.Time) {
	if !exact.Before(s.from) && !exact.After(s.until) {
		s.from, s.until = exact, exact
	}
}

func (s stamp) String() string {
	switch {
	case s.from.IsZero():
		return "never"
	case s.from.Equal(s.until):
		return s.from.UTC().Format("15:04:05.000000")
	}
	return fmt.Sprintf("between %s and %s", stamp{s.from, s.from}, stamp{s.until, s.until})
}

// A version is one entry, with what Go stores about it. It is not changed once
// it is part of a state, except for stamps that are settled.
type version struct {
	number                               string
	stage                                string
	registered, staged, served, archived stamp
	by                                   string // promoted_by
	metrics, metadata                    map[string]any
	content                              string // of its one file
	ours                                 bool   // registered by Go
	own                                  string // the least AUC that Go stored with the version
	key                                  string // RegisterOptions.Once
	note                                 note
	held                                 bool
}

// moved returns the version in a stage.
func (v version) moved(to string) *version {
	v.stage = to
	return &v
}

// entered returns the version after it entered a stage, with the time.
func (v version) entered(to string, at stamp) *version {
	v.stage = to
	switch to {
	case "staging":
		v.staged = at
	case "production":
		v.served = at
	case "archived":
		v.archived = at
	}
	return &v
}

func (v *version) place() string {
	return fmt.Sprintf("%s staged %v served %v archived %v by %q", v.stage, v.staged, v.served, v.archived, v.by)
}

func (v *version) String() string {
	return fmt.Sprintf("%s %s registered %v metrics %s metadata %s content %q", v.number, v.place(), v.registered,
		compact(v.metrics), compact(v.metadata), v.content)
}

// passes reports whether the version meets a gate. An empty gate is met.
func (v *version) passes(least string) bool {
	return least == "" || least == "none" || number(v.metrics["auc"]) >= number(json.Number(least))
}

func number(v any) float64 {
	f, err := v.(json.Number).Float64()
	if err != nil {
		panic(err)
	}
	return f
}

func compact(v map[string]any) string {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(data)
}

// A state is a model at one moment.
type state struct {
	versions map[string]*version
	order    []string // in which the versions were added
	gate     string   // the least AUC that Python stored with the model
	served   []string // versions in the order in which they entered production

	aliases map[string]string
	note    note              // of the model
	dead    map[string]string // from the keys of deleted versions to their numbers
	graves  map[string]grave  // the deleted versions, by number, that are not listed
}

// A grave is what is known about a deleted version.
type grave struct {
	version *version // as it was
	by      string
	purged  bool
}

// A note is a tag and a description.
type note struct{ tag, text string }

func (s state) clone() state {
	s.versions, s.aliases, s.dead = maps.Clone(s.versions), maps.Clone(s.aliases), maps.Clone(s.dead)
	s.graves = maps.Clone(s.graves)
	s.order, s.served = slices.Clone(s.order), slices.Clone(s.served)
	return s
}

func (s *state) set(v *version) {
	if s.versions == nil {
		s.versions = map[string]*version{}
	}
	old := s.versions[v.number]
	if old == nil {
		s.order = append(s.order, v.number)
		delete(s.graves, v.number)
	}
	if v.stage == "production" && (old == nil || old.stage != v.stage) {
		s.served = append(s.served, v.number)
	}
	s.versions[v.number] = v
}

// standByTime moves the version that is last in the list before those that were
// registered later.
func (s *state) standByTime() {
	last := len(s.order) - 1
	number := s.order[last]
	to := last
	for to > 0 && s.versions[s.order[to-1]].registered.from.After(s.versions[number].registered.from) {
		to--
	}
	s.order = slices.Insert(slices.Clone(s.order[:last]), to, number)
}

// remove deletes a version, if it is listed.
func (s *state) remove(number, by string) {
	v := s.versions[number]
	if v == nil {
		return
	}
	if v.key != "" {
		if s.dead == nil {
			s.dead = map[string]string{}
		}
		s.dead[v.key] = number
	}
	if s.graves == nil {
		s.graves = map[string]grave{}
	}
	s.graves[number] = grave{version: v, by: by}
	delete(s.versions, number)
	s.order = slices.DeleteFunc(s.order, func(n string) bool { return n == number })
}

// stage returns the stage of a version, or "" if there is no such version.
func (s state) stage(number string) string {
	if v := s.versions[number]; v != nil {
		return v.stage
	}
	return ""
}

// production returns the version in production that entered it last, or nil.
// Python can leave a second one in production.
func (s state) production() *version {
	for _, number := range slices.Backward(s.served) {
		if v := s.versions[number]; v != nil && v.stage == "production" {
			return v
		}
	}
	return nil
}

// first returns the version that Python shows as the one in production, or nil.
func (s state) first() *version {
	for _, number := range s.order {
		if v := s.versions[number]; v.stage == "production" {
			return v
		}
	}
	return nil
}

// seconds returns the other versions in production.
func (s state) seconds() (list []*version) {
	for _, number := range s.order {
		if v := s.versions[number]; v.stage == "production" && v != s.production() {
			list = append(list, v)
		}
	}
	return list
}

// shown returns the stage of a version as Go shows it: a second version in
// production counts as archived.
func (s state) shown(v *version) string {
	if v.stage == "production" && v != s.production() {
		return "archived"
	}
	return v.stage
}

// next returns the number after the highest number of a list.
func next(numbers []string) string {
	if len(numbers) == 0 {
		return "1.0.0"
	}
	high := slices.MaxFunc(numbers, func(a, b string) int { return slices.Compare(parts(a), parts(b)) })
	p := parts(high)
	return fmt.Sprintf("%d.%d.%d", p[0], p[1], p[2]+1)
}

func parts(number string) []int {
	p := make([]int, 3)
	fmt.Sscanf(number, "%d.%d.%d", &p[0], &p[1], &p[2])
	return p
}

// changes describes how each version changed between two states, in the form of
// an event of the history. more returns further words about a version.
func changes(a, b state, more func(old, v *version) []string) string {
	var list []string
	say := func(v *version, from, to string, more ...string) {
		list = append(list, change(v.number, from, to, more...))
	}
	for _, old := range a.versions {
		if v := b.versions[old.number]; v == nil || v.registered != old.registered {
			say(old, old.stage, "")
		}
	}
	for _, v := range b.versions {
		old := a.versions[v.number]
		switch {
		case old == nil || old.registered != v.registered:
			say(v, "", v.stage, more(nil, v)...)
		case old.String() != v.String() || old.note != v.note || old.held != v.held:
			say(v, old.stage, v.stage, more(old, v)...)
		}
	}
	slices.Sort(list)
	return strings.Join(list, ", ")
}

func change(number, from, to string, more ...string) string {
	return strings.Join(append([]string{fmt.Sprintf("%s %q to %q", number, from, to)}, more...), " ")
}

// forced returns a word about a promotion that Python forced. Python notes in
// the metadata which gates it skipped, and leaves the note there. So an older
// note counts only if the version moved up and the gates would have refused
// that.
func forced(old, v *version) []string {
	skipped, marked := v.metadata["promotion_gates_skipped"].(map[string]any)
	if !marked {
		return nil
	}
	if old != nil && reflect.DeepEqual(old.metadata["promotion_gates_skipped"], any(skipped)) &&
		(old.staged == v.staged && old.served == v.served || number(v.metrics["auc"]) >= number(skipped["min_auc"])) {
		return nil
	}
	return []string{"forced"}
}
