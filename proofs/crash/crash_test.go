//go:build unix

package crash

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/internal/crashtest"
	"github.com/ubunye-go/modelregistry/internal/document"
)

var crashAll = flag.Bool("crash.all", false, "try every crash state, every fault and every flipped bit, not a sample")

// A crashRun is a workload's record: the operations, and after which of them
// which state was acknowledged.
type crashRun struct {
	lags    bool
	record  crashtest.Record
	acked   []crashAck
	orphan  int  // from here on there is a tree that must not be lost
	damaged bool // the document was damaged to begin with
}

type crashAck struct {
	after   int
	step    string
	state   map[string]string
	foreign bool              // it may be lost, until the next
	tried   map[string]string // what may show before it was acknowledged, and not after
}

func (run *crashRun) ack(rec *crashtest.Recorder, l *load, step loadStep) error {
	state, err := l.stages(context.Background())
	ack := crashAck{after: rec.Len(), step: step.name, state: state, foreign: step.foreign, tried: maps.Clone(state)}
	if step.fails != nil {
		step.fails(ack.tried)
	}
	run.acked = append(run.acked, ack)
	return err
}

// A soundRun is the workload as it is, with every state that crashes can leave.
type soundRun struct {
	*crashRun
	states []crashState
	known  map[crashKey]bool
	err    error
}

var soundRuns = map[bool]func() soundRun{
	false: sync.OnceValue(func() soundRun { return recordSoundRun(false) }),
	true:  sync.OnceValue(func() soundRun { return recordSoundRun(true) }),
}

func newSoundRun(t *testing.T, lags bool) soundRun {
	t.Helper()
	run := soundRuns[lags]()
	if run.err != nil {
		t.Fatal(run.err)
	}
	return run
}

func recordSoundRun(lags bool) (sound soundRun) {
	base, err := os.MkdirTemp("", "modelregistry")
	if err != nil {
		return soundRun{err: err}
	}
	defer os.RemoveAll(base)
	run, err := recordCrashRun(base, lags)
	if err != nil {
		return soundRun{err: err}
	}
	known := map[crashKey]bool{}
	return soundRun{run, run.states(run.record.Start(), run.record.End(), known), known, nil}
}

// recordCrashRun records the workload.
func recordCrashRun(base string, lags bool) (*crashRun, error) {
	rec := crashtest.NewRecorder(base, nil)
	l, err := newLoad(base, lags, rec.Wrap)
	if err != nil {
		return nil, err
	}
	defer func() { l.Close() }()
	run := &crashRun{lags: lags, acked: []crashAck{{state: map[string]string{}}}}
	for _, step := range loadSteps {
		if step.plant != nil {
			if err := step.plant(l); err != nil {
				return nil, fmt.Errorf("before %s: %w", step.name, err)
			}
		}
		if hasOrphan(l.dir) && run.orphan == 0 {
			run.orphan = rec.Len()
		}
		if err := errors.Join(step.do(context.Background(), l), run.ack(rec, l, step)); err != nil {
			return nil, fmt.Errorf("%s: %w", step.name, err)
		}
	}
	run.record = rec.Record()
	return run, nil
}

// allowed returns the states that a reader may find after a crash: the last
// that was acknowledged, or the one that was under way (invariant 2).
func (run *crashRun) allowed(after int) []map[string]string {
	i := 0
	for i+1 < len(run.acked) && run.acked[i+1].after <= after {
		i++
	}
	first := i
	for run.acked[first].foreign {
		first--
	}
	var list []map[string]string
	for _, ack := range run.acked[first : i+1] {
		list = append(list, ack.state)
	}
	if i+1 < len(run.acked) {
		list = append(list, run.acked[i+1].state, run.acked[i+1].tried)
	}
	return list
}

// mayBeDamaged reports whether another program's unsynced document is what a
// crash can have cut short.
func (run *crashRun) mayBeDamaged(after int) bool {
	for i, ack := range run.acked {
		if ack.foreign && run.acked[i-1].after < after && after < run.acked[i+1].after {
			return true
		}
	}
	return run.damaged
}

// A crashState is one that a crash can leave.
type crashState struct {
	crash crashtest.Crash
	state crashtest.State
}

type crashKey struct {
	state   uint64
	allowed string
}

// states returns the states that crashes between two points can leave, each
// once, but those that are known, to which it adds them.
func (run *crashRun) states(from, to int, known map[crashKey]bool) []crashState {
	var list []crashState
	at, allowed := -1, ""
	for c, s := range run.record.States(from, to) {
		if c.After != at {
			at, allowed = c.After, fmt.Sprint(run.allowed(c.After), run.orphan > 0 && c.After >= run.orphan)
		}
		key := crashKey{s.Key(), allowed}
		if !known[key] {
			known[key] = true
			list = append(list, crashState{c, s})
		}
	}
	return list
}

// sample takes about n of the states, half of them from those in which
// everything had the same fate: every so many. -crash.all takes all.
func sample(list []crashState, n int) []crashState {
	if *crashAll || len(list) <= n {
		return list
	}
	var uniform, rest []crashState
	for _, s := range list {
		if s.crash.Uniform {
			uniform = append(uniform, s)
		} else {
			rest = append(rest, s)
		}
	}
	return append(everySo(uniform, n/2), everySo(rest, n/2)...)
}

// everySo takes n of a list, evenly.
func everySo[T any](list []T, n int) []T {
	n = min(n, len(list))
	taken := make([]T, n)
	for i := range taken {
		taken[i] = list[i*len(list)/n]
	}
	return taken
}

// check opens what a crash left and holds it against the invariants.
func (run *crashRun) check(ctx context.Context, base string, s crashState) error {
	if err := s.state.Write(base); err != nil {
		return err
	}
	l, err := newLoad(base, run.lags, noSync)
	if err != nil {
		return err
	}
	defer func() { l.Close() }()
	found, err := l.whole(ctx)
	if err != nil {
		return fmt.Errorf("reading: %w", err)
	}
	allowed := run.allowed(s.crash.After)
	if !slices.ContainsFunc(allowed, func(s map[string]string) bool { return maps.Equal(s, found) }) {
		return fmt.Errorf("reads %v, which is none of %v", found, allowed)
	}
	if err := errors.Join(agrees(l.dir, found), run.checkDeletion(ctx, l, s, found)); err != nil {
		return err
	}
	l.alone = len(deletions(found)) > 0 && s.crash.After%2 == 1
	if err := l.work(ctx, found, run.mayBeDamaged(s.crash.After)); err != nil {
		return err
	}
	if run.orphan > 0 && s.crash.After >= run.orphan && !hasOrphan(l.dir) {
		return errors.New("the tree that was put aside is lost")
	}
	return nil
}

// violations checks states, several at once, and returns what they broke, the
// first few in full. With stop it stops at the first.
func (run *crashRun) violations(t *testing.T, list []crashState, stop bool) (first []string, count int) {
	t.Helper()
	base := loadTemp(t)
	var mu sync.Mutex
	var wg sync.WaitGroup
	next := 0
	for range 8 { // more than processors: damaged documents are waited for
		wg.Go(func() {
			for {
				mu.Lock()
				i := next
				if next++; i >= len(list) || stop && count > 0 {
					mu.Unlock()
					return
				}
				mu.Unlock()
				dir := filepath.Join(base, fmt.Sprint(i))
				err := os.Mkdir(dir, 0o777)
				if err == nil {
					err = run.check(t.Context(), dir, list[i])
				}
				os.RemoveAll(dir)
				if err == nil {
					continue
				}
				mu.Lock()
				if count++; len(first) < 5 {
					first = append(first, fmt.Sprintf("%v: %v", list[i].crash, err))
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return first, count
}

func forBothLags(t *testing.T, fn func(t *testing.T, lags bool)) {
	t.Helper()
	for _, lags := range []bool{false, true} {
		t.Run(fmt.Sprintf("lags %t", lags), func(t *testing.T) {
			t.Parallel()
			fn(t, lags)
		})
	}
}

// Invariants 1, 2, 3, 5, 11 and 12: after any crash, the next reader reads all
// acknowledged changes, and the next writer can write.
func TestEveryCrash(t *testing.T) {
	t.Parallel()
	forBothLags(t, func(t *testing.T, lags bool) {
		run := newSoundRun(t, lags)
		list := sample(run.states, 400/fewer)
		t.Logf("%d operations, %d of %d states", len(run.record.Ops), len(list), len(run.states))
		first, count := run.violations(t, list, false)
		for _, f := range first {
			t.Error(f)
		}
		if count > 0 {
			t.Errorf("%d of %d states violate an invariant", count, len(list))
		}
	})
}

// Invariant 5, for a crash during recovery: from one state of each kind that
// crashes leave, the store is read and changed again, with a crash at every
// point.
func TestEveryCrashDuringRecovery(t *testing.T) {
	t.Parallel()
	forBothLags(t, func(t *testing.T, lags bool) {
		run := newSoundRun(t, lags)
		kinds := map[string]bool{}
		var firsts []crashState
		for _, s := range run.states {
			if kind := kindOf(s.state); !kinds[kind] {
				kinds[kind] = true
				firsts = append(firsts, s)
			}
		}
		from, each := firsts, 0
		if !*crashAll {
			from, each = everySo(firsts, 15/fewer), 20
		}
		known := map[crashKey]bool{}
		tried, total := 0, 0
		for _, s := range from {
			again := run.recovery(t, s)
			all := again.states(again.record.Start(), again.record.End(), known)
			list := sample(all, each)
			tried, total = tried+len(list), total+len(all)
			if first, count := again.violations(t, list, false); count > 0 {
				t.Errorf("%v (%s): %d of %d states of its recovery violate an invariant, first %s", s.crash, kindOf(s.state), count, len(list), first[0])
			}
		}
		t.Logf("%d of %d kinds of states, %d of %d states of their recovery", len(from), len(firsts), tried, total)
	})
}

// kindOf describes a state by what a recovery has to deal with.
func kindOf(s crashtest.State) string {
	model := loadStore + "/" + loadPath()
	log, hasLog := s[model+"/history.jsonl"]
	doc, hasDoc := s[model+"/registry.json"]
	d, err := document.Parse(doc)
	kind := fmt.Sprintf("log %t, torn %t", hasLog, len(log) > 0 && (log[len(log)-1] != '\n' || bytes.IndexByte(log, 0) >= 0))
	kind += fmt.Sprintf(", document %t, damaged %t, foreign %t", hasDoc, err != nil, err == nil && d.Mark == nil)
	kind += fmt.Sprintf(", lags %t", err == nil && d.Mark != nil && d.Mark.Offset < int64(len(log)))
	trees := 0
	for name := range s {
		if path.Dir(path.Dir(name)) == model+"/versions" && path.Base(name) == "manifest.json" {
			trees++
		}
	}
	kind += fmt.Sprintf(", leftover %t", trees > bytes.Count(log, []byte(`"op":"register"`)))
	for _, part := range []string{".registry.json.tmp", ".staging/", ".orphans/"} {
		there := false
		for name := range s {
			there = there || strings.Contains(name, "/"+part) && !strings.HasSuffix(name, "/"+part)
		}
		if there || s[model+"/"+part] != nil {
			kind += ", " + part
		}
	}
	return kind
}

// recovery records what comes after a crash.
func (run *crashRun) recovery(t *testing.T, s crashState) *crashRun {
	t.Helper()
	base := loadTemp(t)
	if err := s.state.Write(base); err != nil {
		t.Fatal(err)
	}
	rec := crashtest.NewRecorder(base, s.state)
	l, err := newLoad(base, run.lags, rec.Wrap)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { l.Close() }()
	condition, _, err := documentOf(l.dir)
	if err != nil {
		t.Fatal(err)
	}
	again := &crashRun{lags: run.lags, damaged: condition == docDamaged}
	if run.orphan > 0 && s.crash.After >= run.orphan {
		again.orphan = rec.Len()
	}
	for _, do := range []func() error{
		func() error { return nil },
		func() error { _, err := l.register(t.Context(), mr.RegisterOptions{Version: "2.0.0"}); return err },
		func() error { return l.promote(t.Context(), "2.0.0", mr.Production) },
		func() error { return l.open(time.Hour) },
	} {
		if err := errors.Join(do(), again.ack(rec, l, loadStep{})); err != nil {
			t.Fatalf("%v: %v", s.crash, err)
		}
	}
	again.record = rec.Record()
	return again
}
