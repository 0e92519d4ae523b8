package modelregistry_test

import (
	"sync"
	"testing"

	mr "github.com/ubunye-go/modelregistry"
)

// A change that is under way is neither reported by Verify nor repaired.
func TestVerifyBesideWriters(t *testing.T) {
	t.Parallel()
	dir := three(t)
	writer, r := openStore(t, dir, nil), openStore(t, dir, nil)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			v, err := writer.Register(t.Context(), fraud, artifact(), nil)
			if err == nil {
				_, err = writer.Promote(t.Context(), fraud.At(v.Version), mr.Production, nil)
			}
			if err != nil {
				t.Error(err)
				return
			}
		}
	})
	for range 40 {
		report, err := r.Verify(t.Context(), &mr.VerifyOptions{WithoutArtifacts: true})
		if err != nil || len(report.Findings) > 0 {
			t.Errorf("found %v, %v", report.Findings, err)
		}
		if plan, err := r.Repair(t.Context(), fraud, &mr.RepairOptions{Apply: true}); err != nil || len(plan.Actions) > 0 {
			t.Errorf("repaired %v, %v", plan.Actions, err)
		}
	}
	close(stop)
	wg.Wait()
}
