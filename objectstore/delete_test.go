package objectstore_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"gocloud.dev/blob"
	"gocloud.dev/blob/memblob"

	mr "github.com/ubunye-go/modelregistry"
)

// keysOf returns the keys in a bucket that contain a text.
func keysOf(t *testing.T, b *blob.Bucket, text string) (keys []string) {
	t.Helper()
	it := b.List(nil)
	for {
		o, err := it.Next(context.Background())
		if err != nil {
			return keys
		}
		if strings.Contains(o.Key, text) {
			keys = append(keys, o.Key)
		}
	}
}

// In a bucket a deleted version keeps its files until it is purged, and no
// process brings them back.
func TestDeleteAndPurge(t *testing.T) {
	t.Parallel()
	b := memblob.OpenBucket(nil)
	defer b.Close()
	ctx := t.Context()
	r := mr.New(newStore(t, b, nil), nil)
	for range 3 {
		if _, err := r.Register(ctx, fraud, mr.FromFS(files), nil); err != nil {
			t.Fatal(err)
		}
	}
	for _, version := range []string{"1.0.0", "1.0.1"} {
		if err := r.Delete(ctx, fraud.At(version), &mr.KeepOptions{Reason: "old"}); err != nil {
			t.Fatal(err)
		}
	}
	other := mr.New(newStore(t, b, nil), nil)
	if _, err := other.GetModel(ctx, fraud.At("1.0.0"), nil); !errors.Is(err, mr.ErrDeleted) {
		t.Errorf("a deleted version: got error %v, want ErrDeleted", err)
	}
	if err := other.Undelete(ctx, fraud.At("1.0.1"), nil); err != nil {
		t.Fatal(err)
	}
	m, err := r.GetModel(ctx, fraud.At("1.0.1"), &mr.GetOptions{Verify: true})
	if err != nil {
		t.Fatal(err)
	}
	m.Close()
	report, err := other.Purge(ctx, fraud, &mr.PurgeOptions{Now: true})
	if err != nil || len(report.Versions) != 1 || report.Versions[0].Version != "1.0.0" || report.Versions[0].Files == 0 || report.Versions[0].Removed {
		t.Fatalf("Purge lists %+v, %v", report, err)
	}
	if report, err = other.Purge(ctx, fraud, &mr.PurgeOptions{Now: true, Apply: true}); err != nil || len(report.Versions) != 1 || !report.Versions[0].Removed {
		t.Fatalf("Purge does %+v, %v", report, err)
	}
	if keys := keysOf(t, b, "/1.0.0/"); len(keys) > 0 {
		t.Errorf("left: %v", keys)
	}
	for which, r := range map[string]*mr.ModelRegistry{"first": r, "new": mr.New(newStore(t, b, nil), nil)} {
		report, err := r.Verify(ctx, nil)
		if err != nil || len(report.Findings) > 0 {
			t.Errorf("%s: Verify finds %+v, %v", which, report.Findings, err)
		}
		if report, err := r.Purge(ctx, fraud, &mr.PurgeOptions{Now: true, Apply: true}); err != nil || len(report.Versions)+len(report.Remains) > 0 {
			t.Errorf("%s: a second purge: %+v, %v", which, report, err)
		}
		if err := r.Undelete(ctx, fraud.At("1.0.0"), nil); !errors.Is(err, mr.ErrDeleted) {
			t.Errorf("%s: Undelete after Purge: %v", which, err)
		}
		for u, err := range r.Usage(ctx, nil) {
			if err != nil || u.Live == 0 || u.Deleted != 0 {
				t.Errorf("%s: usage %+v, %v", which, u, err)
			}
		}
	}
	if v, err := r.Register(ctx, fraud, mr.FromFS(files), nil); err != nil || v.Version != "1.0.3" {
		t.Errorf("registered %v, %v", v, err)
	}
}
