package turns

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
)

// A spec computes the expected state after each step. It is written from the
// documentation of both sides and shares no code with the registry.
//
// Python reads registry.json. A document that is up to date holds the present
// state; a large one may hold the state after an earlier change by Go. Changes
// by Python are merged into the state at the last event, field by field.
type spec struct {
	now     state    // with the changes of both sides
	last    state    // at the last event of the history
	known   bool     // there is a history
	docs    []state  // possible states of registry.json if Go wrote it last, the newest last
	base    state    // its state when Python began to write
	theirs  *state   // the state that Python wrote; nil if Go wrote last
	deleted []string // versions whose folders Python removed since, listed in its document or not

	events      []string          // the events in the history
	doubts      []string          // the deleted versions that Python changed
	trees       map[string]string // the content of each version that has files
	sealed      map[string]bool   // the versions whose files Go wrote
	productions []string          // the productions that rollbacks go back to
	given       []string          // numbers in the history
	registered  int
}

// An outcome is the kind of an error, empty for success.
type outcome string

const (
	ok        outcome = ""
	notFound  outcome = "not found"
	deleted   outcome = "deleted"
	gone      outcome = "the files are gone"
	exists    outcome = "exists"
	direction outcome = "wrong direction"
	refused   outcome = "refused by gates"
	protected outcome = "protected"
	torn      outcome = "interrupted"
	failed    outcome = "failed" // Python's errors have no types in its early releases
)

// content gives each registration a file of its own, except those with the same
// key and metric.
func (m *spec) content(s step) string {
	if s.once != "" {
		return fmt.Sprintf("registration %s, with auc %s", s.once, s.auc)
	}
	m.registered++
	return fmt.Sprintf("registration %d, by %s", m.registered, s.by)
}

func metrics(auc string) map[string]any {
	if auc == "" {
		auc = "0.5"
	}
	return map[string]any{"auc": json.Number(auc), "rows": json.Number("12345678901234567890")}
}

// python makes a step of Python, which starts from the state in registry.json.
func (m *spec) python(s step, content string, at stamp) outcome {
	doc := m.base
	if m.theirs != nil {
		doc = *m.theirs
	}
	doc = doc.clone()
	if s.do == "delete" && doc.order != nil {
		m.deleted = append(m.deleted, s.version)
		delete(m.trees, s.version)
	}
	if result := pythonStep(&doc, s, content, at); result != ok {
		return result
	}
	if s.do == "register" {
		number := doc.order[len(doc.order)-1]
		if m.refusesFiles(number) {
			return failed
		}
		m.setTree(number, content, false)
	}
	m.theirs = &doc
	return ok
}

// merge merges Python's changes into the state at the last event.
func (m *spec) merge() {
	if m.theirs == nil {
		return
	}
	now := m.last.clone()
	m.doubts = nil
	for number := range m.base.versions {
		if m.theirs.versions[number] == nil {
			now.remove(number, anotherProgram)
		}
	}
	for _, number := range m.deleted {
		now.remove(number, anotherProgram)
	}
	for _, number := range m.theirs.order {
		old, v, ours := m.base.versions[number], m.theirs.versions[number], now.versions[number]
		switch {
		case old == v:
		case old != nil && ours == nil && old.registered == v.registered:
			m.doubts = append(m.doubts, number) // Go deleted it before Python changed it
		case old == nil || ours == nil || old.registered != v.registered:
			now.remove(number, anotherProgram)
			now.set(v)
			maps.DeleteFunc(now.aliases, func(_, named string) bool { return named == number }) // it is another version
		default:
			merged := *ours
			if old.place() != v.place() && !(old.place() != ours.place() && m.inConsequence(old, v)) {
				merged.stage, merged.by = v.stage, v.by
				merged.staged, merged.served, merged.archived = v.staged, v.served, v.archived
			}
			if compact(old.metrics) != compact(v.metrics) {
				merged.metrics = v.metrics
			}
			if compact(old.metadata) != compact(v.metadata) {
				merged.metadata = v.metadata
			}
			now.set(&merged)
		}
	}
	if m.theirs.gate != m.base.gate {
		now.gate = m.theirs.gate
	}
	m.settleProduction(&now)
	m.now = now
}

// inConsequence reports whether Python archived a version only because it
// promoted another one. If Go moved that version before, Go's move stands.
func (m *spec) inConsequence(old, v *version) bool {
	for _, other := range m.theirs.versions {
		if v.archived != (stamp{}) && other.served == v.archived {
			return old.stage == "production" && v.stage == "archived"
		}
	}
	return false
}

// settleProduction archives a version that Go put into production and that
// Python did not know when it promoted another version since. A promotion
// archives the version that was in production.
func (m *spec) settleProduction(now *state) {
	for _, v := range m.theirs.versions {
		if old := m.base.versions[v.number]; now.versions[v.number] == nil || v.stage != "production" || old != nil && old.served == v.served {
			continue
		}
		for _, other := range now.versions {
			if other.stage == "production" && m.theirs.stage(other.number) != "production" {
				now.set(other.entered("archived", v.served))
			}
		}
	}
}

// pending returns the event that is not recorded yet, or "" if there is none. A
// document without versions is imported too.
func (m *spec) pending() string {
	what := changes(m.last, m.now, func(old, v *version) []string {
		more := forced(old, v)
		if old == nil && slices.Contains(m.given, v.number) {
			more = append(more, "reused")
		}
		return more
	})
	if m.last.gate != m.now.gate {
		what += " " + modelGate(m.now.gate)
	}
	lost := ""
	for _, alias := range slices.Sorted(maps.Keys(m.last.aliases)) {
		if _, there := m.now.aliases[alias]; !there {
			lost += aliasChange(alias, m.last.aliases[alias], "")
		}
	}
	lost += doubtsAbout(m.doubts)
	switch {
	case !m.known && m.theirs != nil:
		return "import [" + what + "]"
	case what == "" && lost == "":
		return ""
	}
	return "foreign" + lost + " [" + what + "]"
}

// doubtsAbout describes the doubts of an event.
func doubtsAbout(numbers []string) string {
	if len(numbers) == 0 {
		return ""
	}
	return fmt.Sprintf(" with doubts about %q", numbers)
}

// modelGate describes an event that sets the gate of the model.
func modelGate(least string) string { return "model gate " + least }

// record records Python's changes, as a change by Go does first.
func (m *spec) record() {
	if e := m.pending(); e != "" {
		m.events = append(m.events, e)
		m.note("foreign")
	}
	m.appended()
	if m.theirs != nil {
		m.docs, m.theirs, m.deleted, m.doubts = []state{m.last}, nil, nil, nil
	}
}

// appended makes the present state that of the last event.
func (m *spec) appended() {
	m.known, m.last = true, m.now.clone()
	m.given = append(m.given, m.now.order...)
}

// note updates the list of productions. A rollback removes the productions
// after the version that it restored.
func (m *spec) note(op string) { m.productions = m.afterwards(op) }

func (m *spec) afterwards(op string) []string {
	list, p := m.productions, m.now.production()
	if p == nil || len(list) > 0 && list[len(list)-1] == p.number {
		return list
	}
	if at := lastIndex(list, p.number); op == "rollback" && at >= 0 {
		return list[:at+1]
	}
	return append(slices.Clone(list), p.number)
}

func lastIndex(list []string, s string) int {
	for i, other := range slices.Backward(list) {
		if other == s {
			return i
		}
	}
	return -1
}

// previous returns the version that a rollback without a version restores, or
// "" if there is none. It passes over a version that only has the number of one
// that was in production.
func (m *spec) previous() string {
	for _, number := range slices.Backward(m.afterwards("foreign")) {
		p, v := m.now.production(), m.now.versions[number]
		if v != nil && !v.served.from.IsZero() && (p == nil || p.number != number) {
			return number
		}
	}
	return ""
}

// numbers returns all numbers that Go may not give out again.
func (m *spec) numbers() []string { return append(slices.Clone(m.given), m.now.order...) }

// gates returns the least AUCs that a promotion by Go must meet.
func (m *spec) gates(s step, v *version) []string {
	return slices.DeleteFunc([]string{m.now.gate, v.own, s.gate}, func(g string) bool { return g == "" || g == "none" })
}

func clone(v map[string]any, more ...any) map[string]any {
	c := maps.Clone(v)
	for i := 0; i < len(more); i += 2 {
		c[more[i].(string)] = more[i+1]
	}
	return c
}
