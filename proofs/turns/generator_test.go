package turns

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
)

// versions bounds the number of versions. It is small, so that many steps use
// the same version.
const versions = 4

// A generator draws steps.
type generator struct {
	*rand.Rand
	release release
	way     way
	drawn   int
}

func (g *generator) one(list ...string) string { return list[g.IntN(len(list))] }

func (g *generator) rarely() bool { return g.IntN(6) == 0 }

// step draws a step that is possible in most states. A step that is not
// possible must fail.
func (g *generator) step(m *spec) step {
	g.drawn++
	s := step{by: g.one(goSide, pythonSide), named: g.IntN(2) == 0}
	s.do = g.one("register", "promote", "promote", "promote", "demote", "archive", "archive", "rollback", "more", "more", "name", "name", "keep", "keep", "keep")
	if len(m.now.order) >= versions && s.do == "register" {
		s.do = "promote"
	}
	switch {
	case (s.do == "name" || s.do == "keep") && s.by == pythonSide:
		s.do = "more"
	case s.do == "keep":
		s.do = g.one("delete", "delete", "undelete", "undelete", "hold", "unhold", "retain", "purge")
	case s.do == "name":
		s.do = g.one("alias", "note", "note")
	}
	if s.do == "more" {
		s.do = g.more(s.by)
	}
	s.opened = g.way.running && s.by == goSide && s.do != "reopen" && s.do != "wait" && g.rarely()
	if s.do != "register" && s.do != "reopen" && s.do != "wait" {
		s.version = g.version(m)
	}
	switch s.do {
	case "register":
		g.registration(&s)
	case "promote":
		s.to = g.one("development", "staging", "staging", "production", "production")
		if g.rarely() {
			s.gate = g.one("0.4", "0.6")
		}
		s.force = g.rarely() && (s.by == goSide || g.release.gates)
	case "alias":
		s.alias = g.one("champion", "canary")
		if g.IntN(3) == 0 {
			s.version = ""
		}
	case "note":
		g.note(&s)
	case "delete":
		s.force = s.by == goSide && g.IntN(2) == 0
	case "undelete":
		if list := slices.Sorted(maps.Keys(m.now.graves)); len(list) > 0 && !g.rarely() {
			s.version = g.one(list...)
		}
	case "retain", "purge":
		g.removal(&s)
	case "archive":
		s.force = s.by == goSide && g.IntN(2) == 0
	case "demote":
		s.to = g.one("development", "staging", "archived")
	case "rollback":
		if s.by == goSide && g.IntN(2) == 0 {
			s.version = ""
		} else if s.by == goSide {
			s.force = g.rarely()
		}
	case "edit":
		s.auc = g.one("0.5", "0.7", "0.9")
	}
	return s
}

// removal draws a retention or a purge.
func (g *generator) removal(s *step) {
	s.version = ""
	if s.do == "retain" {
		s.keep = g.one("1", "2", "3", "tag", "served")
		return
	}
	if s.torn = g.IntN(3) == 0; s.torn {
		s.opened = false
	}
}

// note draws a change of the note of the version, or of the model.
func (g *generator) note(s *step) {
	if g.IntN(3) == 0 {
		s.version = ""
	}
	if g.IntN(2) == 0 {
		s.tag = g.one("none", "red", "blue")
	}
	if s.tag == "" || g.IntN(3) == 0 {
		s.text = g.one("none", "card", "sheet")
	}
}

// more draws an operation that only one side has.
func (g *generator) more(by string) string {
	switch {
	case by == goSide && g.way == way{true, true}:
		return g.one("reopen", "wait")
	case by == goSide:
		return "reopen"
	case g.release.deletes:
		return g.one("edit", "delete")
	}
	return "edit"
}

// version draws the number of a version that exists or existed. It excludes the
// padded version, whose events would be so long that the document would be
// written.
func (g *generator) version(m *spec) string {
	list := m.now.order
	if g.rarely() || len(list) == 0 {
		list = m.numbers()
	}
	list = slices.DeleteFunc(slices.Clone(list), func(number string) bool { return number == padded })
	if len(list) == 0 {
		return "1.0.0"
	}
	return g.one(list...)
}

// registration draws the arguments of a registration. Python takes its number
// from registry.json. If that lags, Python would take a number that Go has
// given out since.
func (g *generator) registration(s *step) {
	s.auc = g.one("0.5", "0.7", "0.9")
	if s.by == goSide && g.IntN(3) == 0 {
		s.once = g.one("run-1", "run-2")
	}
	switch {
	case s.by == goSide && g.rarely():
		s.own = g.one("0.6", "0.8")
	case s.by == pythonSide && g.release.gates && g.rarely():
		s.stored = g.one("none", "0.6", "0.8")
	}
	if s.by == pythonSide && g.way.lagging {
		s.version = fmt.Sprintf("2.0.%d", g.drawn)
	}
}
