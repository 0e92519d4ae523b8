package modelregistry_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	mr "github.com/ubunye-go/modelregistry"
)

// events reads a history that is in order.
func events(t testing.TB, r *mr.ModelRegistry, o *mr.HistoryOptions) []mr.Event {
	t.Helper()
	var list []mr.Event
	for e, err := range r.History(t.Context(), fraud, o) {
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, e)
	}
	return list
}

// brief is an event on one line.
func brief(e mr.Event) string {
	s := fmt.Sprintf("%d %s", e.Number, e.Op)
	if e.Version != "" {
		s += fmt.Sprintf(" %s %s>%s", e.Version, e.From, e.To)
	}
	for _, part := range []string{e.Actor, e.Reason} {
		if part != "" {
			s += " " + part
		}
	}
	if e.Refused {
		s += " refused"
	}
	if e.SkippedGates {
		s += " ungated"
	}
	for _, g := range e.Gates {
		s += fmt.Sprintf(" %s=%t", g.Name, g.Passed)
	}
	for _, c := range e.Changes {
		s += fmt.Sprintf(" [%s %s>%s]", c.Version, c.From, c.To)
	}
	if e.Unrecorded() {
		s += " unrecorded"
	}
	return s
}

func wantEvents(t testing.TB, got []mr.Event, want ...string) {
	t.Helper()
	var lines []string
	for _, e := range got {
		lines = append(lines, brief(e))
	}
	if diff := cmp.Diff(want, lines); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

// hours is a clock that stands at a full hour until it is set to another.
type hours struct {
	mu   sync.Mutex
	hour int
}

func (h *hours) set(hour int) { h.mu.Lock(); defer h.mu.Unlock(); h.hour = hour }
func (h *hours) now() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return oclock(h.hour)
}

func oclock(hour int) time.Time { return time.Date(2026, 11, 23, hour, 0, 0, 0, time.UTC) }

// A life is a model's, an hour an event from 1 on.
func life(t testing.TB) (r *mr.ModelRegistry, dir string, clock *hours) {
	t.Helper()
	clock = &hours{}
	r, dir = newStore(t, &mr.Options{Actor: "ci", Now: clock.now})
	ctx := t.Context()
	hour := 0
	at := func(do func() error) {
		t.Helper()
		hour++
		clock.set(hour)
		if err := do(); err != nil {
			t.Fatal(err)
		}
	}
	move := func(do func() (mr.ModelVersion, error)) { t.Helper(); at(func() error { _, err := do(); return err }) }
	move(func() (mr.ModelVersion, error) {
		return r.Register(ctx, fraud, artifact(), &mr.RegisterOptions{Actor: "anna", Metrics: map[string]any{"auc": 0.9}})
	})
	move(func() (mr.ModelVersion, error) {
		return r.Promote(ctx, fraud.At("1.0.0"), mr.Production, &mr.MoveOptions{Actor: "bert", Reason: "first", Gates: mr.MinMetric("auc", 0.8)})
	})
	move(func() (mr.ModelVersion, error) {
		return r.Register(ctx, fraud, artifact(), &mr.RegisterOptions{Metrics: map[string]any{"auc": 0.7}})
	})
	at(func() error {
		var refused *mr.GateError
		_, err := r.Promote(ctx, fraud.At("1.0.1"), mr.Production, &mr.MoveOptions{Gates: mr.MinMetric("auc", 0.8)})
		if !errors.As(err, &refused) {
			return fmt.Errorf("not refused: %w", err)
		}
		return nil
	})
	move(func() (mr.ModelVersion, error) {
		return r.Promote(ctx, fraud.At("1.0.1"), mr.Production, &mr.MoveOptions{Actor: "carl", SkipGates: true})
	})
	move(func() (mr.ModelVersion, error) {
		return r.Rollback(ctx, fraud, &mr.MoveOptions{Actor: "dora", Reason: "alarms"})
	})
	move(func() (mr.ModelVersion, error) {
		return r.Demote(ctx, fraud.At("1.0.0"), mr.Staging, &mr.MoveOptions{Actor: "emil"})
	})
	clock.set(23)
	return r, dir, clock
}

var lifeEvents = []string{
	"1 register 1.0.0 >development anna [1.0.0 >development]",
	"2 promote 1.0.0 development>production bert first min_auc=true [1.0.0 development>production]",
	"3 register 1.0.1 >development ci [1.0.1 >development]",
	"4 promote 1.0.1 development>production ci refused min_auc=false",
	"5 promote 1.0.1 development>production carl ungated [1.0.0 production>archived] [1.0.1 development>production]",
	"6 rollback 1.0.0 archived>production dora alarms [1.0.1 production>archived] [1.0.0 archived>production]",
	"7 demote 1.0.0 production>staging emil [1.0.0 production>staging]",
}

func TestHistory(t *testing.T) {
	t.Parallel()
	r, dir, _ := life(t)
	all := lifeEvents
	for name, test := range map[string]struct {
		opts *mr.HistoryOptions
		want []string
	}{
		"all":         {nil, all},
		"newest":      {&mr.HistoryOptions{Newest: true}, []string{all[6], all[5], all[4], all[3], all[2], all[1], all[0]}},
		"version":     {&mr.HistoryOptions{Versions: []string{"1.0.1"}}, all[2:6]},
		"predecessor": {&mr.HistoryOptions{Versions: []string{"1.0.0"}, Ops: []mr.Operation{mr.OpPromote, mr.OpDemote}}, []string{all[1], all[4], all[6]}},
		"versions":    {&mr.HistoryOptions{Versions: []string{"1.0.0", "1.0.1"}, Until: oclock(4)}, all[:3]},
		"since":       {&mr.HistoryOptions{Since: oclock(6)}, all[5:]},
		"span":        {&mr.HistoryOptions{Since: oclock(2), Until: oclock(5)}, all[1:4]},
		"after":       {&mr.HistoryOptions{After: 5}, all[5:]},
		"nothing":     {&mr.HistoryOptions{Ops: []mr.Operation{mr.OpRepair}}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wantEvents(t, events(t, r, test.opts), test.want...)
		})
	}
	for i, e := range events(t, openStore(t, dir, nil), nil) {
		if want := oclock(i + 1); !e.Time.Equal(want) || e.Name != fraud || len(e.ID) != 32 {
			t.Errorf("event %d is of %s at %v with id %q, want %v", e.Number, e.Name, e.Time, e.ID, want)
		}
	}
}

func TestHistoryStopsWhenTheLoopEnds(t *testing.T) {
	t.Parallel()
	r, _, _ := life(t)
	n := 0
	for range r.History(t.Context(), fraud, nil) {
		if n++; n == 2 {
			break
		}
	}
	if n != 2 {
		t.Errorf("%d events", n)
	}
}

func TestHistoryFollows(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, dir := newStore(t, nil)
		register(t, r, "1.0.0", nil)
		other := openStore(t, dir, nil)
		ctx, cancel := context.WithCancel(t.Context())
		var got []mr.Event
		done := make(chan struct{})
		go func() {
			defer close(done)
			for e, err := range r.History(ctx, fraud, &mr.HistoryOptions{Follow: true, Ops: []mr.Operation{mr.OpRegister, mr.OpForeign}}) {
				if err != nil {
					t.Error(err)
				}
				got = append(got, e)
			}
		}()
		synctest.Wait()
		want := []string{"1 register 1.0.0 >development [1.0.0 >development]"}
		wantEvents(t, got, want...)
		for range 3 {
			promote(t, other, "1.0.0", mr.Staging)
			register(t, other, "", nil)
		}
		doc := modelPath(dir, "registry.json")
		data, err := os.ReadFile(doc)
		if err != nil {
			t.Fatal(err)
		}
		writeFile(t, doc, strings.Replace(string(data), `"stage": "staging"`, `"stage": "archived"`, 1))
		time.Sleep(time.Second)
		synctest.Wait()
		want = append(want, "3 register 1.0.1 >development [1.0.1 >development]", "4 register 1.0.2 >development [1.0.2 >development]", "5 register 1.0.3 >development [1.0.3 >development]")
		wantEvents(t, got, want...)
		register(t, other, "", nil)
		time.Sleep(time.Hour)
		synctest.Wait()
		want = append(want, "6 foreign [1.0.0 staging>archived]", "7 register 1.0.4 >development [1.0.4 >development]")
		wantEvents(t, got, want...)
		cancel()
		<-done
		wantEvents(t, got, want...)
		for _, err := range r.History(t.Context(), fraud, &mr.HistoryOptions{Follow: true, Newest: true}) {
			wantError(t, err, "history", fraud, "", mr.ErrInvalid)
		}
	})
}

// lastLineRepaired damages the third event. The history then has two later
// ones, the first of which is the repair.
func lastLineRepaired(t *testing.T, dir string) {
	edit(t, modelPath(dir, "history.jsonl"), func(s string) string { l := strings.SplitAfter(s, "\n"); return l[0] + l[1] + "{}\n" })
	r := openStore(t, dir, nil)
	if _, err := r.Repair(t.Context(), fraud, &mr.RepairOptions{Apply: true}); err != nil {
		t.Fatal(err)
	}
	register(t, r, "", nil)
}

// A history is not followed any more after another history replaced it. A
// history that was repaired is still followed.
func TestFollowEndsWhenTheHistoryIsReplaced(t *testing.T) {
	for name, test := range map[string]struct {
		do    func(t *testing.T, dir string)
		is    error // ends it
		later int   // events after the first three
	}{
		"deleted": {func(t *testing.T, dir string) { removeAll(t, modelPath(dir)) }, mr.ErrNotFound, 0},
		"shorter": {func(t *testing.T, dir string) {
			removeAll(t, modelPath(dir))
			register(t, openStore(t, dir, nil), "", nil)
		}, mr.ErrNotFound, 0},
		"longer": {func(t *testing.T, dir string) {
			removeAll(t, modelPath(dir))
			inProduction(t, openStore(t, dir, nil), "1.0.0", "1.0.1")
		}, mr.ErrNotFound, 0},
		"goes on":                        {func(t *testing.T, dir string) { register(t, openStore(t, dir, nil), "", nil) }, nil, 1},
		"last line damaged and repaired": {lastLineRepaired, nil, 2},
		"last line damaged and repaired, and document lost": {func(t *testing.T, dir string) {
			if err := os.Remove(modelPath(dir, "registry.json")); err != nil {
				t.Fatal(err)
			}
			lastLineRepaired(t, dir)
		}, nil, 2},
	} {
		t.Run(name, func(t *testing.T) {
			onMovingGround(t, func(t *testing.T, dir string) {
				r := openStore(t, dir, nil)
				for range 3 {
					register(t, r, "", nil)
				}
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				count, done := 0, make(chan error, 1)
				go func() {
					for _, err := range r.History(ctx, fraud, &mr.HistoryOptions{Follow: true}) {
						if err != nil {
							done <- err
							return
						}
						count++
					}
					done <- nil
				}()
				synctest.Wait()
				test.do(t, dir)
				time.Sleep(time.Second)
				synctest.Wait()
				cancel()
				if err := <-done; !errors.Is(err, test.is) || count != 3+test.later {
					t.Errorf("got %d events and the error %v, want %d and %v", count, err, 3+test.later, test.is)
				}
			})
		})
	}
}

func TestHistoryOfNothing(t *testing.T) {
	t.Parallel()
	r, _ := newStore(t, nil)
	n := 0
	for _, err := range r.History(t.Context(), fraud, nil) {
		wantError(t, err, "history", fraud, "", mr.ErrNotFound, fs.ErrNotExist)
		n++
	}
	if n != 1 {
		t.Errorf("%d results", n)
	}
	if _, err := r.ProductionAt(t.Context(), fraud, time.Time{}); !errors.Is(err, mr.ErrNotFound) {
		t.Errorf("got %v", err)
	}
	bad := mr.ModelName{UseCase: "..", Model: "m"}
	for _, err := range r.History(t.Context(), bad, nil) {
		wantError(t, err, "history", bad, "", mr.ErrInvalid)
	}
}

// Invariant 7: History never skips a damaged line in the middle.
func TestHistoryShowsDamageInItsPlace(t *testing.T) {
	t.Parallel()
	_, dir, clock := life(t)
	log := modelPath(dir, "history.jsonl")
	data, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.SplitAfter(string(data), "\n")
	at := int64(len(lines[0]) + len(lines[1]))
	for name, test := range map[string]struct {
		lines []string
		bad   int64 // where the damage shows
		event int64
		want  []string
	}{
		"garbled": {[]string{lines[0], lines[1], "{\n", lines[3], lines[4], lines[5], lines[6]}, at, 3,
			[]string{lifeEvents[0], lifeEvents[1], "damage", lifeEvents[3],
				strings.ReplaceAll(lifeEvents[4], "[1.0.1 development>", "[1.0.1 >"), lifeEvents[5], lifeEvents[6]}},
		"edited": {[]string{lines[0], strings.Replace(lines[1], "bert", "mallory", 1), lines[2], lines[3], lines[4], lines[5], lines[6]}, int64(len(lines[0])), 2,
			[]string{lifeEvents[0], "damage", strings.ReplaceAll(lifeEvents[1], "bert", "mallory"), lifeEvents[2], lifeEvents[3], lifeEvents[4], lifeEvents[5], lifeEvents[6]}},
		"missing": {[]string{lines[0], lines[1], lines[2], lines[4], lines[5], lines[6]}, at + int64(len(lines[2])), 4,
			[]string{lifeEvents[0], lifeEvents[1], lifeEvents[2], "damage", lifeEvents[4], lifeEvents[5], lifeEvents[6]}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			writeFile(t, modelPath(dir, "history.jsonl"), strings.Join(test.lines, ""))
			r := openStore(t, dir, &mr.Options{Now: clock.now})
			var got []string
			for e, err := range r.History(t.Context(), fraud, &mr.HistoryOptions{}) {
				var corrupt *mr.CorruptError
				switch {
				case err == nil:
					got = append(got, brief(e))
				case errors.As(err, &corrupt) && e.Number == test.event && corrupt.Offset == test.bad:
					got = append(got, "damage")
				default:
					t.Errorf("event %d at %d: %v", e.Number, corrupt.Offset, err)
				}
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("events (-want +got):\n%s", diff)
			}
			// Half a history could answer wrongly.
			_, err := r.ProductionAt(t.Context(), fraud, oclock(2))
			var corrupt *mr.CorruptError
			if !errors.As(err, &corrupt) {
				t.Errorf("production at 2: %v", err)
			}
		})
	}
}

// Invariant 11: an external change is an event of its own.
func TestHistoryShowsExternalChanges(t *testing.T) {
	t.Parallel()
	r, dir := newStore(t, &mr.Options{Now: ticker()})
	inProduction(t, r, "1.0.0", "1.0.1", "1.0.2")
	editEntries(t, dir, func(versions map[string]map[string]any) {
		delete(versions, "1.0.0")
		versions["1.0.1"]["stage"] = "production"
		versions["1.0.2"]["stage"] = "archived"
	})
	removeAll(t, modelPath(dir, "versions", "1.0.0")) // an entry alone is not deleted
	foreign := "foreign [1.0.1 archived>production] [1.0.2 production>archived] [1.0.0 archived>]"
	for _, r := range []*mr.ModelRegistry{r, openStore(t, dir, nil)} {
		list := events(t, r, &mr.HistoryOptions{Ops: []mr.Operation{mr.OpForeign}})
		wantEvents(t, list, "0 "+foreign+" unrecorded")
		wantEvents(t, events(t, r, &mr.HistoryOptions{After: 6}))
	}
	register(t, r, "1.0.3", nil)
	list := events(t, r, &mr.HistoryOptions{After: 6})
	wantEvents(t, list, "7 "+foreign, "8 register 1.0.3 >development [1.0.3 >development]")
}

// editEntries has another program edit the entries of fraud, by version.
func editEntries(t testing.TB, dir string, edit func(versions map[string]map[string]any)) {
	t.Helper()
	doc := modelPath(dir, "registry.json")
	data, err := os.ReadFile(doc)
	if err != nil {
		t.Fatal(err)
	}
	var d struct {
		Model    string                    `json:"model_name"`
		UseCase  string                    `json:"use_case"`
		Versions map[string]map[string]any `json:"versions"`
	}
	if err := json.Unmarshal(data, &d); err != nil {
		t.Fatal(err)
	}
	edit(d.Versions)
	writeFile(t, doc, mustJSON(t, d))
}

func TestHistoryOfAnotherProgramsStore(t *testing.T) {
	t.Parallel()
	dir := handWritten(t, [2]string{"1.0.0", `{"stage": "archived"}`}, [2]string{"1.1.0", `{"stage": "production"}`})
	r := openStore(t, dir, nil)
	want := "import [1.0.0 >archived] [1.1.0 >production]"
	wantEvents(t, events(t, r, nil), "0 "+want+" unrecorded")
	promote(t, r, "1.0.0", mr.Staging)
	wantEvents(t, events(t, r, nil), "1 "+want, "2 promote 1.0.0 archived>staging [1.0.0 archived>staging]")
}

func TestEventJSON(t *testing.T) {
	t.Parallel()
	r, _, _ := life(t)
	e := events(t, r, nil)[4]
	e.ID = "id"
	want := `{"use_case":"fraud_detection","model_name":"FraudRiskModel","event":5,"id":"id","time":"2026-11-23T05:00:00.000000+00:00",` +
		`"op":"promote","version":"1.0.1","from":"development","to":"production","actor":"carl","skipped_gates":true,` +
		`"changes":[{"version":"1.0.0","from":"production","to":"archived"},{"version":"1.0.1","from":"development","to":"production"}]}`
	if diff := cmp.Diff(want, mustJSON(t, e)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
