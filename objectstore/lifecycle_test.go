package objectstore_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gocloud.dev/blob"
	"gocloud.dev/blob/memblob"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/objectstore"
	"github.com/ubunye-go/modelregistry/registrytest"
)

// expired makes a model with four changes, of which a lifecycle rule then
// removes the objects whose keys have one of some texts.
func expired(t *testing.T, texts ...string) *blob.Bucket {
	t.Helper()
	b := memblob.OpenBucket(nil)
	t.Cleanup(func() { b.Close() })
	r := mr.New(newStore(t, b, nil), nil)
	for _, version := range []string{"1.0.0", "1.0.1", "1.0.2"} {
		registrytest.Put(t, r, fraud.At(version), files)
	}
	if _, err := r.Promote(t.Context(), fraud.At("1.0.1"), mr.Production, nil); err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	for _, key := range keysOf(t, b, "/") {
		if slices.ContainsFunc(texts, func(text string) bool { return strings.Contains(key, text) }) {
			if err := b.Delete(t.Context(), key); err != nil {
				t.Fatal(err)
			}
		}
	}
	return b
}

const cause = "a lifecycle rule of the bucket that expires objects is the usual cause"

// wantMissing checks that an error names one of the first changes as missing,
// and the usual cause.
func wantMissing(t *testing.T, what string, err error) {
	t.Helper()
	var missing *objectstore.MissingChangeError
	var corrupt *mr.CorruptError
	if !errors.As(err, &missing) || !errors.As(err, &corrupt) {
		t.Errorf("%s: got error %v, want a *CorruptError that wraps a *MissingChangeError", what, err)
		return
	}
	key := fmt.Sprintf("%s/history/%010d-%d.jsonl", fraud, 9_999_999_999-missing.Number, missing.Number)
	if missing.Number > 2 || missing.Key != key || !strings.Contains(err.Error(), key) || !strings.Contains(err.Error(), cause) {
		t.Errorf("%s: got error %v of %+v, want one that names %s and says that %s", what, err, missing, key, cause)
	}
}

// If a lifecycle rule removed old changes, readers go on with registry.json,
// and whatever needs these changes says which one is missing, and why.
func TestExpiredChangesAreNamed(t *testing.T) {
	t.Parallel()
	b := expired(t, "-1.jsonl", "-2.jsonl")
	ctx := t.Context()
	r := mr.New(newStore(t, b, nil), nil)
	if v, err := r.GetVersion(ctx, fraud.In(mr.Production)); err != nil || v.Version != "1.0.1" {
		t.Errorf("GetVersion = %s, %v", v.Version, err)
	}
	var last error
	for _, err := range r.History(ctx, fraud, nil) {
		last = err
	}
	wantMissing(t, "History", last)
	report, err := r.Verify(ctx, nil)
	if err != nil || len(report.Problems()) != 1 || report.Problems()[0].Kind != mr.HistoryDamaged {
		t.Fatalf("Verify finds %v, %v; want a damaged history", report.Findings, err)
	}
	wantMissing(t, "Verify", report.Problems()[0].Err)
	if v, err := r.Register(ctx, fraud, mr.FromFS(files), nil); err != nil || v.Version != "1.0.3" {
		t.Errorf("Register = %s, %v", v.Version, err)
	}
}

// Without registry.json, nothing can be read or written.
func TestExpiredChangesAndDocument(t *testing.T) {
	t.Parallel()
	b := expired(t, "-1.jsonl", "-2.jsonl", "registry.json")
	r := mr.New(newStore(t, b, nil), nil)
	before := keysOf(t, b, "/history/")
	_, err := r.GetVersion(t.Context(), fraud.In(mr.Production))
	wantMissing(t, "GetVersion", err)
	_, err = r.Register(t.Context(), fraud, mr.FromFS(files), nil)
	wantMissing(t, "Register", err)
	if after := keysOf(t, b, "/history/"); !slices.Equal(before, after) {
		t.Errorf("the changes were %v, and are %v", before, after)
	}
}

// If a lifecycle rule removed the whole history, Verify says so.
func TestExpiredHistoryIsNamed(t *testing.T) {
	t.Parallel()
	for name, texts := range map[string][]string{"history": {"/history/"}, "history and registry.json": {"/history/", "registry.json"}} {
		b := expired(t, texts...)
		report, err := mr.New(newStore(t, b, nil), nil).Verify(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		lost := slices.IndexFunc(report.Findings, func(f mr.Finding) bool { return f.Kind == mr.HistoryLost })
		if lost < 0 || !strings.Contains(report.Findings[lost].String(), cause) {
			t.Errorf("without %s: Verify finds %v, want a lost history and that %s", name, report.Findings, cause)
		}
	}
}

// A copy of such a bucket says the same, and can be repaired.
func TestCopyOfExpiredHistory(t *testing.T) {
	t.Parallel()
	b := expired(t, "-1.jsonl")
	dir := t.TempDir()
	for _, key := range keysOf(t, b, fraud.String()+"/") {
		data, err := b.ReadAll(t.Context(), key)
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(dir, filepath.FromSlash(key))
		if err := os.MkdirAll(filepath.Dir(file), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, data, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	r, err := mr.Open(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	report, err := r.Verify(t.Context(), nil)
	if err != nil || len(report.Problems()) != 1 || !strings.Contains(report.Problems()[0].String(), "change 1, the one before it, is missing: "+cause) {
		t.Fatalf("Verify finds %v, %v", report.Findings, err)
	}
	repaired, err := r.Repair(t.Context(), fraud, &mr.RepairOptions{Apply: true})
	if err != nil || len(repaired.Actions) == 0 || !strings.Contains(repaired.Actions[0].String(), cause) {
		t.Fatalf("Repair does %+v, %v", repaired, err)
	}
	if report, err = r.Verify(t.Context(), nil); err != nil || len(report.Problems()) > 0 {
		t.Errorf("after the repair Verify finds %v, %v", report.Findings, err)
	}
	registrytest.WantStages(t, r, fraud, map[string]mr.ModelStage{"1.0.0": mr.Development, "1.0.1": mr.Production, "1.0.2": mr.Development})
}
