package modelregistry_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/registrytest"
)

// An appendStore appends as a test says; decide is the registry's own.
type appendStore struct {
	mr.Store
	append func(ctx context.Context, name mr.ModelName, decide func(mr.View) (*mr.Commit, error)) (mr.Appended, error)
}

func (s *appendStore) Append(ctx context.Context, name mr.ModelName, decide func(mr.View) (*mr.Commit, error)) (mr.Appended, error) {
	return s.append(ctx, name, decide)
}

// untilEnded returns a store whose appends decide, and then take until their context ends.
func untilEnded(t *testing.T, failed func(error) error) *appendStore {
	s := &appendStore{Store: registrytest.NewMemory(t).Open()}
	s.append = func(ctx context.Context, name mr.ModelName, decide func(mr.View) (*mr.Commit, error)) (mr.Appended, error) {
		return s.Store.Append(context.WithoutCancel(ctx), name, func(v mr.View) (*mr.Commit, error) {
			if c, err := decide(v); c == nil || err != nil {
				return c, err
			}
			<-ctx.Done()
			return nil, failed(ctx.Err())
		})
	}
	return s
}

// Who ends an append is told why it ended, and still that it may have happened.
func TestEndedAppend(t *testing.T) {
	t.Parallel()
	refused := func(err error) error { return err }
	uncertain := func(err error) error { return fmt.Errorf("put: %w: %w", mr.ErrUncertain, err) }
	for name, c := range map[string]struct {
		failed    func(error) error
		want      error
		uncertain bool
		end       func(r *mr.ModelRegistry) (context.Context, context.CancelFunc)
	}{
		"canceled":                {refused, context.Canceled, false, canceled},
		"timed out":               {refused, context.DeadlineExceeded, false, timedOut},
		"closed":                  {refused, mr.ErrClosed, false, closed},
		"canceled, and who knows": {uncertain, context.Canceled, true, canceled},
		"timed out, who knows":    {uncertain, context.DeadlineExceeded, true, timedOut},
		"closed, and who knows":   {uncertain, mr.ErrClosed, true, closed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				for range 50 { // the end of the context and of the append come at one time
					r := mr.New(untilEnded(t, c.failed), nil)
					ctx, cancel := c.end(r)
					_, err := r.Register(ctx, fraud, artifact(), nil)
					cancel()
					if !errors.Is(err, c.want) || errors.Is(err, mr.ErrUncertain) != c.uncertain {
						t.Fatalf("got error %v", err)
					}
					if err := r.Close(); err != nil {
						t.Fatal(err)
					}
				}
			})
		})
	}
}

func canceled(*mr.ModelRegistry) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(time.Second, cancel)
	return ctx, cancel
}

func timedOut(*mr.ModelRegistry) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), time.Second)
}

func closed(r *mr.ModelRegistry) (context.Context, context.CancelFunc) {
	time.AfterFunc(time.Second, func() { r.Close() })
	return context.Background(), func() {}
}

// Close returns also while another process holds the lock, whatever waits for it.
func TestCloseWhileChangesWait(t *testing.T) {
	t.Parallel()
	for range 300 {
		s := &appendStore{Store: registrytest.NewMemory(t).Open()}
		s.append = s.Store.Append
		r := mr.New(s, nil)
		register(t, r, "", nil)
		at := make(chan struct{}, 100)
		s.append = func(ctx context.Context, _ mr.ModelName, _ func(mr.View) (*mr.Commit, error)) (mr.Appended, error) {
			at <- struct{}{}
			<-ctx.Done()
			return mr.Appended{}, ctx.Err()
		}
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				if _, err := r.Archive(context.Background(), fraud, "1.0.0", nil); !errors.Is(err, mr.ErrClosed) {
					t.Errorf("got error %v", err)
				}
			})
		}
		<-at
		done := make(chan error)
		go func() { done <- r.Close() }()
		select {
		case err := <-done:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(10 * time.Second):
			t.Fatal("Close waits on")
		}
		wg.Wait()
	}
}

// When a batch is taken apart, for a tree that is in the way of a folder, a panic is told those whose
// changes it took down, and not those whose changes happened.
func TestPanicInABatchTakenApart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &appendStore{Store: registrytest.NewMemory(t).Open()}
		plain := s.Store.Append
		s.append = plain
		r := mr.New(s, nil)
		defer r.Close()
		versions := []string{"1.0.0", "1.0.1", "1.0.2"}
		for range versions {
			register(t, r, "", nil)
		}
		goOn := make(chan struct{})
		appends := 0
		s.append = func(ctx context.Context, name mr.ModelName, decide func(mr.View) (*mr.Commit, error)) (mr.Appended, error) {
			switch appends++; appends {
			case 1:
				<-goOn
				return plain(ctx, name, func(v mr.View) (*mr.Commit, error) {
					if _, err := decide(v); err != nil {
						return nil, err
					}
					return nil, fs.ErrExist
				})
			case 3:
				panic("no store")
			}
			return plain(ctx, name, decide)
		}
		got := make(map[string]chan error)
		for i, version := range versions {
			done := make(chan error, 1)
			got[version] = done
			go func() {
				defer func() {
					if p := recover(); p != nil && i > 0 {
						t.Errorf("%s panicked with %v", version, p)
					}
				}()
				_, err := r.Archive(context.Background(), fraud, version, nil)
				done <- err
			}()
			synctest.Wait()
		}
		close(goOn)
		if err := <-got["1.0.2"]; !errors.Is(err, mr.ErrUncertain) {
			t.Errorf("whose change was not made: got error %v", err)
		}
		if err := <-got["1.0.1"]; !errors.Is(err, mr.ErrUncertain) {
			t.Errorf("whose change panicked: got error %v", err)
		}
		wantStages(t, r, map[string]mr.ModelStage{"1.0.0": mr.Archived, "1.0.1": mr.Development, "1.0.2": mr.Development})
	})
}
