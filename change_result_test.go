package modelregistry_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/registrytest"
)

// A change that finds nothing to do returns an entry that another process
// wrote, while a document is made of it. The race detector finds an entry that
// is read without the model's lock.
func TestResultOfAChangeBesideADocument(t *testing.T) {
	t.Parallel()
	s := registrytest.NewMemory(t)
	r, other := registrytest.NewOn(t, s.Open(), nil), registrytest.NewOn(t, s.Open(), nil)
	for i := range 20 { // a document that may lag
		register(t, r, fmt.Sprintf("1.0.%d", i), nil)
	}
	for _, lags := range []*mr.ModelRegistry{r, other} {
		lags.SetLag(0, 1, time.Hour)
	}
	note := mr.Note{Set: map[string]string{"reviewed": "yes"}}
	if err := other.Annotate(t.Context(), fraud.At("1.0.0"), note, nil); err != nil {
		t.Fatal(err)
	}
	for i := range 50 {
		move, to := other.Promote, mr.Staging
		if i%2 == 1 {
			move, to = other.Demote, mr.Development
		}
		if _, err := move(t.Context(), fraud.At("1.0.0"), to, nil); err != nil {
			t.Fatal(err)
		}
		var both sync.WaitGroup
		both.Go(func() {
			if err := r.Annotate(t.Context(), fraud.At("1.0.0"), note, nil); err != nil {
				t.Error(err)
			}
		})
		both.Go(func() {
			if err := r.Checkpoint(t.Context(), fraud); err != nil {
				t.Error(err)
			}
		})
		both.Wait()
	}
}
