package modelregistry_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/driver"
	"github.com/ubunye-go/modelregistry/registrytest"
)

// damaged makes a store of versions whose files are all damaged. The files of
// earlier versions are larger, so that their check takes longer.
func damaged(t *testing.T, n int) (dir string, want []string) {
	r, dir := newStore(t, nil)
	for i := range n {
		files := fstest.MapFS{"weights": {Data: make([]byte, (n-i)<<14)}}
		registrytest.Put(t, r, fraud.At(""), files)
		version := fmt.Sprintf("1.0.%d", i)
		writeFile(t, modelPath(dir, "versions", version, "model", "more"), "x")
		want = append(want, version)
	}
	return dir, want
}

// The findings of a model are in the order of its versions, although several
// versions are checked at once.
func TestVerifyReportsVersionsInOrder(t *testing.T) {
	t.Parallel()
	dir, want := damaged(t, 24)
	r := openStore(t, dir, nil)
	for range 4 {
		report, err := r.Verify(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, f := range report.Findings {
			got = append(got, f.Version)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("versions of the findings (-want +got):\n%s", diff)
		}
	}
}

// A gated store counts the trees, or the files of trees, that are in use, and
// makes each use wait until the gate opens.
type gatedStore struct {
	driver.Store
	driver.TreeReader
	stream bool // of this store's trees, none is on this machine
	inUse  atomic.Int64
	gate   chan struct{}
}

var _ driver.Fetcher = (*gatedStore)(nil)

func (s *gatedStore) wait() {
	s.inUse.Add(1)
	<-s.gate
}

func (s *gatedStore) CachedTree(ctx context.Context, useCase, model, version string) (driver.Tree, driver.TreeFiles, error) {
	if s.stream {
		files, err := s.ReadTree(ctx, useCase, model, version)
		return nil, &gatedFiles{files, s}, err
	}
	s.wait()
	tree, err := s.OpenTree(ctx, useCase, model, version)
	return tree, nil, err
}

func (s *gatedStore) FetchTree(ctx context.Context, useCase, model, version string, _ func(done, total int64)) (driver.Tree, error) {
	return s.OpenTree(ctx, useCase, model, version)
}

type gatedFiles struct {
	driver.TreeFiles
	s *gatedStore
}

func (f *gatedFiles) Open(ctx context.Context, file string) (io.ReadCloser, error) {
	if file != "manifest.json" {
		f.s.wait()
	}
	return f.TreeFiles.Open(ctx, file)
}

// Verify checks as many versions at once as there are cores. It reads at most 8
// files at once from a store on other machines, however many versions they
// belong to.
func TestVerifyChecksVersionsAtOnce(t *testing.T) {
	for name, c := range map[string]struct {
		stream bool
		want   int64
	}{
		"on this machine": {false, 4},
		"streamed":        {true, 8},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(4))
				memory := registrytest.NewMemory(t).Open()
				s := &gatedStore{Store: memory, TreeReader: memory.(driver.TreeReader), stream: c.stream, gate: make(chan struct{})}
				r := mr.New(s, nil)
				for range 6 {
					registrytest.Put(t, r, fraud.At(""), fstest.MapFS{"a": {}, "b": {}, "c": {}})
				}
				done := make(chan error)
				go func() {
					report, err := r.Verify(t.Context(), nil)
					if err == nil && (report.Versions != 6 || len(report.Findings) > 0) {
						err = fmt.Errorf("%d versions, %v", report.Versions, report.Findings)
					}
					done <- err
				}()
				synctest.Wait()
				if got := s.inUse.Load(); got != c.want {
					t.Errorf("%d are in use at once, want %d", got, c.want)
				}
				close(s.gate)
				if err := <-done; err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// If its context ends, Verify reports which models it checked to their end, and
// its findings in the others.
func TestVerifySaysWhatItCheckedBeforeItsContextEnded(t *testing.T) {
	t.Parallel()
	const n = 40
	dir, _ := damaged(t, n)
	r := openStore(t, dir, nil)
	first, last := mr.ModelName{UseCase: "a", Model: "First"}, mr.ModelName{UseCase: "z", Model: "Last"}
	for _, name := range []mr.ModelName{first, last} {
		registrytest.Put(t, r, name.At(""), oneFile)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	report, err := r.Verify(ctx, &mr.VerifyOptions{Progress: func(p mr.VerifyProgress) {
		if p.Name == fraud && p.Checked >= 3 {
			cancel()
		}
	}})
	wantError(t, err, "verify", fraud, "", context.Canceled)
	if diff := cmp.Diff([]mr.ModelName{first}, report.Models); diff != "" {
		t.Errorf("models that were checked to the end (-want +got):\n%s", diff)
	}
	if report.Versions < 4 || report.Versions >= n || len(report.Findings) != report.Versions-1 {
		t.Errorf("%d versions with %d findings are reported, want at least 4, not all, and a finding for each but one", report.Versions, len(report.Findings))
	}
}

// Verify of one version checks no other version's files, but the whole history.
func TestVerifyOfOneVersion(t *testing.T) {
	t.Parallel()
	dir := three(t)
	for _, version := range []string{"1.0.0", "1.0.1"} {
		writeFile(t, modelPath(dir, "versions", version, "model", "more"), "x")
	}
	os.Remove(modelPath(dir, "registry.json"))
	r := openStore(t, dir, nil)
	other := mr.ModelName{UseCase: "churn", Model: "M"}
	registrytest.Put(t, r, other.At(""), oneFile)
	os.RemoveAll(filepath.Join(dir, "churn", "M", "versions"))
	for _, test := range []struct {
		ref      mr.Ref
		want     []string
		versions int
		err      error
	}{
		{fraud.At("1.0.1"), []string{"artifact damaged 1.0.1", "document missing registry.json"}, 1, nil},
		{fraud.At("1.0.2"), []string{"document missing registry.json"}, 1, nil},
		{fraud.Matching("<1.0.1 || 7.x"), []string{"document missing registry.json"}, 0, mr.ErrNotFound}, // 1.0.0 is archived
		{fraud.At("7.0.0"), []string{"document missing registry.json"}, 0, mr.ErrNotFound},
		{mr.ModelName{UseCase: "no_such", Model: "Model"}.At("1.0.0"), []string{}, 0, mr.ErrNotFound},
		{fraud.At("1.0.0").Name.In("nowhere"), []string{}, 0, mr.ErrInvalid},
	} {
		report, err := r.Verify(t.Context(), &mr.VerifyOptions{Ref: test.ref})
		if !errors.Is(err, test.err) {
			t.Errorf("%s: %v, want %v", test.ref, err, test.err)
		}
		if diff := cmp.Diff(test.want, findings(report)); diff != "" || report.Versions != test.versions {
			t.Errorf("%s: %d versions, want %d; findings (-want +got):\n%s", test.ref, report.Versions, test.versions, diff)
		}
	}
}

// Verify after an event checks the versions that later events changed, whatever
// they changed, and those that another program changed since.
func TestVerifyAfterAnEvent(t *testing.T) {
	t.Parallel()
	dir := three(t)
	last := int64(len(history(t, dir)))
	r := openStore(t, dir, nil)
	register(t, r, "", nil)
	for _, version := range []string{"1.0.0", "1.0.1", "1.0.2", "1.0.3"} {
		writeFile(t, modelPath(dir, "versions", version, "model", "more"), "x")
	}
	check := func(after int64, want ...string) {
		t.Helper()
		report, err := r.Verify(t.Context(), &mr.VerifyOptions{UseCase: fraud.UseCase, Model: fraud.Model, After: after})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(append([]string{}, want...), findings(report)); diff != "" {
			t.Errorf("after event %d (-want +got):\n%s", after, diff)
		}
	}
	check(last, "artifact damaged 1.0.3")
	check(last + 1)
	check(1, "artifact damaged 1.0.0", "artifact damaged 1.0.1", "artifact damaged 1.0.2", "artifact damaged 1.0.3")
	if _, err := r.Archive(t.Context(), fraud.At("1.0.1"), nil); err != nil {
		t.Fatal(err)
	}
	check(last+1, "artifact damaged 1.0.1")
	editVersions(dir, func(versions map[string]any) { versions["1.0.2"].(map[string]any)["note"] = 1 })()
	check(last+2, "artifact damaged 1.0.2", "external change registry.json")
	_, err := r.Verify(t.Context(), &mr.VerifyOptions{UseCase: fraud.UseCase, Model: fraud.Model, After: last + 3})
	wantError(t, err, "verify", fraud, "", mr.ErrNotFound)
}

// After events were lost, every version may have changed since.
func TestVerifyAfterAnEventOfADamagedHistory(t *testing.T) {
	t.Parallel()
	dir := three(t)
	writeFile(t, modelPath(dir, "versions", "1.0.0", "model", "more"), "x")
	edit(t, modelPath(dir, "history.jsonl"), func(s string) string { return s[:len(s)/2] })
	report, err := openStore(t, dir, nil).Verify(t.Context(), &mr.VerifyOptions{UseCase: fraud.UseCase, Model: fraud.Model, After: 1000})
	if err != nil || report.Versions != 3 {
		t.Errorf("%d versions are checked, %v; want all 3", report.Versions, err)
	}
}

func TestVerifyRefusesSelectionsThatExclude(t *testing.T) {
	t.Parallel()
	r := openStore(t, three(t), nil)
	for _, o := range []mr.VerifyOptions{
		{After: 1},
		{After: 1, UseCase: fraud.UseCase},
		{After: -1, UseCase: fraud.UseCase, Model: fraud.Model},
		{Ref: fraud.At("1.0.0"), After: 1},
		{Ref: fraud.At("1.0.0"), UseCase: "other"},
		{Ref: fraud.At("1.0.0"), Model: "Other"},
		{Ref: mr.Ref{Name: fraud}},
	} {
		if _, err := r.Verify(t.Context(), &o); !errors.Is(err, mr.ErrInvalid) {
			t.Errorf("%+v: %v, want %v", o, err, mr.ErrInvalid)
		}
	}
}
