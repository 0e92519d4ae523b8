package linearizability

import (
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"strings"

	mr "github.com/ubunye-go/modelregistry"
)

// An Input is an operation with its arguments.
type Input struct {
	Op           string        // register, promote, demote, archive, rollback, alias, delete, undelete; get, list
	Version      string        `json:",omitempty"`
	Stage        mr.ModelStage `json:",omitempty"` // the target of a move, or the stage to get
	IfProduction string        `json:",omitempty"`
	Force        bool          `json:",omitempty"`
	Alias        string        `json:",omitempty"` // to set to Version, to remove, or to get
	If           string        `json:",omitempty"` // what Alias must name; NoVersion for none
	Once         string        `json:",omitempty"` // the key of a registration
}

// An Output is the result of an operation.
type Output struct {
	Unknown bool                     `json:",omitempty"` // the change may have happened or not
	Err     string                   `json:",omitempty"` // one of the kinds of errors below
	Version string                   `json:",omitempty"`
	Stage   mr.ModelStage            `json:",omitempty"`
	List    map[string]mr.ModelStage `json:",omitempty"`
}

// The kinds of errors.
const (
	notFound  = "not found"
	exists    = "exists"
	direction = "wrong direction"
	protected = "protected"
	conflict  = "conflict"
	canceled  = "canceled" // its context ended, and it has not happened
)

func (in Input) reads() bool { return in.Op == "get" || in.Op == "list" }

func (in Input) String() string {
	var b strings.Builder
	b.WriteString(in.Op)
	for _, s := range []string{in.Alias, in.Version, string(in.Stage), in.Once} {
		if s != "" {
			b.WriteString(" " + s)
		}
	}
	if in.If != "" {
		b.WriteString(" if it is " + in.If)
	}
	if in.IfProduction != "" {
		b.WriteString(" if production is " + in.IfProduction)
	}
	if in.Force {
		b.WriteString(" by force")
	}
	return b.String()
}

func (out Output) String() string {
	switch {
	case out.Unknown:
		return "unknown"
	case out.Err != "":
		return out.Err
	case out.List != nil:
		var list []string
		for _, v := range slices.Sorted(maps.Keys(out.List)) {
			list = append(list, v+" "+string(out.List[v]))
		}
		return strings.Join(list, ", ")
	}
	return out.Version + " in " + string(out.Stage)
}

func (out Output) equal(other Output) bool {
	return out.Err == other.Err && out.Version == other.Version && out.Stage == other.Stage && maps.Equal(out.List, other.List)
}

// A state is one model according to the specification. It never changes.
type state struct {
	entries     []entry  // by version; then those in staging, in the order in which they entered it
	productions []string // the versions that Rollback goes back to, the latest last
	names       names
	deleted     []entry // by version
	hash        uint64
}

// names are from aliases and from keys of registrations to versions. The maps
// never change.
type names struct{ aliases, once map[string]string }

// with returns a map with a value set, or removed if it is empty.
func with(m map[string]string, key, value string) map[string]string {
	m = maps.Clone(m)
	if m == nil {
		m = map[string]string{}
	}
	if m[key] = value; value == "" {
		delete(m, key)
	}
	return m
}

type entry struct {
	version string
	stage   mr.ModelStage
	served  bool // it has been in production
}

// newState sorts the entries. Two states that no operation distinguishes are
// then equal, which keeps the search short.
func newState(entries []entry, productions []string, n names, deleted []entry) *state {
	slices.SortStableFunc(entries, func(a, b entry) int {
		switch {
		case a.stage == mr.Staging && b.stage == mr.Staging:
			return 0
		case a.stage == mr.Staging:
			return 1
		case b.stage == mr.Staging:
			return -1
		}
		return strings.Compare(a.version, b.version)
	})
	h := fnv.New64a()
	fmt.Fprint(h, entries, productions, n, deleted) // maps are printed in the order of their keys
	return &state{entries, productions, n, deleted, h.Sum64()}
}

func (s *state) equal(other *state) bool {
	return s == other || s.hash == other.hash && slices.Equal(s.entries, other.entries) && slices.Equal(s.productions, other.productions) &&
		maps.Equal(s.names.aliases, other.names.aliases) && maps.Equal(s.names.once, other.names.once) &&
		slices.Equal(s.deleted, other.deleted)
}

func (s *state) get(version string) *entry {
	if i := slices.IndexFunc(s.entries, func(e entry) bool { return e.version == version }); i >= 0 {
		return &s.entries[i]
	}
	return nil
}

// holder returns the version in production, or the version that entered staging
// last.
func (s *state) holder(stage mr.ModelStage) *entry {
	for _, e := range slices.Backward(s.entries) {
		if e.stage == stage {
			return &e
		}
	}
	return nil
}

// enter returns the state after a version entered a stage. A version that
// enters production replaces the one there, which is archived.
func (s *state) enter(version string, stage mr.ModelStage, productions []string) *state {
	moved := entry{version: version}
	if e := s.get(version); e != nil {
		moved = *e
	}
	var entries []entry
	for _, e := range s.entries {
		if e.stage == mr.Production && stage == mr.Production {
			e.stage = mr.Archived
		}
		if e.version != version {
			entries = append(entries, e)
		}
	}
	moved.stage = stage
	moved.served = moved.served || stage == mr.Production
	return newState(append(entries, moved), productions, s.names, s.deleted)
}

// apply is the specification: it returns the state after an operation, and the
// output of the operation, if no other operation runs at the same time.
func (s *state) apply(in Input) (*state, Output) {
	switch in.Op {
	case "list":
		if len(s.entries)+len(s.deleted) == 0 {
			return s, Output{Err: notFound}
		}
		list := map[string]mr.ModelStage{}
		for _, e := range s.entries {
			list[e.version] = e.stage
		}
		return s, Output{List: list}
	case "get":
		e := s.get(in.Version)
		switch {
		case in.Alias != "":
			e = s.get(s.names.aliases[in.Alias])
		case in.Version == "":
			e = s.holder(in.Stage)
		}
		if e == nil {
			return s, Output{Err: notFound}
		}
		return s, Output{Version: e.version, Stage: e.stage}
	case "alias":
		return s.alias(in)
	case "delete":
		return s.delete(in)
	case "undelete":
		return s.undelete(in)
	case "register":
		if known := s.names.once[in.Once]; in.Once != "" && known != "" {
			e := s.get(known)
			if e == nil {
				return s, Output{Err: exists}
			}
			return s, Output{Version: e.version, Stage: e.stage}
		}
		version := in.Version
		if version == "" {
			version = s.next()
		} else if s.get(version) != nil || s.isDeleted(version) {
			return s, Output{Err: exists}
		}
		after := s.enter(version, mr.Development, s.productions)
		if in.Once != "" {
			after = newState(slices.Clone(after.entries), after.productions, names{s.names.aliases, with(s.names.once, in.Once, version)}, s.deleted)
		}
		return after, Output{Version: version, Stage: mr.Development}
	}
	return s.move(in)
}

func (s *state) alias(in Input) (*state, Output) {
	now := s.names.aliases[in.Alias]
	switch {
	case len(s.entries)+len(s.deleted) == 0:
		return s, Output{Err: notFound}
	case in.If != "" && in.If != now && !(in.If == mr.NoVersion && now == ""):
		return s, Output{Err: conflict}
	case in.Version != "" && s.get(in.Version) == nil:
		return s, Output{Err: notFound}
	}
	n := names{with(s.names.aliases, in.Alias, in.Version), s.names.once}
	return newState(slices.Clone(s.entries), s.productions, n, s.deleted), Output{Version: in.Version}
}

// isAliased reports whether an alias names a version.
func (s *state) isAliased(version string) bool {
	for _, v := range s.names.aliases {
		if v == version {
			return true
		}
	}
	return false
}

// rank orders the stages: a promotion moves to a higher rank.
var rank = map[mr.ModelStage]int{mr.Archived: 0, mr.Development: 1, mr.Staging: 2, mr.Production: 3}

func (s *state) move(in Input) (*state, Output) {
	version, to := in.Version, in.Stage
	switch in.Op {
	case "archive":
		to = mr.Archived
	case "rollback":
		to = mr.Production
		if version == "" {
			version = s.previous()
		}
	}
	e := s.get(version)
	if e == nil {
		return s, Output{Err: notFound}
	}
	if e.stage == to { // checked before any condition, so that a retry is safe
		return s, Output{Version: version, Stage: to}
	}
	switch {
	case in.Op == "promote" && rank[to] < rank[e.stage], in.Op == "demote" && rank[to] > rank[e.stage],
		in.Op == "rollback" && !e.served && !in.Force:
		return s, Output{Err: direction}
	case to == mr.Archived && s.isAliased(version) && !in.Force:
		return s, Output{Err: protected}
	}
	current := mr.NoVersion
	if p := s.holder(mr.Production); p != nil {
		current = p.version
	}
	if in.IfProduction != "" && in.IfProduction != current {
		return s, Output{Err: conflict}
	}
	productions := s.productions
	if to == mr.Production {
		productions = s.extended(version, in.Op == "rollback")
	}
	return s.enter(version, to, productions), Output{Version: version, Stage: to}
}

// previous returns the version that Rollback without a version restores.
func (s *state) previous() string {
	current := s.holder(mr.Production)
	for _, v := range slices.Backward(s.productions) {
		if s.get(v) != nil && (current == nil || v != current.version) {
			return v
		}
	}
	return ""
}

// maxProductions is the largest number of productions that Rollback can go back
// to.
const maxProductions = 100

// extended returns the productions after a version has entered production. A
// promotion adds the version. A rollback removes the productions after it.
func (s *state) extended(version string, rollback bool) []string {
	list := slices.Clone(s.productions)
	if rollback {
		if i := slices.Index(reversed(list), version); i >= 0 {
			return list[:len(list)-i]
		}
	}
	if len(list) == 0 || list[len(list)-1] != version {
		list = append(list, version)
	}
	return list[max(0, len(list)-maxProductions):]
}

func reversed(list []string) []string {
	list = slices.Clone(list)
	slices.Reverse(list)
	return list
}

// next returns the number of a registration that asks for none. It is the
// release after the highest release. If there is no release, it is that of the
// highest release candidate.
func (s *state) next() string {
	var high, candidate [3]int
	released := false
	for _, e := range slices.Concat(s.entries, s.deleted) {
		number, rc, _ := strings.Cut(e.version, "-")
		var n [3]int
		fmt.Sscanf(number, "%d.%d.%d", &n[0], &n[1], &n[2])
		if rc == "" {
			released = true
			high = slices.MaxFunc([][3]int{high, n}, compare)
		} else {
			candidate = slices.MaxFunc([][3]int{candidate, n}, compare)
		}
	}
	switch {
	case released:
		return fmt.Sprintf("%d.%d.%d", high[0], high[1], high[2]+1)
	case len(s.entries)+len(s.deleted) > 0:
		return fmt.Sprintf("%d.%d.%d", candidate[0], candidate[1], candidate[2])
	}
	return "1.0.0"
}

func compare(a, b [3]int) int { return slices.Compare(a[:], b[:]) }
