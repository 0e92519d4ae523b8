//go:build unix

package crash

import (
	"context"
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/internal/crashtest"
	"github.com/ubunye-go/modelregistry/internal/document"
)

// The version that the workload deletes, the one that it fails to delete, and
// the tag of the first. That has the highest number, so that a registry that
// forgets it gives its number again.
const (
	deletedVersion, heldVersion = "1.0.5", "1.0.2"
	deletedTag, deletedValue    = "team", "c"
)

// purgeStep is the step that removes the deleted version's files.
const purgeStep = "purge"

// deletions returns the deleted versions of a map of stages. Each is "deleted"
// or "purged".
func deletions(stages map[string]string) map[string]string {
	m := map[string]string{}
	for key, state := range stages {
		if version, ok := strings.CutPrefix(key, "-"); ok {
			m[version] = state
		}
	}
	return m
}

// kept returns an error if a version that is deleted and not purged lacks
// bytes.
func (l *load) kept(stages map[string]string) error {
	for version, state := range deletions(stages) {
		if state != "deleted" {
			continue
		}
		for name, text := range savedFiles {
			if data, err := l.read(path.Join("versions", version, "model", name)); err != nil || string(data) != text {
				return fmt.Errorf("version %s is deleted and not purged, and its %s is %q: %w", version, name, data, err)
			}
		}
	}
	return nil
}

// checkDeletion checks the files of a purged version and the numbers of deleted
// ones, before another program writes the document.
func (run *crashRun) checkDeletion(ctx context.Context, l *load, s crashState, found map[string]string) error {
	if last := run.acked[len(run.acked)-1]; last.step == purgeStep && last.after <= s.crash.After {
		if err := l.gone(deletedVersion); err != nil {
			return fmt.Errorf("after an acknowledged purge: %w", err)
		}
	}
	for version := range deletions(found) {
		if _, err := l.register(ctx, mr.RegisterOptions{Version: version}); !errors.Is(err, mr.ErrExists) {
			return fmt.Errorf("version %s was deleted, and registering it gave the error %v, want ErrExists", version, err)
		}
	}
	return nil
}

// settle undeletes a deleted version, whose files must be whole. One that is
// purged can't be undeleted, and the next purge removes what is left of it.
// want gets what a reader finds after that.
func (l *load) settle(ctx context.Context, version, state string, want map[string]string) error {
	err := l.Undelete(ctx, loadModel.At(version), nil)
	if state == "deleted" {
		if err != nil {
			return fmt.Errorf("undeleting: %w", err)
		}
		m, err := l.GetModel(ctx, loadModel.At(version), &mr.GetOptions{Verify: true})
		if err != nil {
			return fmt.Errorf("version %s was undeleted and is not whole: %w", version, err)
		}
		delete(want, "-"+version)
		want[version], want[version+"#"+deletedTag] = string(mr.Development), deletedValue
		return m.Close()
	}
	if !errors.Is(err, mr.ErrDeleted) {
		return fmt.Errorf("undeleting version %s, which was purged, gave %w", version, err)
	}
	if _, err := l.Purge(ctx, loadModel, &mr.PurgeOptions{Apply: true}); err != nil {
		return fmt.Errorf("purging: %w", err)
	}
	return l.gone(version)
}

// gone returns an error if there are files of a version that was purged. No
// other process may be registering.
func (l *load) gone(version string) error {
	for _, pattern := range []string{"versions/" + version, ".staging/*/tree/*"} {
		if found, _ := filepath.Glob(filepath.Join(l.dir, loadPath(pattern))); len(found) > 0 {
			return fmt.Errorf("version %s was purged, and %q are left", version, found)
		}
	}
	return nil
}

// purgeMutants are the syncs of a purge. The sync of versions/ is not among
// them: the sync of the folder into which the tree is renamed is enough on this
// disk, on which a rename is atomic.
var purgeMutants = map[string]mutant{
	"the log":                 syncOf("history.jsonl"),
	"the tree's new place":    syncIn(".staging"),
	"the removal of the tree": syncOf("uc/m/.staging"),
}

// syncIn matches a sync of what is directly in a folder.
func syncIn(folder string) mutant {
	return func(ops []crashtest.Op, i int) bool {
		return ops[i].Is("sync") && path.Base(path.Dir(ops[i].Name)) == folder
	}
}

// within is m for the operations of one step.
func (run *crashRun) within(step string, m mutant) mutant {
	return func(ops []crashtest.Op, i int) bool {
		at := slices.IndexFunc(run.acked, func(a crashAck) bool { return a.after > i })
		return at >= 0 && run.acked[at].step == step && m(ops, i)
	}
}

// forgetful returns the run with documents that lack the numbers of deleted
// versions, so that the next registration gives one again. It also returns
// where.
func (run *crashRun) forgetful() (*crashRun, []int) {
	out := &crashRun{lags: run.lags, orphan: run.orphan, acked: run.acked}
	out.record.Ops = slices.Clone(run.record.Ops)
	var sites []int
	for i, o := range run.record.Ops {
		if !o.Is("write") || !strings.HasSuffix(o.Name, "/.registry.json.tmp") {
			continue
		}
		out.record.Ops[i] = o.Rewritten(func(data []byte) []byte {
			d, err := document.Parse(data)
			if err != nil || len(d.Mark.Removed) == 0 {
				return data
			}
			sites = append(sites, i)
			d.Mark.Removed = nil
			return document.Format(d)
		})
	}
	return out, sites
}

// The enumerator of crashes must find the faults of deletion: bytes that are
// removed before the event that says so, a removal that a crash takes back, and
// a number that is given again.
func TestEveryCrashFindsMutantsOfDeletion(t *testing.T) {
	if fewer > 1 && !*crashAll {
		t.Skip("the race detector has nothing to find in the enumerator, and slows it down tenfold")
	}
	t.Parallel()
	run := newSoundRun(t, true) // it has fewer states, and the same steps of a purge
	find := func(name string, mutated *crashRun, sites []int) {
		t.Run(name, func(t *testing.T) {
			if len(sites) == 0 {
				t.Fatal("the workload has no such steps")
			}
			mutated.wantViolation(t, sites, run.known)
		})
	}
	for name, m := range purgeMutants {
		left, sites := run.without(run.within(purgeStep, m))
		find(name, left, sites)
	}
	swapped, sites := run.swapped(purgeStep, func(o crashtest.Op) bool {
		return strings.Contains(o.Name+o.To, "/.staging/") || strings.HasSuffix(o.Name, "/versions")
	}, func(o crashtest.Op) bool { return strings.HasSuffix(o.Name, "/history.jsonl") })
	find("the bytes before the log", swapped, sites)
	forgetful, sites := run.forgetful()
	find("a number given again", forgetful, sites)
}
