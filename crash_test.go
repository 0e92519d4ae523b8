//go:build unix

package modelregistry_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/internal/crashtest"
	"github.com/ubunye-go/modelregistry/internal/document"
	"github.com/ubunye-go/modelregistry/internal/fsstore"
)

var crashModel = modelregistry.ModelName{UseCase: "uc", Model: "m"}

// A crashStep changes the store. Steps run in order; each one is acknowledged
// when it returns.
type crashStep struct {
	name string
	do   func(ctx context.Context, r *modelregistry.ModelRegistry, dir string) error
}

func crashRegister(ctx context.Context, r *modelregistry.ModelRegistry) (modelregistry.ModelVersion, error) {
	save := func(dir string) error {
		if err := os.Mkdir(filepath.Join(dir, "sub"), 0o777); err != nil {
			return err
		}
		return errors.Join(os.WriteFile(filepath.Join(dir, "w.bin"), []byte("weights of a model"), 0o666),
			os.WriteFile(filepath.Join(dir, "sub", "v.txt"), []byte("vocabulary"), 0o666))
	}
	return r.Register(ctx, crashModel, modelregistry.FromFunc(save), &modelregistry.RegisterOptions{Metrics: map[string]any{"auc": 0.9}})
}

var crashSteps = []crashStep{
	{"register", func(ctx context.Context, r *modelregistry.ModelRegistry, _ string) error {
		_, err := crashRegister(ctx, r)
		return err
	}},
	{"promote", func(ctx context.Context, r *modelregistry.ModelRegistry, _ string) error {
		_, err := r.Promote(ctx, crashModel, "1.0.0", modelregistry.Production, nil)
		return err
	}},
	{"register again", func(ctx context.Context, r *modelregistry.ModelRegistry, _ string) error {
		_, err := crashRegister(ctx, r)
		return err
	}},
	{"promote over", func(ctx context.Context, r *modelregistry.ModelRegistry, _ string) error {
		_, err := r.Promote(ctx, crashModel, "1.0.1", modelregistry.Production, nil)
		return err
	}},
	{"roll back", func(ctx context.Context, r *modelregistry.ModelRegistry, _ string) error {
		_, err := r.Rollback(ctx, crashModel, "", nil)
		return err
	}},
	{"fail to register", func(ctx context.Context, r *modelregistry.ModelRegistry, _ string) error {
		_, err := r.Register(ctx, crashModel, modelregistry.FromFunc(func(string) error { return os.ErrInvalid }), nil)
		if !errors.Is(err, os.ErrInvalid) {
			return fmt.Errorf("a failing save gave %w", err)
		}
		return nil
	}},
	{"archive", func(ctx context.Context, r *modelregistry.ModelRegistry, _ string) error {
		_, err := r.Archive(ctx, crashModel, "1.0.1", nil) // it is: writes nothing
		if err == nil {
			_, err = r.Archive(ctx, crashModel, "1.0.0", nil)
		}
		return err
	}},
}

// stages returns each version's stage; an unreadable model is an error.
func stages(ctx context.Context, r *modelregistry.ModelRegistry) (map[string]string, error) {
	list, err := r.ListVersions(ctx, crashModel)
	if errors.Is(err, modelregistry.ErrNotFound) {
		return map[string]string{}, nil
	}
	m := map[string]string{}
	for _, v := range list {
		m[v.Version] = string(v.Stage)
		if err := r.VerifyTree(ctx, v); err != nil {
			return nil, fmt.Errorf("version %s shows and is not whole: %w", v.Version, err)
		}
	}
	return m, err
}

// A crashRun is a workload's record: the operations, and after which of them
// which state was acknowledged.
type crashRun struct {
	ops   []crashtest.Op
	acked []crashAck
}

type crashAck struct {
	after int
	state map[string]string
}

func recordCrashRun(t *testing.T) crashRun {
	t.Helper()
	ctx, dir := t.Context(), t.TempDir()
	rec := crashtest.NewRecorder(dir)
	r, err := modelregistry.OpenOn(dir, nil, rec.Wrap)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	run := crashRun{acked: []crashAck{{0, map[string]string{}}}}
	for _, step := range crashSteps {
		if err := step.do(ctx, r, dir); err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		state, err := stages(ctx, r)
		if err != nil {
			t.Fatal(err)
		}
		run.acked = append(run.acked, crashAck{len(rec.Ops()), state})
	}
	run.ops = rec.Ops()
	return run
}

// allowed returns the states that a reader may find after a crash: the last that
// was acknowledged, or the one that was under way.
func (run crashRun) allowed(after int) []map[string]string {
	i := 0
	for i+1 < len(run.acked) && run.acked[i+1].after <= after {
		i++
	}
	return []map[string]string{run.acked[i].state, run.acked[min(i+1, len(run.acked)-1)].state}
}

// recover opens what a crash left and holds it against the invariants: it reads
// (1, 2, 3), and goes on without a repair (5).
func (run crashRun) recover(ctx context.Context, dir string, c crashtest.Crash) error {
	r, err := modelregistry.OpenOn(dir, nil, func(d fsstore.Disk) fsstore.Disk { return crashtest.NoSync{Disk: d} })
	if err != nil {
		return err
	}
	defer r.Close()
	state, err := stages(ctx, r)
	if err != nil {
		return fmt.Errorf("reading: %w", err)
	}
	if !slices.ContainsFunc(run.allowed(c.After), func(s map[string]string) bool { return maps.Equal(s, state) }) {
		return fmt.Errorf("reads %v, which is none of %v", state, run.allowed(c.After))
	}
	v, err := crashRegister(ctx, r)
	if err != nil {
		return fmt.Errorf("registering: %w", err)
	}
	if _, taken := state[v.Version]; taken {
		return fmt.Errorf("version %s was given out twice", v.Version)
	}
	if _, err := r.Promote(ctx, crashModel, v.Version, modelregistry.Production, nil); err != nil {
		return fmt.Errorf("promoting: %w", err)
	}
	return inOrder(ctx, dir, state, v.Version)
}

// inOrder checks that document and history, each alone, say what a reader
// should find.
func inOrder(ctx context.Context, dir string, before map[string]string, added string) error {
	want := maps.Clone(before)
	for v, stage := range want {
		if stage == "production" {
			want[v] = "archived"
		}
	}
	want[added] = "production"
	model := filepath.Join(dir, crashModel.UseCase, crashModel.Model)
	doc, err := os.ReadFile(filepath.Join(model, "registry.json"))
	if err != nil {
		return err
	}
	d, err := document.Parse(doc)
	if err != nil || d.Mark == nil || !d.Intact {
		return fmt.Errorf("the document is out of step: %v", err)
	}
	for _, lost := range []string{"", "registry.json"} {
		if lost != "" {
			if err := os.Remove(filepath.Join(model, lost)); err != nil {
				return err
			}
		}
		r, err := modelregistry.Open(dir, nil)
		if err != nil {
			return err
		}
		got, err := stages(ctx, r)
		r.Close()
		if err != nil || !maps.Equal(got, want) {
			return fmt.Errorf("without %q: %v %w, want %v", lost, got, err, want)
		}
	}
	return nil
}

// violations enumerates the crashes of a record and returns what the first few
// broke, and how many did.
func (run crashRun) violations(t *testing.T, stop int) (first []string, count, states int) {
	t.Helper()
	seen := map[string]bool{}
	base := t.TempDir()
	for i, c := range crashtest.Crashes(len(run.ops)) {
		files := crashtest.State(run.ops, c)
		key := fmt.Sprint(files, run.allowed(c.After))
		if seen[key] {
			continue
		}
		seen[key] = true
		states++
		dir := filepath.Join(base, fmt.Sprint(i))
		if err := errors.Join(os.Mkdir(dir, 0o777), crashtest.Write(dir, files)); err != nil {
			t.Fatal(err)
		}
		if err := run.recover(t.Context(), dir, c); err != nil {
			count++
			if len(first) < 5 {
				first = append(first, fmt.Sprintf("%v: %v", c, err))
			}
			if count == stop {
				return first, count, states
			}
		}
		os.RemoveAll(dir)
	}
	return first, count, states
}

// Invariants 1, 2, 3 and 5: whatever a crash leaves, the next reader reads what
// was acknowledged, and the next writer writes.
func TestEveryCrash(t *testing.T) {
	t.Parallel()
	run := recordCrashRun(t)
	first, count, states := run.violations(t, 0)
	t.Logf("%d operations, %d distinct states", len(run.ops), states)
	for _, f := range first {
		t.Error(f)
	}
	if count > 0 {
		t.Errorf("%d of %d states violate an invariant", count, states)
	}
}

// The enumerator is worth something only if it finds what is wrong: with any
// one kind of sync left out it must report violations.
func TestEveryCrashFindsMutants(t *testing.T) {
	t.Parallel()
	run := recordCrashRun(t)
	mutants := map[string]func(o crashtest.Op) bool{
		"sync of an artifact's file":    func(o crashtest.Op) bool { return strings.HasSuffix(o.Name, "/w.bin") },
		"sync of the manifest":          func(o crashtest.Op) bool { return strings.HasSuffix(o.Name, "/tree/manifest.json") },
		"sync of the artifact's folder": func(o crashtest.Op) bool { return strings.HasSuffix(o.Name, "/tree/model") },
		"sync of a folder in it":        func(o crashtest.Op) bool { return strings.HasSuffix(o.Name, "/tree/model/sub") },
		"sync of the tree's folder":     func(o crashtest.Op) bool { return strings.HasSuffix(o.Name, "/tree") },
		"sync of versions/":             func(o crashtest.Op) bool { return strings.HasSuffix(o.Name, "/versions") },
		"sync of the log":               func(o crashtest.Op) bool { return strings.HasSuffix(o.Name, "/history.jsonl") },
		"sync of the document":          func(o crashtest.Op) bool { return strings.HasSuffix(o.Name, "/.registry.json.tmp") },
		"sync of the model's folder":    func(o crashtest.Op) bool { return o.Name == "uc/m" },
		"sync of the use case's folder": func(o crashtest.Op) bool { return o.Name == "uc" },
		"sync of the store's folder":    func(o crashtest.Op) bool { return o.Name == "." },
	}
	for name, match := range mutants {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			mutant := run.without(func(o crashtest.Op) bool { return o.IsSync() && match(o) })
			if len(mutant.ops) == len(run.ops) {
				t.Fatal("the workload has no such sync")
			}
			first, count, _ := mutant.violations(t, 1)
			if count == 0 {
				t.Fatal("no crash state violates an invariant")
			}
			t.Log(first[0])
		})
	}
}

// Two steps of the protocol swapped: the append before the tree is in its place,
// and the document before the append.
func TestEveryCrashFindsSwappedSteps(t *testing.T) {
	t.Parallel()
	run := recordCrashRun(t)
	inLog := func(o crashtest.Op) bool { return strings.HasSuffix(o.Name, "/history.jsonl") }
	placing := func(o crashtest.Op) bool { return strings.HasSuffix(o.Name, "/tree") && !o.IsSync() }
	document := func(o crashtest.Op) bool { return strings.HasSuffix(o.Name, "/.registry.json.tmp") }
	for name, step := range map[string]struct{ early, before func(crashtest.Op) bool }{
		"log before tree":     {inLog, placing},
		"document before log": {document, inLog},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			mutant := run
			mutant.ops = swapped(run, step.early, step.before)
			first, count, _ := mutant.violations(t, 1)
			if count == 0 {
				t.Fatal("no crash state violates an invariant")
			}
			t.Log(first[0])
		})
	}
}

// swapped moves, within each step of the workload, the operations that match
// early before the first that matches before.
func swapped(run crashRun, early, before func(crashtest.Op) bool) []crashtest.Op {
	var out []crashtest.Op
	for i := 1; i < len(run.acked); i++ {
		ops := run.ops[run.acked[i-1].after:run.acked[i].after]
		at := slices.IndexFunc(ops, before)
		if at < 0 || !slices.ContainsFunc(ops, early) {
			out = append(out, ops...)
			continue
		}
		var moved, rest []crashtest.Op
		for _, o := range ops[at:] {
			if early(o) {
				moved = append(moved, o)
			} else {
				rest = append(rest, o)
			}
		}
		out = append(append(append(out, ops[:at]...), moved...), rest...)
	}
	return out
}

// without returns the run with operations left out.
func (run crashRun) without(drop func(crashtest.Op) bool) crashRun {
	var out crashRun
	acks := run.acked
	for i := 0; i <= len(run.ops); i++ {
		for len(acks) > 0 && acks[0].after == i {
			out.acked = append(out.acked, crashAck{len(out.ops), acks[0].state})
			acks = acks[1:]
		}
		if i < len(run.ops) && !drop(run.ops[i]) {
			out.ops = append(out.ops, run.ops[i])
		}
	}
	return out
}

// Invariant 6: an error at any operation is reported with its cause, or it did
// not matter; what was not acknowledged is wholly there or not; and once the disk
// is well again, everything goes on.
func TestEveryFault(t *testing.T) {
	t.Parallel()
	for _, cause := range []error{syscall.EIO, syscall.ENOSPC} {
		for _, stays := range []bool{false, true} {
			t.Run(fmt.Sprintf("%v stays %t", cause, stays), func(t *testing.T) {
				t.Parallel()
				for i, step := range crashSteps {
					for n := 1; faultAt(t, i, step, n, cause, stays); n++ {
						if n > 1000 {
							t.Fatal("no end of operations")
						}
					}
				}
			})
		}
	}
}

// faultAt runs the steps before, then has the nth operation of the step fail. It
// reports whether the step has that many.
func faultAt(t *testing.T, i int, step crashStep, n int, cause error, stays bool) bool {
	t.Helper()
	ctx, dir := t.Context(), t.TempDir()
	faulty := &crashtest.Faulty{}
	r, err := modelregistry.OpenOn(dir, nil, func(d fsstore.Disk) fsstore.Disk { return faulty.Wrap(crashtest.NoSync{Disk: d}) })
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for _, s := range crashSteps[:i] {
		if err := s.do(ctx, r, dir); err != nil {
			t.Fatal(err)
		}
	}
	before, err := stages(ctx, r)
	if err != nil {
		t.Fatal(err)
	}
	faulty.Fail(n, cause, stays)
	err = step.do(ctx, r, dir)
	hit := faulty.Heal()
	if err != nil && !errors.Is(err, cause) {
		t.Errorf("%s, operation %d: %v, which is not %v", step.name, n, err, cause)
	}
	fresh, openErr := modelregistry.Open(dir, nil)
	if openErr != nil {
		t.Fatal(openErr)
	}
	defer fresh.Close()
	state, readErr := stages(ctx, fresh)
	if readErr != nil {
		t.Fatalf("%s, operation %d: reading afterwards: %v", step.name, n, readErr)
	}
	if err != nil && !errors.Is(err, modelregistry.ErrUncertain) && !maps.Equal(state, before) {
		t.Errorf("%s, operation %d failed with %v and changed something:\n%s", step.name, n, err, cmp.Diff(before, state))
	}
	mine, readErr := stages(ctx, r)
	if readErr != nil || !maps.Equal(mine, state) {
		t.Errorf("%s, operation %d: the registry that failed reads %v %v, a fresh one %v", step.name, n, mine, readErr, state)
	}
	v, regErr := crashRegister(ctx, r)
	if regErr != nil {
		t.Fatalf("%s, operation %d: registering afterwards: %v", step.name, n, regErr)
	}
	if _, promoteErr := r.Promote(ctx, crashModel, v.Version, modelregistry.Production, nil); promoteErr != nil {
		t.Fatalf("%s, operation %d: promoting afterwards: %v", step.name, n, promoteErr)
	}
	if orderErr := inOrder(ctx, dir, state, v.Version); orderErr != nil {
		t.Errorf("%s, operation %d: %v", step.name, n, orderErr)
	}
	return hit
}
