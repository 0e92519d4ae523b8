package modelregistry_test

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/registrytest"
)

// A store that goes on refusing is reported once, although each of its errors
// has another request id. Another refusal is reported again.
func TestWatchReportsARefusalOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		inner, err := mr.NewFolderStore(t.TempDir(), nil)
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		r := mr.New(registrytest.WithFaults(inner, func(c registrytest.Call) registrytest.Fault {
			what := "AccessDenied"
			if time.Since(start) > time.Minute {
				what = "SlowDown"
			}
			return registrytest.Fault{Err: fmt.Errorf("%s, RequestID: 4X%dQ", what, time.Now().UnixNano())}
		}), nil)
		var got []string
		for _, err := range r.Watch(t.Context(), fraud.In(mr.Production), nil) {
			got = append(got, errors.Unwrap(err).Error()[:6])
			if time.Since(start) > time.Minute {
				break
			}
		}
		if diff := cmp.Diff([]string{"Access", "SlowDo"}, got); diff != "" {
			t.Errorf("reported (-want +got):\n%s", diff)
		}
	})
}
