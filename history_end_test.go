package modelregistry_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/driver"
	"github.com/ubunye-go/modelregistry/registrytest"
)

// forwardStore hides that a store's log can be read from its end.
type forwardStore struct{ mr.Store }

type forwardView struct {
	driver.NotedView
	trees driver.TreeView
}

func (v forwardView) Tree(version string) (driver.ItemKind, error) { return v.trees.Tree(version) }

func (s forwardStore) Read(ctx context.Context, useCase, model string, look func(driver.View) error) error {
	return s.Store.Read(ctx, useCase, model, func(v driver.View) error {
		return look(forwardView{v.(driver.NotedView), v.(driver.TreeView)})
	})
}

// A storyteller makes random changes of a model by a clock that may be wrong.
type storyteller struct {
	t        *testing.T
	rnd      *rand.Rand
	memory   *registrytest.Memory
	now      time.Time
	wrong    int // percent of the changes before which the clock jumps
	external int // percent of the changes that another program makes
	versions int
}

func (s *storyteller) open(wrap func(mr.Store) mr.Store) *mr.ModelRegistry {
	r := mr.New(wrap(s.memory.Open()), &mr.Options{Now: func() time.Time { return s.now }})
	s.t.Cleanup(func() { r.Close() })
	return r
}

func asIs(s mr.Store) mr.Store { return s }

func (s *storyteller) anyVersion() mr.Ref {
	return fraud.At(fmt.Sprintf("1.0.%d", max(0, s.versions-1-s.rnd.IntN(6))))
}

// change makes one change, or tries to.
func (s *storyteller) change(r *mr.ModelRegistry) {
	s.t.Helper()
	ctx := s.t.Context()
	switch {
	case s.rnd.IntN(100) >= s.wrong:
		s.now = s.now.Add(time.Duration(s.rnd.IntN(3)) * time.Hour)
	case s.rnd.IntN(2) == 0:
		s.now = s.now.Add(-time.Duration(s.rnd.IntN(200)) * time.Hour)
	default:
		s.now = s.now.Add(time.Duration(s.rnd.IntN(200)) * time.Hour)
	}
	if s.versions > 0 && s.rnd.IntN(100) < s.external {
		s.edit(r)
		return
	}
	opts := &mr.MoveOptions{Actor: "ann", Reason: fmt.Sprint(s.rnd.IntN(100))}
	var err error
	switch s.rnd.IntN(12) {
	case 0, 1, 2:
		_, err = r.Register(ctx, fraud, artifact(), &mr.RegisterOptions{Version: fmt.Sprintf("1.0.%d", s.versions), Actor: "bob"})
		s.versions++
	case 3, 4, 5:
		_, err = r.Promote(ctx, s.anyVersion(), mr.Production, opts)
	case 6:
		_, err = r.Promote(ctx, s.anyVersion(), mr.Staging, opts)
	case 7:
		_, err = r.Rollback(ctx, fraud, opts)
	case 8:
		_, err = r.Demote(ctx, s.anyVersion(), mr.Staging, opts)
	case 9:
		_, err = r.Archive(ctx, s.anyVersion(), opts)
	case 10:
		_, err = r.SetGates(ctx, s.anyVersion(), mr.MinMetric("auc", s.rnd.Float64()), nil)
	case 11:
		gates := mr.Gates()
		if s.rnd.IntN(2) == 0 {
			gates = mr.MaxMetric("loss", float64(2+s.rnd.IntN(2)))
		}
		err = r.SetModelGates(ctx, fraud, gates, nil)
	}
	var gate *mr.GateError // a refusal is an event, too
	if err != nil && !errors.As(err, &gate) && !errors.Is(err, mr.ErrNotFound) && !errors.Is(err, mr.ErrWrongDirection) && !errors.Is(err, mr.ErrConflict) {
		s.t.Fatal(err)
	}
}

// edit has another program change an entry of the document.
func (s *storyteller) edit(r *mr.ModelRegistry) {
	s.t.Helper()
	var doc map[string]any
	err := s.memory.Open().Read(s.t.Context(), fraud.UseCase, fraud.Model, func(v driver.View) error {
		data, _, err := v.Document()
		return errors.Join(err, json.Unmarshal(data, &doc))
	})
	if err != nil {
		s.t.Fatal(err)
	}
	entries := doc["versions"].(map[string]any)
	stages := []string{"development", "staging", "production", "archived"}
	stage := stages[s.rnd.IntN(len(stages))]
	at := s.now.Add(-time.Duration(s.rnd.IntN(5)) * time.Hour).Format(time.RFC3339)
	version := s.anyVersion().Version
	e, ok := entries[version].(map[string]any)
	if s.rnd.IntN(4) == 0 || !ok {
		version = fmt.Sprintf("2.0.%d", s.rnd.IntN(5))
		e = map[string]any{"version": version, "registered_at": at}
		entries[version] = e
	}
	e["stage"], e["promoted_by"] = stage, "py"
	switch stage {
	case "production":
		e["promoted_to_prod"] = at
	case "archived":
		e["archived_at"] = at
	}
	if s.rnd.IntN(3) == 0 {
		e["metadata"] = map[string]any{"promotion_forced": true, "promotion_gates_skipped": map[string]any{"min_auc": 0.9}}
	}
	if s.rnd.IntN(5) == 0 {
		delete(entries, version)
	}
	if s.rnd.IntN(2) == 0 {
		delete(doc, "modelregistry")
	}
	data, err := json.Marshal(doc)
	if err == nil {
		err = s.memory.WriteDocument(fraud, data)
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

// answers returns what a registry says about the history, by question.
func (s *storyteller) answers(r *mr.ModelRegistry) map[string][]string {
	s.t.Helper()
	ctx, got := s.t.Context(), map[string][]string{}
	last := s.now
	var numbers int64
	note := func(question string, value any, err error) {
		if err != nil {
			value = err.Error()
		}
		got[question] = append(got[question], mustJSON(s.t, value))
	}
	ask := func(question string, opts *mr.HistoryOptions, most int) {
		n := 0
		for e, err := range r.History(ctx, fraud, opts) {
			if numbers = max(numbers, e.Number); !e.Unrecorded() {
				last = e.Time
			}
			note(question, e, err)
			if n++; n == most {
				break
			}
		}
	}
	ask("all", nil, -1)
	ask("newest first", &mr.HistoryOptions{Newest: true}, -1)
	ask("newest 5", &mr.HistoryOptions{Newest: true}, 5)
	ask("newest of a version", &mr.HistoryOptions{Newest: true, Versions: []string{"1.0.3"}}, 3)
	ask("newest promotion", &mr.HistoryOptions{Newest: true, Ops: []mr.Operation{mr.OpPromote}}, 1)
	for _, after := range []int64{1, numbers / 2, numbers - 3, numbers - 1, numbers, numbers + 1} {
		ask(fmt.Sprint("after ", after), &mr.HistoryOptions{After: after}, -1)
		ask(fmt.Sprint("newest after ", after), &mr.HistoryOptions{After: after, Newest: true}, -1)
	}
	for _, ago := range []time.Duration{-time.Hour, 0, 3, 24, 100, 1000} {
		at := last.Add(-ago * time.Hour)
		ask(fmt.Sprint("since ", ago), &mr.HistoryOptions{Since: at}, -1)
		ask(fmt.Sprint("newest since ", ago), &mr.HistoryOptions{Since: at, Newest: true}, -1)
		p, err := r.ProductionAt(ctx, fraud, at)
		note(fmt.Sprint("production ", ago), p, err)
		list, err := r.StageAt(ctx, fraud, mr.Archived, at)
		note(fmt.Sprint("archived ", ago), list, err)
	}
	p, err := r.ProductionAt(ctx, fraud, time.Time{})
	note("in production", p, err)
	return got
}

// A history that is read from its end has the same events as when it is read
// from its start.
func TestHistoryFromItsEndIsTheSame(t *testing.T) {
	t.Parallel()
	for seed := range uint64(12) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			s := &storyteller{t: t, rnd: rand.New(rand.NewPCG(seed, 1)), memory: registrytest.NewMemory(t), now: oclock(0),
				wrong: int(seed%4) * 7, external: int(seed/4) * 3}
			r := s.open(asIs)
			reader := s.open(asIs)
			for i := range 180 {
				s.change(r)
				if i%60 != 59 {
					continue
				}
				want := s.answers(s.open(func(s mr.Store) mr.Store { return forwardStore{s} }))
				for who, r := range map[string]*mr.ModelRegistry{"the writer": r, "another": reader, "a fresh one": s.open(asIs)} {
					if diff := cmp.Diff(want, s.answers(r)); diff != "" {
						t.Fatalf("%s after %d changes (-from the start +from the end):\n%s", who, i+1, diff)
					}
				}
			}
		})
	}
}

// fromBothEnds returns two registries on a memory, one of which can't read a
// log from its end, and the clock of both.
func fromBothEnds(t *testing.T) (backward, forward *mr.ModelRegistry, clock *hours) {
	t.Helper()
	memory, clock := registrytest.NewMemory(t), &hours{}
	open := func(s mr.Store) *mr.ModelRegistry {
		r := mr.New(s, &mr.Options{Now: clock.now})
		t.Cleanup(func() { r.Close() })
		return r
	}
	return open(memory.Open()), open(forwardStore{memory.Open()}), clock
}

// moves makes n events that move a version to staging and back.
func moves(t testing.TB, r *mr.ModelRegistry, version string, n int) {
	t.Helper()
	for i := range n {
		move := r.Promote
		if i%2 == 1 {
			move = r.Demote
		}
		to := []mr.ModelStage{mr.Staging, mr.Development}[i%2]
		if _, err := move(t.Context(), fraud.At(version), to, nil); err != nil {
			t.Fatal(err)
		}
	}
}

// History with Since ends at a hundred earlier events in a row, although an
// event before them has a later time.
func TestHistorySinceStopsAfterAHundredEarlierEvents(t *testing.T) {
	t.Parallel()
	for _, earlier := range []int{99, 100} {
		backward, forward, clock := fromBothEnds(t)
		clock.set(20)
		register(t, backward, "1.0.0", nil)
		clock.set(1)
		moves(t, backward, "1.0.0", earlier)
		clock.set(22)
		moves(t, backward, "1.0.0", 1+earlier%2)
		for who, r := range map[string]*mr.ModelRegistry{"from the end": backward, "from the start": forward} {
			for _, newest := range []bool{false, true} {
				list := events(t, r, &mr.HistoryOptions{Since: oclock(10), Newest: newest})
				has := false
				for _, e := range list {
					has = has || e.Op == mr.OpRegister
				}
				if want := earlier < 100; has != want {
					t.Errorf("%s, after %d earlier events: the registration is there: %t, want %t", who, earlier, has, want)
				}
			}
		}
	}
}

// A clock that was wrong for less than a hundred events does not change what
// ProductionAt says, wherever these events are.
func TestProductionAtFromTheEndByAWrongClock(t *testing.T) {
	t.Parallel()
	for name, wrong := range map[string]int{"ahead": 22, "behind": 1} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			backward, forward, clock := fromBothEnds(t)
			clock.set(5)
			register(t, backward, "1.0.0", nil)
			register(t, backward, "1.0.1", nil)
			register(t, backward, "1.0.2", nil)
			promote(t, backward, "1.0.1", mr.Production)
			moves(t, backward, "1.0.0", 110)
			clock.set(wrong)
			moves(t, backward, "1.0.0", 40)
			clock.set(6)
			promote(t, backward, "1.0.2", mr.Production)
			moves(t, backward, "1.0.0", 40)
			clock.set(wrong)
			promote(t, backward, "1.0.1", mr.Production)
			moves(t, backward, "1.0.0", 20)
			clock.set(8)
			moves(t, backward, "1.0.0", 120)
			clock.set(23)
			for hour := range 24 {
				want, wantErr := forward.ProductionAt(t.Context(), fraud, oclock(hour))
				got, err := backward.ProductionAt(t.Context(), fraud, oclock(hour))
				if diff := cmp.Diff(mustJSON(t, want), mustJSON(t, got)); diff != "" || (err == nil) != (wantErr == nil) {
					t.Errorf("at %d, errors %v and %v (-from the start +from the end):\n%s", hour, wantErr, err, diff)
				}
			}
		})
	}
}

// A change of gates leaves a second version in production where it is, so the
// move after it does not say by itself where the version was.
func TestHistoryOfGatesOnASecondProduction(t *testing.T) {
	t.Parallel()
	dir := three(t)
	secondProduction(t, dir)
	r := openStore(t, dir, nil)
	if _, err := r.SetGates(t.Context(), fraud.At("1.0.1"), mr.MinMetric("auc", 0.5), nil); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Promote(t.Context(), fraud.At("1.0.1"), mr.Staging, &mr.MoveOptions{SkipGates: true}); err != nil {
		t.Fatal(err)
	}
	all := events(t, r, nil)
	newest := events(t, r, &mr.HistoryOptions{Newest: true})
	slices.Reverse(newest)
	if diff := cmp.Diff(mustJSON(t, all), mustJSON(t, newest)); diff != "" {
		t.Errorf("(-from the start +from the end):\n%s", diff)
	}
}
