package modelregistry_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	mr "github.com/ubunye-go/modelregistry"
)

func TestGetModel(t *testing.T) {
	t.Parallel()
	r, dir := newStore(t, nil)
	inProduction(t, r, "1.0.0", "1.0.1")
	ctx := t.Context()
	for _, ref := range []mr.Ref{fraud.At("1.0.1"), fraud.In(mr.Production), {Name: fraud, Version: "1.0.1", Stage: mr.Production}} {
		m, err := r.GetModel(ctx, ref, nil)
		if err != nil {
			t.Errorf("%v: %v", ref, err)
			continue
		}
		if m.Version.Version != "1.0.1" || files(t, m.Path)["weights.bin"] != "weights" {
			t.Errorf("%v is %v at %s", ref, m.Version, m.Path)
		}
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	}
	_, err := r.GetModel(ctx, mr.Ref{Name: fraud, Version: "1.0.0", Stage: mr.Production}, nil)
	wantError(t, err, "get", fraud, "1.0.0", mr.ErrConflict)
	_, err = r.GetModel(ctx, mr.Ref{Name: fraud}, nil)
	wantError(t, err, "get", fraud, "", mr.ErrInvalid)
	_, err = r.GetModel(ctx, mr.Ref{Name: fraud, Version: "1.0.0", Stage: "prod"}, nil)
	wantError(t, err, "get", fraud, "1.0.0", mr.ErrInvalid)

	if err := os.RemoveAll(modelPath(dir, "versions", "1.0.1", "model")); err != nil {
		t.Fatal(err)
	}
	_, err = r.GetModel(ctx, fraud.In(mr.Production), nil)
	wantError(t, err, "get", fraud, "", mr.ErrArtifact, fs.ErrNotExist)
	if _, err := r.GetVersion(ctx, fraud.In(mr.Production)); err != nil {
		t.Error(err)
	}
	canceled, cancel := context.WithCancel(ctx)
	cancel()
	_, err = r.GetModel(canceled, fraud.At("1.0.0"), nil)
	wantError(t, err, "get", fraud, "1.0.0", context.Canceled)
}

func TestListVersionsOrder(t *testing.T) {
	t.Parallel()
	entry := func(at string) string { return fmt.Sprintf(`{"registered_at": %q}`, at) }
	same := "2026-11-23T05:30:11+00:00"
	dir := handWritten(t, [2]string{"1.0.0", entry("2026-11-23T05:30:11.655479+00:00")}, [2]string{"1.10.0", entry(same)}, [2]string{"1.9.0", entry(same)},
		[2]string{"1.9.0-rc.1", entry(same)}, [2]string{"v1", entry(same)}, [2]string{"0.9.0", entry("2026-11-23T07:30:11.7+02:00")},
		[2]string{"broken", entry("yesterday")}, [2]string{"5.0.0", entry("2026-01-01T00:00:00Z")}, [2]string{"none", `{}`})
	list, err := openStore(t, dir, nil).ListVersions(t.Context(), fraud)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, v := range list {
		got = append(got, v.Version)
		if (len(v.Problems) > 0) != (v.Version == "broken") {
			t.Errorf("%s has problems %q", v.Version, v.Problems)
		}
	}
	if diff := cmp.Diff([]string{"none", "5.0.0", "broken", "0.9.0", "v1", "1.9.0-rc.1", "1.9.0", "1.10.0", "1.0.0"}, got); diff != "" {
		t.Errorf("order (-want +got):\n%s", diff)
	}
	list[0].Version = "changed"

	r, _ := newStore(t, &mr.Options{Now: ticker()})
	for _, v := range []string{"2.0.0", "1.0.0", "3.0.0-rc.1"} {
		register(t, r, v, nil)
	}
	if list, err = r.ListVersions(t.Context(), fraud); err != nil {
		t.Fatal(err)
	}
	got = nil
	for _, v := range list {
		got = append(got, v.Version)
	}
	if diff := cmp.Diff([]string{"3.0.0-rc.1", "1.0.0", "2.0.0"}, got); diff != "" {
		t.Errorf("order (-want +got):\n%s", diff)
	}
}

func TestCompare(t *testing.T) {
	t.Parallel()
	r, _ := newStore(t, nil)
	num := func(s string) json.Number { return json.Number(s) }
	float := func(f float64) *float64 { return &f }
	a, b := 0.1, 0.30000000000000004
	register(t, r, "1.0.0", map[string]any{"auc": a, "rows": int64(1<<53 + 1), "only_a": 1, "name": "x", "flag": true, "mixed": 1, "null": nil, "list": []int{1}, "long": num(strings.Repeat("1", 5000))})
	register(t, r, "2.0.0", map[string]any{"auc": b, "rows": int64(1 << 53), "only_b": 2.5, "name": 2, "flag": false, "mixed": 1.5, "null": 1, "list": []int{1}, "long": num(strings.Repeat("1", 5000))})
	c, err := r.Compare(t.Context(), fraud.At("1.0.0"), fraud.At("2.0.0"))
	if err != nil {
		t.Fatal(err)
	}
	if c.A.Version != "1.0.0" || c.B.Version != "2.0.0" {
		t.Errorf("compared %v and %v", c.A, c.B)
	}
	want := []mr.MetricComparison{
		{Name: "auc", A: num("0.1"), B: num("0.30000000000000004"), Delta: float(b - a)},
		{Name: "flag", A: true, B: false},
		{Name: "list", A: []any{num("1")}, B: []any{num("1")}},
		{Name: "long", A: num(strings.Repeat("1", 5000)), B: num(strings.Repeat("1", 5000))}, // subtracting it takes time with the square of its length
		{Name: "mixed", A: num("1"), B: num("1.5"), Delta: float(0.5)},
		{Name: "name", A: "x", B: num("2")},
		{Name: "null", A: nil, B: num("1")},
		{Name: "only_a", A: num("1"), B: nil},
		{Name: "only_b", A: nil, B: num("2.5")},
		{Name: "rows", A: num("9007199254740993"), B: num("9007199254740992"), Delta: float(-1)},
	}
	if diff := cmp.Diff(want, c.Metrics); diff != "" {
		t.Errorf("metrics (-want +got):\n%s", diff)
	}
	var back map[string]any
	if err := json.Unmarshal([]byte(mustJSON(t, c.Metrics[0])), &back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]any{"name": "auc", "a": a, "b": b, "delta": b - a}, back); diff != "" {
		t.Errorf("as JSON (-want +got):\n%s", diff)
	}
	same, err := r.Compare(t.Context(), fraud.At("1.0.0"), fraud.At("1.0.0"))
	if err != nil || *same.Metrics[0].Delta != 0 {
		t.Errorf("with itself: %+v, %v", same, err)
	}
	for _, pair := range [][2]string{{"9.0.0", "1.0.0"}, {"1.0.0", "9.0.0"}} {
		_, err := r.Compare(t.Context(), fraud.At(pair[0]), fraud.At(pair[1]))
		wantError(t, err, "compare", fraud, "9.0.0", mr.ErrNotFound)
	}
}

// leavingContext ends at the moment when its Done channel is first asked for.
type leavingContext struct {
	context.Context
	cancel context.CancelFunc
}

func (c leavingContext) Done() <-chan struct{} {
	c.cancel()
	return c.Context.Done()
}

func TestCallerLeaves(t *testing.T) {
	t.Parallel()
	r, _ := newStore(t, nil)
	register(t, r, "", nil)
	for range 300 {
		ctx, cancel := context.WithCancel(t.Context())
		func() {
			defer func() {
				if p := recover(); p != nil {
					t.Fatalf("Archive panicked: %v", p)
				}
			}()
			_, err := r.Archive(leavingContext{ctx, cancel}, fraud.At("1.0.0"), nil)
			if err != nil && !errors.Is(err, context.Canceled) {
				t.Fatal(err)
			}
		}()
		if _, err := r.Promote(t.Context(), fraud.At("1.0.0"), mr.Development, nil); err != nil {
			t.Fatal(err)
		}
	}
	register(t, r, "", nil) // its turn comes when nothing is left of those who went
}

// If the document can't be written, the history must not say that it was.
// Otherwise a later change by another program to the old document would be
// misread.
func TestDocumentThatLags(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r := openStore(t, dir, nil)
	register(t, r, "1.0.0", map[string]any{"auc": 0.5})
	old := files(t, modelPath(dir))["registry.json"]
	blocked := modelPath(dir, ".registry.json.tmp")
	if err := os.MkdirAll(filepath.Join(blocked, "x"), 0o777); err != nil {
		t.Fatal(err)
	}
	register(t, r, "1.0.1", nil)
	promote(t, r, "1.0.1", mr.Staging)
	if now := files(t, modelPath(dir))["registry.json"]; now != old {
		t.Skip("the document could be replaced all the same")
	}
	if err := os.RemoveAll(blocked); err != nil {
		t.Fatal(err)
	}
	// The other program reads the old document, drops our key and changes a
	// metric.
	theirs, _, ok := strings.Cut(old, ",\n  \"modelregistry\"")
	if !ok {
		t.Fatalf("no key of ours in %s", old)
	}
	writeFile(t, modelPath(dir, "registry.json"), strings.Replace(theirs, "0.5", "0.75", 1)+"\n}")
	want := map[string]mr.ModelStage{"1.0.0": mr.Development, "1.0.1": mr.Staging}
	for _, r := range []*mr.ModelRegistry{openStore(t, dir, nil), r} {
		if got := stagesOf(t, r); !maps.Equal(got, want) {
			t.Errorf("versions %v, want %v", got, want)
		}
	}
}

// Close returns during any operation. Each operation under way succeeds or
// returns the reason why it did not.
func TestCloseUnderLoad(t *testing.T) {
	t.Parallel()
	for range 10 {
		dir := t.TempDir()
		r := openStore(t, dir, nil)
		register(t, r, "1.0.0", nil)
		begun := make(chan struct{}, 1000)
		moved := make(chan error, 8)
		for range cap(moved) {
			go func() {
				var err error
				for i := 0; err == nil && i < 100; i++ {
					_, err = r.Register(t.Context(), fraud, artifact(), nil)
					begun <- struct{}{}
				}
				moved <- err
			}()
		}
		for range 4 {
			<-begun
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
		for range cap(moved) {
			if err := <-moved; err != nil && !errors.Is(err, mr.ErrClosed) {
				t.Errorf("neither done nor closed: %v", err)
			}
		}
	}
}
