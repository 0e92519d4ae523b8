package objectstore_test

import (
	"io"
	"testing"
	"testing/fstest"

	"gocloud.dev/blob"
	"gocloud.dev/blob/memblob"

	mr "github.com/ubunye-go/modelregistry"
)

// Another program deletes the store, and perhaps starts it again, while a
// writer is running. The writer adds to the store as it is now, and does not
// serve the old files as new ones.
func TestStoreDeletedWhileWriting(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		again int // versions that another registry registered meanwhile
		want  string
	}{{"deleted", 0, "1.0.0"}, {"fewer", 1, "1.0.1"}, {"as many", 3, "1.0.3"}, {"more", 5, "1.0.5"}} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := memblob.OpenBucket(nil)
			t.Cleanup(func() { b.Close() })
			register := func(r *mr.ModelRegistry, weights string) string {
				t.Helper()
				v, err := r.Register(t.Context(), fraud, mr.FromFS(fstest.MapFS{"w": {Data: []byte(weights)}}), nil)
				if err != nil {
					t.Fatal(err)
				}
				return v.Version
			}
			r := mr.New(newStore(t, b, nil), nil)
			t.Cleanup(func() { r.Close() })
			for range 3 {
				register(r, "old")
			}
			empty(t, b)
			if c.again > 0 {
				other := mr.New(newStore(t, b, nil), nil)
				for range c.again {
					register(other, "new")
				}
				if err := other.Close(); err != nil {
					t.Fatal(err)
				}
			}
			if got := register(r, "newest"); got != c.want {
				t.Errorf("the writer registered %s, want %s", got, c.want)
			}
			list, err := r.ListVersions(t.Context(), fraud)
			if err != nil || len(list) != c.again+1 {
				t.Errorf("the model has %d versions, %v", len(list), err)
			}
			for _, v := range list {
				if m, err := r.GetModel(t.Context(), fraud.At(v.Version), &mr.GetOptions{Verify: true}); err != nil {
					t.Error(err)
				} else {
					m.Close()
				}
			}
			fresh := mr.New(newStore(t, b, nil), nil)
			t.Cleanup(func() { fresh.Close() })
			if report, err := fresh.Verify(t.Context(), nil); err != nil || len(report.Findings) > 0 {
				t.Errorf("found %v, %v", report.Findings, err)
			}
		})
	}
}

// empty deletes every object.
func empty(t *testing.T, b *blob.Bucket) {
	t.Helper()
	for objects := b.List(nil); ; {
		o, err := objects.Next(t.Context())
		if err == io.EOF {
			return
		}
		if err == nil {
			err = b.Delete(t.Context(), o.Key)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}
