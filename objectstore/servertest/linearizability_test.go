package servertest

import (
	"context"
	"strings"
	"testing"
	"time"

	"gocloud.dev/blob/s3blob"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/objectstore"
	"github.com/ubunye-go/modelregistry/proofs/linearizability"
)

// stores opens the bucket of an S3 server. The place is its address and, after
// a space, a folder for the cache.
var stores = linearizability.Stores{"s3": func(where string) (*mr.ModelRegistry, error) {
	addr, cache, _ := strings.Cut(where, " ")
	b, err := s3blob.OpenBucket(context.Background(), s3Client(addr, nil), bucket, nil)
	if err != nil {
		return nil, err
	}
	s, err := objectstore.New(b, &objectstore.Options{CacheDir: cache})
	if err != nil {
		return nil, err
	}
	return mr.New(s, nil), nil
}}

// Invariants 2, 3 and 4: concurrent calls of registries on one bucket, in
// several processes, have the effect of calls one after the other.
func TestLinearizable(t *testing.T) {
	t.Parallel()
	for name, load := range map[string]linearizability.Load{
		"processes":            {Processes: 3, Workers: 2, Operations: 15},
		"processes that share": {Processes: 2, Workers: 3, Shared: true, Operations: 15},
		"killed processes":     {Processes: 4, Workers: 1, Shared: true, Operations: 15, Kills: 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			load.Store, load.Where = "s3", s3Server(t)+" "+t.TempDir()
			h, err := stores.Run(t.Context(), load)
			if err != nil {
				t.Fatal(err)
			}
			r := linearizability.Check(h, 3*time.Minute)
			if !r.Linearizable {
				t.Fatal(r.Report)
			}
			t.Logf("%d operations", r.Operations)
		})
	}
}
