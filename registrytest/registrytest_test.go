package registrytest_test

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/driver"
	"github.com/ubunye-go/modelregistry/registrytest"
)

var (
	fraud = mr.ModelName{UseCase: "fraud_detection", Model: "FraudRiskModel"}
	files = fstest.MapFS{"weights.bin": {Data: []byte("weights")}}
)

func TestMemoryStore(t *testing.T) {
	t.Parallel()
	memory := registrytest.NewMemory(t)
	open := func() (mr.Store, error) { return memory.Open(), nil }
	registrytest.TestStore(t, open, &registrytest.StoreOptions{Lossy: registrytest.LossyByFaults(open), WriteDocument: memory.WriteDocument, LoseIndex: memory.LoseIndex})
}

func TestStoreWithoutFaultsConforms(t *testing.T) {
	t.Parallel()
	memory := registrytest.NewMemory(t)
	open := func() (mr.Store, error) {
		return registrytest.WithFaults(memory.Open(), func(registrytest.Call) registrytest.Fault { return registrytest.Fault{} }), nil
	}
	registrytest.TestStore(t, open, &registrytest.StoreOptions{Lossy: registrytest.LossyByFaults(open), WriteDocument: memory.WriteDocument, LoseIndex: memory.LoseIndex})
}

func TestPut(t *testing.T) {
	t.Parallel()
	reg := registrytest.New(t, nil)
	closed := &mr.RegisterOptions{Metrics: map[string]any{"auc": 0.5}, Gates: mr.MinMetric("auc", 0.9)}
	registrytest.PutWith(t, reg, mr.Ref{Name: fraud, Version: "1.2.3", Stage: mr.Production}, files, closed)
	registrytest.Put(t, reg, fraud.In(mr.Staging), files)
	registrytest.Put(t, reg, fraud.In(mr.Archived), files)
	registrytest.Put(t, reg, fraud.At(""), files)
	registrytest.WantStages(t, reg, fraud, map[string]mr.ModelStage{
		"1.2.3": mr.Production, "1.2.4": mr.Staging, "1.2.5": mr.Archived, "1.2.6": mr.Development,
	})
	m, err := reg.GetModel(t.Context(), fraud.In(mr.Production), &mr.GetOptions{Verify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if got, err := os.ReadFile(filepath.Join(m.Path, "weights.bin")); string(got) != "weights" || err != nil {
		t.Errorf("the file holds %q, %v", got, err)
	}
}

// notes is a testing.TB that records failures and cleanups.
type notes struct {
	*testing.T
	failed   []string
	cleanups []func()
}

func (n *notes) Cleanup(fn func()) { n.cleanups = append(n.cleanups, fn) }
func (n *notes) Errorf(format string, args ...any) {
	n.failed = append(n.failed, format)
}

func TestRegistryIsVerifiedAtTheEnd(t *testing.T) {
	t.Parallel()
	for _, spoil := range []bool{false, true} {
		n := &notes{T: t}
		reg := registrytest.New(n, nil)
		registrytest.Put(t, reg, fraud.In(mr.Production), files)
		m, err := reg.GetModel(t.Context(), fraud.In(mr.Production), nil)
		if err != nil {
			t.Fatal(err)
		}
		if spoil {
			file := filepath.Join(m.Path, "weights.bin")
			if err := os.Chmod(file, 0o666); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, []byte("other"), 0o666); err != nil {
				t.Fatal(err)
			}
		}
		for _, fn := range slices.Backward(n.cleanups) {
			fn()
		}
		if got := len(n.failed) > 0 && strings.Contains(n.failed[0], "Verify finds"); got != spoil {
			t.Errorf("a file was spoilt: %t; the test failed with %q", spoil, n.failed)
		}
	}
}

// Verify and Repair work on a store in memory.
func TestMemoryIsMaintained(t *testing.T) {
	t.Parallel()
	memory := registrytest.NewMemory(t)
	reg := registrytest.NewOn(t, memory.Open(), nil)
	registrytest.Put(t, reg, fraud.In(mr.Production), files)
	store := memory.Open()
	_, err := store.Append(t.Context(), fraud.UseCase, fraud.Model, func(driver.View) (*driver.Commit, error) {
		return &driver.Commit{Lines: [][]byte{[]byte("not an event")}, Checkpoint: &driver.Checkpoint{Make: func(int64) (io.WriterTo, string) { return bytes.NewReader([]byte("not a document")), "" }}}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	st, err := store.Stage(t.Context(), fraud.UseCase, fraud.Model)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(st.Dir(), "manifest.json"), []byte("{}"), 0o666); err != nil {
		t.Fatal(err)
	}
	_, err = store.Append(t.Context(), fraud.UseCase, fraud.Model, func(driver.View) (*driver.Commit, error) {
		return &driver.Commit{Trees: []driver.StagedTree{{Staged: st, Version: "9.0.0"}}}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	kinds := func() (kinds []mr.FindingKind) {
		report, err := reg.Verify(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range report.Findings {
			kinds = append(kinds, f.Kind)
		}
		return kinds
	}
	if diff := cmp.Diff([]mr.FindingKind{mr.HistoryDamaged, mr.DocumentDamaged}, kinds()[:2]); diff != "" {
		t.Errorf("the findings of Verify (-want +got):\n%s", diff)
	}
	report, err := reg.Repair(t.Context(), fraud, &mr.RepairOptions{Apply: true})
	if err != nil || len(report.Kept) != 2 {
		t.Fatalf("Repair = %+v, %v", report, err)
	}
	for _, k := range kinds() {
		if !k.Notice() {
			t.Errorf("after the repair, Verify finds %s", k)
		}
	}
	registrytest.WantStages(t, reg, fraud, map[string]mr.ModelStage{"1.0.0": mr.Production})
}

// The test in the package documentation is identical to a test that runs.
func TestDocumentationIsATest(t *testing.T) {
	t.Parallel()
	read := func(file, from, to string) string {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		_, text, _ := strings.Cut(string(data), "\n"+from)
		text, _, found := strings.Cut(text, "\n"+to)
		if !found {
			t.Fatalf("%s has no test between %q and %q", file, from, to)
		}
		return text
	}
	documented := read("registry.go", "//\tfunc TestServes", "//\t}\n")
	documented = strings.ReplaceAll(strings.ReplaceAll(documented, "\n//\t", "\n"), "\n//\n", "\n\n")
	if diff := cmp.Diff(read("example_test.go", "func TestServes", "}\n"), documented); diff != "" {
		t.Errorf("the test in the documentation (-that runs +documented):\n%s", diff)
	}
}
