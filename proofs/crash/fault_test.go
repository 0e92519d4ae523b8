//go:build unix

package crash

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/internal/crashtest"
)

// snapshot reads a folder as a state.
func snapshot(dir string) (crashtest.State, error) {
	s := crashtest.State{}
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || name == dir {
			return err
		}
		rel, err := filepath.Rel(dir, name)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		if d.IsDir() {
			s[rel+"/"] = nil
			return nil
		}
		s[rel], err = os.ReadFile(name)
		return err
	})
	return s, err
}

// A faultCase is one step of the workload on what the steps before left.
type faultCase struct {
	lags  bool
	step  loadStep
	state crashtest.State
}

func faultCases(t *testing.T, lags bool) []faultCase {
	t.Helper()
	base := loadTemp(t)
	l, err := newLoad(base, lags, noSync)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { l.Close() }()
	var cases []faultCase
	for _, step := range loadSteps {
		state, err := snapshot(base)
		if err != nil {
			t.Fatal(err)
		}
		if step.fails == nil && !step.foreign {
			cases = append(cases, faultCase{lags, step, state})
		}
		if step.plant != nil {
			err = step.plant(l)
		}
		if err = errors.Join(err, step.do(t.Context(), l)); err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
	}
	return cases
}

// faultsAt returns the faults that an operation meets in turn. One cause is
// like another to the registry, so they alternate but with -crash.all.
func faultsAt(n int) []crashtest.Fault {
	causes := []error{syscall.EIO, syscall.ENOSPC}
	if !*crashAll {
		causes = causes[n/2%2 : n/2%2+1]
	}
	faults := []crashtest.Fault{{At: n, Short: true}, {At: n, Short: true, Stays: true}}
	for _, cause := range causes {
		faults = append(faults, crashtest.Fault{At: n, Err: cause}, crashtest.Fault{At: n, Err: cause, Stays: true})
	}
	return faults
}

// Invariant 6: an error at any operation is reported with its cause, or does
// not matter. A change that was not acknowledged has happened completely or not
// at all. Once the disk works again, everything goes on, and no other files are
// left.
func TestEveryFault(t *testing.T) {
	t.Parallel()
	forBothLags(t, func(t *testing.T, lags bool) {
		base := loadTemp(t)
		var wg sync.WaitGroup
		var total atomic.Int64
		queue := make(chan faultCase)
		start, step := 1, 1
		if !*crashAll { // every other operation, in the lagging run those that the other leaves out
			step = 2 * fewer
			if lags {
				start = 2
			}
		}
		for worker := range 4 {
			wg.Go(func() {
				for c := range queue {
					faults := 0
					for n, more := start, true; more; n += step {
						for _, fault := range faultsAt(n) {
							dir := filepath.Join(base, fmt.Sprint(worker, "-", faults))
							faults++
							total.Add(1)
							count, err := c.run(t.Context(), dir, fault)
							if more = count >= n; err != nil {
								t.Errorf("%s, %+v: %v", c.step.name, fault, err)
							}
							os.RemoveAll(dir)
						}
					}
				}
			})
		}
		for _, c := range faultCases(t, lags) {
			queue <- c
		}
		close(queue)
		wg.Wait()
		t.Logf("%d faults", total.Load())
	})
}

// run has an operation of the step fail. It returns how many operations the
// step has.
func (c faultCase) run(ctx context.Context, base string, fault crashtest.Fault) (count int, err error) {
	if err := errors.Join(os.Mkdir(base, 0o777), c.state.Write(base)); err != nil {
		return 0, err
	}
	l, err := newLoad(base, c.lags, noSync)
	if err != nil {
		return 0, err
	}
	defer func() { l.Close() }()
	// It has read the model before, so that it goes on from there.
	before, err := l.stages(ctx)
	if err == nil && c.step.plant != nil {
		err = c.step.plant(l)
	}
	if err != nil {
		return 0, err
	}
	if fault.Short { // there is more to read for one that knows nothing
		if err := l.open(time.Hour); err != nil {
			return 0, err
		}
	}
	was, err := snapshot(base)
	if err != nil {
		return 0, err
	}
	l.faulty.Fail(fault)
	l.failing = true
	failure := c.step.do(ctx, l)
	l.failing = false
	count, hit := l.faulty.Heal()
	if hit == "" && count >= fault.At {
		return count, failure // no read, which alone can be short
	}
	if err := c.reported(failure, hit, fault); err != nil {
		return count, err
	}
	state, err := (&load{dir: l.dir, under: noSync}).found(ctx)
	if err != nil {
		return count, fmt.Errorf("reading afterwards: %w", err)
	}
	if failure != nil && !errors.Is(failure, mr.ErrUncertain) {
		if c.step.records {
			before = recorded(before, state)
		}
		if !maps.Equal(state, before) {
			return count, fmt.Errorf("it failed with %w and changed something:\n%s", failure, cmp.Diff(before, state))
		}
		now, err := snapshot(base)
		if err != nil {
			return count, err
		}
		if left := added(was, now); len(left) > 0 && !fault.Stays && !cleaningUp(hit) && !c.step.records {
			return count, fmt.Errorf("%s failed with %w and left %q", hit, failure, left)
		}
	}
	mine, err := l.whole(ctx)
	if err != nil || !maps.Equal(mine, state) {
		return count, fmt.Errorf("the registry that failed reads %v %w, a fresh one %v", mine, err, state)
	}
	// It sweeps what a failing removal left.
	if err := l.open(time.Hour); err != nil {
		return count, err
	}
	if _, err := l.stages(ctx); err != nil {
		return count, err
	}
	if err := l.work(ctx, state, false); err != nil {
		return count, fmt.Errorf("after %s: %w", hit, err)
	}
	return count, nil
}

// recorded returns what was there before a purge, with the versions purged that
// the state has so.
func recorded(before, state map[string]string) map[string]string {
	before = maps.Clone(before)
	for key, was := range before {
		if was == "deleted" && state[key] == "purged" {
			before[key] = "purged"
		}
	}
	return before
}

func (l *load) found(ctx context.Context) (map[string]string, error) {
	if err := l.open(time.Hour); err != nil {
		return nil, err
	}
	defer l.Close()
	return l.whole(ctx)
}

// reported checks what the step said of the fault.
func (c faultCase) reported(failure error, hit string, fault crashtest.Fault) error {
	if failure == nil {
		return nil
	}
	switch {
	case hit == "":
		return fmt.Errorf("without a fault: %w", failure)
	case !fault.Stays && !c.step.records && (strings.Contains(hit, ".registry.json.tmp") || c.step.name == "close"):
		return fmt.Errorf("a checkpoint that can't be written failed the change: %w", failure)
	case !fault.Short && !errors.Is(failure, fault.Err):
		return fmt.Errorf("%s gave %w, which is not %w", hit, failure, fault.Err)
	}
	return nil
}

// cleaningUp reports whether an operation only removes files, so that its
// failure leaves files for a later operation to remove.
func cleaningUp(hit string) bool {
	return strings.HasPrefix(hit, "remove")
}

// added returns the files that are new, except lock files, which are never
// removed, the folders above them, and files that were put aside.
func added(was, now crashtest.State) []string {
	var list []string
	for name := range now {
		base := path.Base(name)
		if _, there := was[name]; !there && base != ".lock" && !strings.HasSuffix(name, "/") && !strings.Contains(name, "/.orphans/") {
			list = append(list, name)
		}
	}
	return list
}
