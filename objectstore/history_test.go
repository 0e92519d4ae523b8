package objectstore_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/registrytest"
)

// The newest part of a history costs as many requests in a model with 250
// changes as in one with 600, in a process that knows the model and in a new
// one.
func TestRequestsOfAHistoryFromItsEnd(t *testing.T) {
	t.Parallel()
	newest := func(t *testing.T, r *mr.ModelRegistry, opts *mr.HistoryOptions) {
		n := 0
		for _, err := range r.History(t.Context(), fraud, opts) {
			if err != nil {
				t.Fatal(err)
			}
			if n++; n == 10 {
				return
			}
		}
		t.Errorf("%d events, want 10", n)
	}
	questions := map[string]func(t *testing.T, r *mr.ModelRegistry, last int64){
		"newest 10": func(t *testing.T, r *mr.ModelRegistry, _ int64) { newest(t, r, &mr.HistoryOptions{Newest: true}) },
		"after": func(t *testing.T, r *mr.ModelRegistry, last int64) {
			newest(t, r, &mr.HistoryOptions{After: last - 10})
		},
		"production": func(t *testing.T, r *mr.ModelRegistry, _ int64) {
			if p, err := r.ProductionAt(t.Context(), fraud, time.Time{}); err != nil || p.Version != "1.0.0" {
				t.Fatal(p.Version, err)
			}
		},
	}
	got := map[int]map[string]map[string]int{}
	for _, changes := range []int{250, 600} {
		f, b := newFaulty(t)
		w := registrytest.NewOn(t, newStore(t, b, nil), nil)
		for i := range changes {
			var err error
			switch {
			case i < 2:
				registrytest.Put(t, w, fraud.At(""), files)
			case i == changes-12:
				_, err = w.Promote(t.Context(), fraud.At("1.0.0"), mr.Production, nil)
			case i%2 == 0 != (i > changes-12):
				_, err = w.Promote(t.Context(), fraud.At("1.0.1"), mr.Staging, nil)
			default:
				_, err = w.Demote(t.Context(), fraud.At("1.0.1"), mr.Development, nil)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		got[changes] = map[string]map[string]int{}
		for name, ask := range questions {
			f.requests()
			ask(t, w, int64(changes))
			got[changes][name] = f.requests()
			fresh := registrytest.NewOn(t, newStore(t, b, nil), nil)
			f.requests()
			ask(t, fresh, int64(changes))
			got[changes][name+" in a new process"] = f.requests()
		}
	}
	if diff := cmp.Diff(got[250], got[600]); diff != "" {
		t.Errorf("requests (-of 250 changes +of 600):\n%s", diff)
	}
	t.Logf("%v", got[600])
}
