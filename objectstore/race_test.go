package objectstore_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/objectstore"
	"github.com/ubunye-go/modelregistry/registrytest"
)

// alwaysFirst has another writer make each change just before it is made.
func (f *faultyBucket) alwaysFirst(t testing.TB) (races func() int) {
	var head struct{ Number, End int64 }
	for key, data := range f.dump(t) {
		if strings.HasSuffix(key, "-1.jsonl") {
			if err := json.NewDecoder(strings.NewReader(data)).Decode(&head); err != nil {
				t.Fatal(err)
			}
		}
	}
	n := 0
	f.set(func() {
		f.before = func(op, key string) error {
			if op != "put" || !strings.Contains(key, "/history/") {
				return nil
			}
			n++
			head.Number++
			return f.b.WriteAll(context.Background(), key, fmt.Appendf(nil, `{"commit":"other%d","number":%d,"end":%d}`+"\n", n, head.Number, head.End), nil)
		}
	})
	return func() int { return n }
}

// A change that loses every race gives up in the end and says so, and nothing
// was changed. While it tries, its context can end it.
func TestContention(t *testing.T) {
	t.Parallel()
	registerInTime := func(t *testing.T, s *objectstore.Store, wait time.Duration) error {
		ctx, cancel := context.WithTimeout(t.Context(), wait)
		defer cancel()
		r := mr.New(s, nil)
		defer r.Close()
		_, err := r.Register(ctx, fraud, mr.FromFS(files), nil)
		return err
	}
	sweep := func(t *testing.T, s *objectstore.Store, wait time.Duration) error {
		st := seal(t, s)
		defer st.Discard()
		time.Sleep(time.Second) // in this test's clock, so that the upload is old enough
		ctx, cancel := context.WithTimeout(t.Context(), wait)
		defer cancel()
		_, err := s.Sweep(ctx, fraud, &objectstore.SweepOptions{OlderThan: time.Nanosecond, Apply: true})
		return err
	}
	for name, change := range map[string]func(*testing.T, *objectstore.Store, time.Duration) error{"register": registerInTime, "sweep": sweep} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f, b := newFaulty(t)
				s := newStore(t, b, nil)
				registrytest.Put(t, mr.New(s, nil), fraud.At("1.0.0"), files)
				before := readContents(t, mr.New(newStore(t, b, nil), nil), fraud)
				races := f.alwaysFirst(t)
				start := time.Now()
				err := change(t, s, time.Hour)
				var named *objectstore.Error
				if !errors.Is(err, objectstore.ErrContention) || !errors.As(err, &named) || !strings.Contains(err.Error(), fraud.String()) {
					t.Errorf("got error %v, want ErrContention that names the model", err)
				}
				if n, took := races(), time.Since(start); n != 1000 || took < 3*time.Minute || took > 7*time.Minute {
					t.Errorf("the change lost %d races in %v", n, took)
				}
				if err := change(t, newStore(t, b, nil), 10*time.Second); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("with a context of 10 s: got error %v", err)
				}
				if took := time.Since(start); took > 8*time.Minute {
					t.Errorf("with a context of 10 s, the change took %v", took)
				}
				f.set(func() { f.before = nil })
				if diff := cmp.Diff(before, readContents(t, mr.New(newStore(t, b, nil), nil), fraud)); diff != "" {
					t.Errorf("the model was changed (-before +after):\n%s", diff)
				}
				if n := f.keys(t, "/.staging/"); n > 0 {
					t.Errorf("%d objects are left over from the uploads", n)
				}
			})
		})
	}
}
