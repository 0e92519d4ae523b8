//go:build unix

package crash

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/internal/crashtest"
	"github.com/ubunye-go/modelregistry/internal/fsstore"
	"github.com/ubunye-go/modelregistry/internal/storetest"
)

// repaired are the harms whose repair takes every path that writes.
var repaired = []string{
	"document cut", "line unreadable", "registration lost, document damaged", "external change and a damaged line",
	"history deleted", "history and document deleted", "history is a folder", "document is a folder", "what crashes leave",
}

// forHarms calls fn with each store that was harmed, as a state, and the stages
// that a repair makes of it.
func forHarms(t *testing.T, fn func(t *testing.T, harmed crashtest.State, want map[string]mr.ModelStage)) {
	for _, name := range repaired {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, harm := three(t), storetest.Harms[name]
			harm.Do(t, dir)
			state, err := snapshot(dir)
			if err != nil {
				t.Fatal(err)
			}
			fn(t, state, harm.Stages)
		})
	}
}

func repairOn(dir string, wrap func(fsstore.Disk) fsstore.Disk) error {
	r, err := machine{disk: wrap}.open(dir, &mr.Options{Now: ticker()})
	if err != nil {
		return err
	}
	defer r.Close()
	_, err = r.Repair(context.Background(), fraud, &mr.RepairOptions{Apply: true})
	return err
}

// mended repairs what a repair left that was cut short, and checks that it
// makes of it what it should, and that the history from before is still to be
// had.
func mended(dir string, harmed crashtest.State, want map[string]mr.ModelStage) error {
	if err := repairOn(dir, noSync); err != nil {
		return fmt.Errorf("repairing: %w", err)
	}
	r, err := machine{disk: noSync, boot: nextBoot()}.open(dir, nil)
	if err != nil {
		return err
	}
	defer r.Close()
	report, err := r.Verify(context.Background(), nil)
	if err != nil {
		return err
	}
	for _, f := range report.Findings {
		if f.Kind != mr.SetAside && f.Kind != mr.ForeignFile {
			return fmt.Errorf("still there: %v", f)
		}
	}
	list, err := r.ListVersions(context.Background(), fraud)
	if err != nil {
		return err
	}
	got := map[string]mr.ModelStage{}
	for _, v := range list {
		got[v.Version] = v.Stage
	}
	if !maps.Equal(got, want) {
		return fmt.Errorf("the stages are %v, want %v", got, want)
	}
	old, there := harmed[fraud.String()+"/history.jsonl"]
	if whole := old[:bytes.LastIndexByte(old, '\n')+1]; there && !keeps(dir, whole) {
		return errors.New("the history from before is lost")
	}
	return nil
}

// keeps reports whether the history starts with the bytes of old, or was put
// by.
func keeps(dir string, old []byte) bool {
	names, _ := filepath.Glob(modelPath(dir, ".repairs", "*", "history.jsonl"))
	for _, name := range append(names, modelPath(dir, "history.jsonl")) {
		if data, err := os.ReadFile(name); err == nil && bytes.HasPrefix(data, old) {
			return true
		}
	}
	return false
}

// Invariant 5, for Repair: after a crash at any point, a second repair
// completes it.
func TestEveryCrashOfARepair(t *testing.T) {
	t.Parallel()
	forHarms(t, func(t *testing.T, harmed crashtest.State, want map[string]mr.ModelStage) {
		base := loadTemp(t)
		dir := filepath.Join(base, "recorded")
		if err := errors.Join(os.Mkdir(dir, 0o777), harmed.Write(dir)); err != nil {
			t.Fatal(err)
		}
		rec := crashtest.NewRecorder(dir, harmed)
		if err := repairOn(dir, rec.Wrap); err != nil {
			t.Fatal(err)
		}
		crashes(t, base, rec.Record(), 40/fewer, func(dir string, _ crashtest.Crash) error { return mended(dir, harmed, want) })
	})
}

// crashes calls check with some of the states that crashes of what was recorded
// leave, each written to a folder below base.
func crashes(t *testing.T, base string, record crashtest.Record, most int, check func(dir string, crash crashtest.Crash) error) {
	t.Helper()
	known := map[uint64]bool{}
	var list []crashState
	for crash, state := range record.States(record.Start(), record.End()) {
		if key := state.Key(); !known[key] {
			known[key] = true
			list = append(list, crashState{crash: crash, state: state})
		}
	}
	some := sample(list, most)
	t.Logf("%d operations, %d of %d states", len(record.Ops)-record.Start(), len(some), len(list))
	var wg sync.WaitGroup
	for part := range 8 { // more than processors: damaged documents are waited for
		wg.Go(func() {
			for i := part; i < len(some); i += 8 {
				dir := filepath.Join(base, fmt.Sprint(i))
				err := errors.Join(os.Mkdir(dir, 0o777), some[i].state.Write(dir))
				if err == nil {
					err = check(dir, some[i].crash)
				}
				if err != nil {
					t.Errorf("%v: %v", some[i].crash, err)
				}
				os.RemoveAll(dir)
			}
		})
	}
	wg.Wait()
}

// Invariant 6, for Repair: an error at any operation is reported with its
// cause. Once the disk works again, a second repair completes it.
func TestEveryFaultOfARepair(t *testing.T) {
	t.Parallel()
	forHarms(t, func(t *testing.T, harmed crashtest.State, want map[string]mr.ModelStage) {
		base := loadTemp(t)
		step := 3 * fewer
		if *crashAll {
			step = 1
		}
		for n, hit := 1, "first"; hit != ""; n += step {
			dir := filepath.Join(base, fmt.Sprint(n))
			if err := errors.Join(os.Mkdir(dir, 0o777), harmed.Write(dir)); err != nil {
				t.Fatal(err)
			}
			faulty := &crashtest.Faulty{}
			fault := crashtest.Fault{At: n, Err: []error{syscall.EIO, syscall.ENOSPC}[n%2], Stays: n%3 == 0}
			faulty.Fail(fault)
			err := repairOn(dir, func(d fsstore.Disk) fsstore.Disk { return faulty.Wrap(crashtest.NoSync{Disk: d}) })
			_, hit = faulty.Heal()
			if err != nil && !errors.Is(err, fault.Err) {
				t.Errorf("operation %d (%s): %v, which is not %v", n, hit, err, fault.Err)
			}
			if err := mended(dir, harmed, want); err != nil {
				t.Errorf("operation %d (%s) failed: %v", n, hit, err)
			}
			if temps, _ := filepath.Glob(modelPath(dir, ".*.tmp")); len(temps) > 0 {
				t.Errorf("operation %d (%s) left %s", n, hit, strings.Join(temps, ", "))
			}
			os.RemoveAll(dir)
		}
	})
}
