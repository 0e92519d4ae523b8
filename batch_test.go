package modelregistry_test

import (
	"context"
	"errors"
	"io/fs"
	"testing"
	"testing/synctest"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/driver"
	"github.com/ubunye-go/modelregistry/registrytest"
)

// threeOnAppends returns a registry of three versions, and its store, whose
// appends the test may replace.
func threeOnAppends(t *testing.T) (s *appendStore, r *mr.ModelRegistry, versions []string) {
	t.Helper()
	s = &appendStore{Store: registrytest.NewMemory(t).Open()}
	s.append = s.Store.Append
	r = mr.New(s, nil)
	versions = []string{"1.0.0", "1.0.1", "1.0.2"}
	for range versions {
		register(t, r, "", nil)
	}
	return s, r, versions
}

// If the append of a batch fails with fs.ErrNotExist, the staging folder of one
// change may be missing. Each change is then made again in an append of its
// own. They are not made again if the append may have happened, or failed
// before it decided.
func TestBatchWithAMissingFolderIsTakenApart(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		err    error
		decide bool
		want   error
	}{
		"missing":                {fs.ErrNotExist, true, nil},
		"missing, and uncertain": {errors.Join(mr.ErrUncertain, fs.ErrNotExist), true, mr.ErrUncertain},
		"not decided":            {fs.ErrNotExist, false, fs.ErrNotExist},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s, r, versions := threeOnAppends(t)
				defer r.Close()
				plain, goOn, appends := s.append, make(chan struct{}), 0
				s.append = func(ctx context.Context, useCase, model string, decide func(driver.View) (*driver.Commit, error)) (driver.AppendResult, error) {
					if appends++; appends > 1 {
						return plain(ctx, useCase, model, decide)
					}
					<-goOn
					return plain(ctx, useCase, model, func(v driver.View) (*driver.Commit, error) {
						if c.decide {
							if _, err := decide(v); err != nil {
								return nil, err
							}
						}
						return nil, c.err
					})
				}
				got := make(chan error, len(versions))
				for _, version := range versions {
					go func() {
						_, err := r.Archive(context.Background(), fraud.At(version), nil)
						got <- err
					}()
					synctest.Wait()
				}
				close(goOn)
				for range versions {
					if err := <-got; !errors.Is(err, c.want) {
						t.Errorf("got error %v, want %v", err, c.want)
					}
				}
				want := mr.Archived
				if c.want != nil {
					want = mr.Development
				}
				wantStages(t, r, map[string]mr.ModelStage{"1.0.0": want, "1.0.1": want, "1.0.2": want})
			})
		})
	}
}

// A batch is taken apart if a version's folder exists already. If the store
// then panics, only the changes that were not made get ErrUncertain.
func TestPanicInABatchTakenApart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, r, versions := threeOnAppends(t)
		defer r.Close()
		plain, goOn, appends := s.append, make(chan struct{}), 0
		s.append = func(ctx context.Context, useCase, model string, decide func(driver.View) (*driver.Commit, error)) (driver.AppendResult, error) {
			switch appends++; appends {
			case 1:
				<-goOn
				return plain(ctx, useCase, model, func(v driver.View) (*driver.Commit, error) {
					if _, err := decide(v); err != nil {
						return nil, err
					}
					return nil, fs.ErrExist
				})
			case 3:
				panic("no store")
			}
			return plain(ctx, useCase, model, decide)
		}
		got := make(map[string]chan error)
		for i, version := range versions {
			done := make(chan error, 1)
			got[version] = done
			go func() {
				defer func() {
					if p := recover(); p != nil && i > 0 {
						t.Errorf("the change of %s panicked with %v, want a panic only of the leader", version, p)
					}
				}()
				_, err := r.Archive(context.Background(), fraud.At(version), nil)
				done <- err
			}()
			synctest.Wait()
		}
		close(goOn)
		if err := <-got["1.0.2"]; !errors.Is(err, mr.ErrUncertain) {
			t.Errorf("the change after the panic got error %v, want ErrUncertain", err)
		}
		if err := <-got["1.0.1"]; !errors.Is(err, mr.ErrUncertain) {
			t.Errorf("the change whose append panicked got error %v, want ErrUncertain", err)
		}
		wantStages(t, r, map[string]mr.ModelStage{"1.0.0": mr.Archived, "1.0.1": mr.Development, "1.0.2": mr.Development})
	})
}
