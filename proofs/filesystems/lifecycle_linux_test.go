//go:build !race

package filesystems

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	mr "github.com/ubunye-go/modelregistry"
)

var fraud = mr.ModelName{UseCase: "fraud_detection", Model: "FraudRiskModel"}

// How many callers register at the same time, and how often each does.
const (
	goroutines, perGoroutine = 8, 3
	processes, perProcess    = 3, 4
)

// artifact has files in several folders, one of them empty.
var artifact = fstest.MapFS{
	"weights.bin":        {Data: bytes.Repeat([]byte("weights"), 10_000)},
	"tokens/vocabulary":  {Data: []byte("a\nb\n")},
	"tokens/empty":       {},
	"deep/er/config.txt": {Data: []byte("x = 1\n")},
}

// storeVariable passes the store's folder to a process that registers.
const storeVariable = "MODELREGISTRY_FILESYSTEMS_STORE"

func TestMain(m *testing.M) {
	store := os.Getenv(storeVariable)
	if store == "" {
		os.Exit(m.Run())
	}
	if err := registerIn(store); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// registerIn is the work of a process.
func registerIn(store string) error {
	r, err := mr.Open(store, nil)
	if err != nil {
		return err
	}
	return errors.Join(register(context.Background(), r, perProcess), r.Close())
}

func register(ctx context.Context, r *mr.ModelRegistry, n int) error {
	for range n {
		_, err := r.Register(ctx, fraud, mr.FromFS(artifact), &mr.RegisterOptions{Metrics: map[string]any{"auc": 0.9}})
		if err != nil {
			return err
		}
	}
	return nil
}

// A lifecycle is a store and its expected state.
type lifecycle struct {
	*testing.T
	store      string
	versions   int    // their number; the first is 1.0.0
	production string // the version in production
}

func (l *lifecycle) open() *mr.ModelRegistry {
	l.Helper()
	r, err := mr.Open(l.store, nil)
	if err != nil {
		l.Fatal(err)
	}
	l.Cleanup(func() { r.Close() })
	return r
}

// run registers from many goroutines and then from several processes at the
// same time, promotes, rolls back, and checks the result.
func (l *lifecycle) run() {
	l.Helper()
	r := l.open()
	errs := make([]error, max(goroutines, processes))
	together := func(n int, do func() error) {
		l.Helper()
		var wg sync.WaitGroup
		for i := range n {
			wg.Go(func() { errs[i] = do() })
		}
		wg.Wait()
		if err := errors.Join(errs...); err != nil {
			l.Fatal(err)
		}
	}
	together(goroutines, func() error { return register(l.Context(), r, perGoroutine) })
	together(processes, func() error {
		cmd := exec.CommandContext(l.Context(), os.Args[0])
		cmd.Env = append(os.Environ(), storeVariable+"="+l.store)
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("another process: %w\n%s", err, out)
		}
		return nil
	})
	first, second := fmt.Sprintf("1.0.%d", l.versions), fmt.Sprintf("1.0.%d", l.versions+1)
	l.versions += goroutines*perGoroutine + processes*perProcess
	for _, version := range []string{first, second} {
		if _, err := r.Promote(l.Context(), fraud.At(version), mr.Production, nil); err != nil {
			l.Error(err)
		}
	}
	v, err := r.Rollback(l.Context(), fraud, nil)
	if err != nil || v.Version != first {
		l.Errorf("Rollback: %s, %v; want %s", v.Version, err, first)
	}
	l.production = first
	l.check(r)
	if err := r.Close(); err != nil {
		l.Error(err)
	}
}

// reopen checks the store as another program opens it.
func (l *lifecycle) reopen() {
	l.Helper()
	r := l.open()
	l.check(r)
	if err := r.Close(); err != nil {
		l.Error(err)
	}
}

// check reads all versions with their files, and checks that Verify and Repair
// find nothing.
func (l *lifecycle) check(r *mr.ModelRegistry) {
	l.Helper()
	ctx := l.Context()
	list, err := r.ListVersions(ctx, fraud)
	if err != nil {
		l.Fatal(err)
	}
	var want, got []string
	for i := range l.versions {
		want = append(want, fmt.Sprintf("1.0.%d", i))
	}
	for _, v := range list {
		got = append(got, v.Version)
	}
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		l.Errorf("versions (-want +got):\n%s", diff)
	}
	for _, v := range got {
		if err := whole(ctx, r, fraud.At(v)); err != nil {
			l.Errorf("checking version %s: %v", v, err)
		}
	}
	if v, err := r.GetVersion(ctx, fraud.In(mr.Production)); err != nil || v.Version != l.production {
		l.Errorf("the version in production: %q, %v; want %s", v.Version, err, l.production)
	}
	if report, err := r.Verify(ctx, nil); err != nil || len(report.Findings) > 0 {
		l.Errorf("Verify: %v, %v; want nothing", report, err)
	}
	if report, err := r.Repair(ctx, fraud, &mr.RepairOptions{Apply: true}); err != nil || len(report.Actions) > 0 {
		l.Errorf("Repair: %v, %v; want nothing to repair", report, err)
	}
}

// whole compares a version's files with those that were registered.
func whole(ctx context.Context, r *mr.ModelRegistry, ref mr.Ref) error {
	m, err := r.GetModel(ctx, ref, &mr.GetOptions{Verify: true})
	if err != nil {
		return err
	}
	defer m.Close()
	for name, file := range artifact {
		data, err := os.ReadFile(filepath.Join(m.Path, filepath.FromSlash(name)))
		if err != nil {
			return err
		}
		if !bytes.Equal(data, file.Data) {
			return fmt.Errorf("%s holds %d bytes that were not registered", name, len(data))
		}
	}
	return nil
}
