package turns

import (
	"encoding/json"
	"fmt"
	"slices"
)

// pythonStep changes a document as Python does.
func pythonStep(doc *state, s step, content string, at stamp) outcome {
	v := doc.versions[s.version]
	if s.do == "register" {
		return pythonRegister(doc, s, content, at)
	}
	if s.do == "delete" {
		if doc.order == nil {
			return failed
		}
		doc.remove(s.version, pythonSide)
		return ok
	}
	if v == nil {
		return failed
	}
	switch s.do {
	case "promote":
		gate := doc.gate
		if s.gate != "" {
			gate = s.gate
		}
		after := *v
		switch {
		case s.force && gate != "" && gate != "none":
			after.metadata = clone(v.metadata, "promotion_forced", true,
				"promotion_gates_skipped", map[string]any{"min_auc": json.Number(gate)})
		case !v.passes(gate):
			return failed
		}
		after.by = s.actor()
		pythonServe(doc, s.to, s.version, at)
		doc.set(after.entered(s.to, at))
	case "demote":
		doc.set(v.moved(s.to))
	case "archive":
		doc.set(v.moved("archived"))
	case "rollback":
		pythonServe(doc, "production", s.version, at)
		doc.set(v.entered("production", at))
	case "edit":
		after := *v
		after.metrics = clone(v.metrics, "auc", json.Number(s.auc))
		doc.set(&after)
	default:
		panic("unknown step " + s.String())
	}
	return ok
}

func pythonRegister(doc *state, s step, content string, at stamp) outcome {
	number := s.version
	if number == "" {
		number = next(doc.order)
	}
	if doc.versions[number] != nil {
		return failed
	}
	switch s.stored {
	case "": // the gate stays
	case "none":
		doc.gate = ""
	default:
		doc.gate = s.stored
	}
	doc.set(&version{number: number, stage: "development", registered: at, by: s.actor(), metrics: metrics(s.auc),
		metadata: map[string]any{"library": "python"}, content: content})
	return ok
}

// pythonServe archives the version in production before another version enters
// it.
func pythonServe(doc *state, to, number string, at stamp) {
	if v := doc.first(); to == "production" && v != nil && v.number != number {
		doc.set(v.entered("archived", at))
	}
}

// golang makes a step of Go. It returns the version that the call returns.
func (m *spec) golang(s step, content string, at stamp) (string, outcome) {
	switch s.do {
	case "register":
		return m.register(s, content, at)
	case "alias":
		return m.setAlias(s, at)
	case "note":
		return m.annotate(s, at)
	case "delete", "undelete", "hold", "unhold", "retain", "purge":
		return m.keep(s, at)
	}
	if s.do == "rollback" && s.version == "" {
		s.version = m.previous()
	}
	v := m.now.versions[s.version]
	if v == nil {
		return s.version, m.missing(s.version)
	}
	to := s.to
	switch s.do {
	case "archive":
		to = "archived"
	case "rollback":
		to = "production"
	}
	from := m.now.shown(v)
	if from == to {
		if m.pending() != "" { // a successful call that changes nothing decides by the history alone
			m.record()
		}
		return s.version, ok
	}
	up := []string{"archived", "development", "staging", "production"}
	rises := slices.Index(up, to) > slices.Index(up, from)
	if s.do == "promote" && !rises || s.do == "demote" && rises || s.do == "rollback" && v.served.from.IsZero() && !s.force {
		return s.version, direction
	}
	if to == "archived" && !s.force && len(m.now.aliasesOf(s.version)) > 0 {
		return s.version, protected
	}
	about := fmt.Sprintf("%s %s %s to %s by %q", s.do, s.version, from, to, s.actor())
	if s.do == "promote" && !s.force {
		for _, gate := range m.gates(s, v) {
			if !v.passes(gate) {
				m.commit(s.do, about+" refused", at, func() {})
				return s.version, refused
			}
		}
	}
	if s.do == "promote" && s.force {
		about += " without gates"
	}
	m.commit(s.do, about, at, func() {
		after := *v
		if s.do == "promote" || s.do == "rollback" {
			after.by = s.actor()
		}
		if p := m.now.production(); to == "production" && p != nil {
			m.now.set(p.entered("archived", at))
		}
		m.now.set(after.entered(to, at))
	})
	return s.version, ok
}

func (m *spec) register(s step, content string, at stamp) (string, outcome) {
	if s.once != "" {
		if number, result, known := m.again(s, content); known {
			return number, result
		}
	}
	number := s.version
	switch {
	case number == "":
		number = next(m.numbers())
	case slices.Contains(m.numbers(), number):
		return number, exists
	}
	about := fmt.Sprintf("register %s  to development by %q", number, goSide)
	m.commit("register", about, at, func() {
		v := &version{number: number, stage: "development", registered: at, metrics: metrics(s.auc),
			metadata: map[string]any{"library": "go"}, content: content, ours: true, own: s.own, key: s.once}
		if s.pad {
			v.metadata["pad"] = fmt.Sprintf("%d characters", padding)
		}
		m.now.set(v)
	})
	m.setTree(number, content, true)
	return number, ok
}

// commit appends an event of Go: after Python's changes, and with the archiving
// of every second version in production.
func (m *spec) commit(op, about string, at stamp, change func()) {
	m.record()
	seconds := m.now.seconds()
	change()
	for _, v := range seconds {
		if m.now.versions[v.number] == v { // the change itself has priority
			m.now.set(v.entered("archived", at))
		}
	}
	nothing := func(*version, *version) []string { return nil }
	m.events = append(m.events, fmt.Sprintf("%s [%s]", about, changes(m.last, m.now, nothing)))
	m.note(op)
	m.appended()
	m.docs = append(m.docs, m.last)
}
