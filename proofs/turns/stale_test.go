package turns

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	mr "github.com/ubunye-go/modelregistry"
)

// staleSteps is the length of a random script in which Python writes documents
// that are older than Go's changes.
const staleSteps = 40

// TestStaleDocuments lets Python read registry.json, Go delete and purge
// versions, and Python then write the old content, with a change. The test does
// not compute which stage a version has then. It checks what must hold all the
// same: which versions are listed, deleted, held and purged, and their files.
func TestStaleDocuments(t *testing.T) {
	for _, x := range trials(anyRelease, inStep) {
		t.Run(x.String(), func(t *testing.T) {
			t.Parallel()
			x.python = x.release.start(t)
			met := 0
			for round := range *rounds {
				script, stale, err := x.exploreStale(rand.New(rand.NewPCG(*seed, uint64(round))))
				if err != nil {
					short, why := shrink(script, err, x.replayStale)
					t.Fatalf("%v, seed %d, round %d:\n%s%v", x, *seed, round, printScript(short), why)
				}
				met += stale
			}
			if met == 0 {
				t.Error("Python never wrote a document with a deleted version")
			}
		})
	}
}

// exploreStale draws and makes steps until one fails. It also returns how many
// of Python's documents listed a deleted version.
func (x trial) exploreStale(r *rand.Rand) (script []step, stale int, err error) {
	err = x.inWorld(func(w *world) error {
		script = nil
		for range staleSteps {
			s := w.staleStep(r)
			script = append(script, s)
			if err := w.takeStale(s); err != nil {
				return err
			}
		}
		stale = w.stale
		return nil
	})
	return script, stale, err
}

// replayStale makes the steps of a script, as replay does.
func (x trial) replayStale(script []step) (made []step, err error) {
	n := 0
	err = x.inWorld(func(w *world) error {
		n = 0
		for _, s := range script {
			n++
			if err := w.takeStale(s); err != nil {
				return err
			}
		}
		return nil
	})
	return script[:n], err
}

// staleStep draws a step.
func (w *world) staleStep(r *rand.Rand) step {
	one := func(list ...string) string { return list[r.IntN(len(list))] }
	now := w.spec.now
	deleted := func(number string) bool { return now.versions[number] == nil }
	switch {
	case len(now.order) < versions-1 && r.IntN(2) == 0:
		return step{by: one(goSide, pythonSide), do: "register"}
	case len(now.order) == 0:
		return step{by: goSide, do: "register"}
	case len(w.record) > 0 && r.IntN(8) == 0, slices.ContainsFunc(w.record, deleted) && r.IntN(2) == 0:
		s := step{by: pythonSide, do: one("edit", "promote", "promote", "archive"), version: one(w.record...), stale: true}
		switch s.do {
		case "edit":
			s.auc = "0.7"
		case "promote":
			s.to = one("staging", "production", "production")
		}
		return s
	}
	s := step{version: one(now.order...)}
	s.by, s.do, _ = strings.Cut(one("go promote", "go delete", "go delete", "go undelete", "go hold", "go unhold", "go purge", "go note",
		"python load", "python load", "python promote", "python delete"), " ")
	switch {
	case s.do == "delete" && s.by == pythonSide && !w.python.deletes:
		s.do = "promote"
	case s.do == "load" && len(w.record) > 0:
		s.by, s.do = goSide, "delete"
	}
	switch s.do {
	case "undelete":
		if list := slices.Sorted(maps.Keys(now.graves)); len(list) > 0 {
			s.version = one(list...)
		}
	case "promote":
		s.to = one("staging", "production")
	case "delete":
		s.force = s.by == goSide
	case "purge":
		s.version, s.torn = "", r.IntN(3) == 0
	case "note":
		s.version, s.tag = "", one("red", "blue")
	case "load":
		s.version = ""
	}
	return s
}

// takeStale makes a step, and checks what must hold after it.
func (w *world) takeStale(s step) error {
	var err error
	if s.by == pythonSide {
		err = w.takeStalePython(s)
	} else {
		err = w.goTurn(func() error { return w.with(func(r *mr.ModelRegistry) error { return w.takeStaleGo(r, s) }) })
	}
	if err != nil {
		return err
	}
	return w.checkStale()
}

// takeStalePython makes a step of Python, if no order of turns makes it wrong:
// Python must not drop its own change that Go did not see, or choose a number
// from a document that lacks one of Go's versions.
func (w *world) takeStalePython(s step) error {
	m := &w.spec
	if s.stale && (len(w.record) == 0 || !sameVersions(m.now, m.last)) {
		return nil
	}
	content := ""
	if s.do == "register" {
		a, err := w.python.ask(map[string]any{"do": "list", "store": w.store})
		if err != nil {
			return err
		}
		if !slices.Equal(a.After.numbers(), slices.Sorted(slices.Values(m.now.order))) {
			return nil
		}
		content = m.content(s)
	}
	command := s.command(content)
	command["store"] = w.store
	from := moment()
	a, err := w.python.ask(command)
	switch {
	case err != nil:
		return err
	case s.do == "load":
		w.record = a.After.numbers()
	case s.stale:
		w.record = nil
		if a.Error == "" && slices.ContainsFunc(a.After.numbers(), func(number string) bool { return m.now.versions[number] == nil }) {
			w.stale++
		}
	case s.do == "delete" && a.Before != nil:
		m.now.remove(s.version, anotherProgram)
		delete(m.trees, s.version)
		if m.last.versions[s.version] == nil { // Go did not see the version
			delete(m.now.graves, s.version)
			if g, dead := m.last.graves[s.version]; dead {
				m.now.graves[s.version] = g
			}
		}
	case s.do == "register":
		number := next(m.now.order)
		if m.refusesFiles(number) {
			return nil
		}
		m.now.set(&version{number: number, registered: stamp{from, moment()}, content: content})
		m.setTree(number, content, false)
	}
	return nil
}

// numbers returns the numbers of the versions that Python lists, sorted.
func (l *listing) numbers() (list []string) {
	if l != nil {
		for _, e := range l.Versions {
			list = append(list, e.Version)
		}
	}
	slices.Sort(list)
	return list
}

// sameVersions reports whether two states list the same versions.
func sameVersions(a, b state) bool {
	for _, number := range a.order {
		if v := b.versions[number]; v == nil || v.registered != a.versions[number].registered {
			return false
		}
	}
	return len(a.order) == len(b.order)
}

func (w *world) takeStaleGo(r *mr.ModelRegistry, s step) error {
	m, content := &w.spec, ""
	if s.do == "register" {
		content = m.content(s)
	}
	known := m.known || len(m.now.order) > 0
	if !known && s.do != "register" {
		return nil
	}
	from, early := moment(), m.unrecorded(s.version)
	var v mr.ModelVersion
	var err error
	if s.torn {
		err = w.interrupted(func(r *mr.ModelRegistry) error { v, err = call(r, s, content); return err })
	} else {
		v, err = call(r, s, content)
	}
	// The spec decides by its own stages, which may be others. So only what
	// does not depend on them is compared.
	listed := m.now.versions[s.version] != nil
	number, want := s.version, ok
	if s.do == "promote" {
		if !listed {
			want = m.missing(s.version)
		} else if got := classify(err); got == direction {
			want = direction
		}
	} else {
		number, want = m.golang(s, content, stamp{from, moment()})
	}
	got := classify(err)
	if got != want && !(early && want == deleted && got == notFound) {
		return fmt.Errorf("Go's outcome is %v, want %q", err, want)
	}
	if err == nil && v.Version != number {
		return fmt.Errorf("Go's call returns version %s, want %s", v.Version, number)
	}
	if err == nil && (s.do != "purge" || number != "") || s.torn && got == torn {
		m.appended()
	}
	return nil
}

// checkStale checks what a stale document must not change.
func (w *world) checkStale() error {
	see := func(r *mr.ModelRegistry) error {
		return errors.Join(w.checkStaleList(r), w.checkVerify(r), w.checkPurge(r))
	}
	if w.held != nil {
		if err := w.goTurn(func() error { return see(w.held) }); err != nil {
			return fmt.Errorf("in the running registry %w", err)
		}
	}
	if err := w.fresh(see); err != nil {
		return fmt.Errorf("in a newly opened registry %w", err)
	}
	return w.checkFiles()
}

func (w *world) checkStaleList(r *mr.ModelRegistry) error {
	ctx := context.Background()
	list, err := r.ListVersions(ctx, modelName)
	if err != nil && !errors.Is(err, mr.ErrNotFound) {
		return err
	}
	want, got, productions := []string{}, []string{}, 0
	for _, v := range w.spec.now.versions {
		want = append(want, v.number+" "+v.content)
	}
	for _, v := range list {
		g, err := goVersion(ctx, r, v)
		if err != nil {
			return err
		}
		got = append(got, v.Version+" "+g.content)
		if v.Stage == mr.Production {
			productions++
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	if d := difference(want, got); d != "" {
		return fmt.Errorf("Go lists other versions (-want +got):\n%s", d)
	}
	if productions > 1 {
		return fmt.Errorf("%d versions are in production", productions)
	}
	return w.checkDeleted(ctx, r, list)
}
