package modelregistry_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/registrytest"
)

// A slowStore is one that decides once and then takes until it is told to go on, or its
// context ends: as one that loses races does.
type slowStore struct {
	mr.Store
	decided chan struct{}
	goOn    chan struct{}
}

func (s *slowStore) Append(ctx context.Context, name mr.ModelName, decide func(mr.View) (*mr.Commit, error)) (mr.Appended, error) {
	return s.Store.Append(context.WithoutCancel(ctx), name, func(v mr.View) (*mr.Commit, error) {
		c, err := decide(v)
		if c == nil || err != nil {
			return c, err
		}
		s.decided <- struct{}{}
		select {
		case <-s.goOn:
			return c, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	})
}

// An append that is under way ends when all whose changes it holds gave up, and not when one who waits
// for the next did.
func TestGivingUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		memory := registrytest.NewMemory(t).Open()
		s := &slowStore{memory, make(chan struct{}), make(chan struct{})}
		r := mr.New(s, nil)
		defer r.Close()
		begin := func() (cancel context.CancelFunc, result chan error) {
			ctx, cancel := context.WithCancel(t.Context())
			result = make(chan error, 1)
			go func() {
				_, err := r.Register(ctx, fraud, artifact(), nil)
				result <- err
			}()
			return cancel, result
		}
		leave, first := begin()
		<-s.decided
		leaveNext, next := begin()
		synctest.Wait() // it stands in the queue
		leaveNext()
		if err := <-next; !errors.Is(err, context.Canceled) {
			t.Errorf("who waited and left: got error %v", err)
		}
		synctest.Wait()
		select {
		case err := <-first:
			t.Errorf("who waits still: got error %v", err)
		default:
			s.goOn <- struct{}{}
			if err := <-first; err != nil {
				t.Error(err)
			}
		}
		leave()

		leave, only := begin()
		<-s.decided
		leave()
		if err := <-only; !errors.Is(err, context.Canceled) {
			t.Errorf("the only one left: got error %v", err)
		}
		go func() { <-s.decided; s.goOn <- struct{}{} }()
		if v, err := r.Register(t.Context(), fraud, artifact(), nil); err != nil || v.Version != "1.0.1" {
			t.Errorf("after that: %s, %v", v.Version, err)
		}
	})
}
