package registrytest

import (
	"context"
	"fmt"
	"iter"
	"sync"
	"time"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/driver"
)

// A Call describes a call of a Store's method, before it is made.
type Call struct {
	Method string // "Append", "OpenTree", …; "Seal" and "Create" are a Staged's, "Open" is a TreeFiles'
	Model  mr.ModelName
	N      int // the number of earlier calls of that method
}

// A Fault says how a call fails. The zero Fault does not change the call.
type Fault struct {
	Delay time.Duration // before the call; it ends early if the call's context ends
	// Err makes the call fail without doing anything.
	Err error
	// Lost makes the call fail after it did its work, as if the answer was
	// lost. The error of an Append matches mr.ErrUncertain and Lost.
	Lost error
}

// WithFaults returns a store that does what s does, except for the faults that
// choose returns. choose is called by one goroutine at a time. The store is not
// a Maintainer. It reads and writes trees as streams if s does both.
func WithFaults(s mr.Store, choose func(Call) Fault) mr.Store {
	f := &faultStore{s: s, choose: choose, calls: map[string]int{}}
	reader, reads := s.(driver.TreeReader)
	writer, writes := s.(driver.TreeWriter)
	if reads && writes {
		return &faultTrees{f, reader, writer}
	}
	return f
}

type faultStore struct {
	s      mr.Store
	choose func(Call) Fault

	mu    sync.Mutex
	calls map[string]int
}

// before delays a call or makes it fail. lost is the error that hides the
// result of a call that was made.
func (f *faultStore) before(ctx context.Context, method string, name mr.ModelName) (lost, err error) {
	f.mu.Lock()
	fault := f.choose(Call{method, name, f.calls[method]})
	f.calls[method]++
	f.mu.Unlock()
	if fault.Delay > 0 {
		timer := time.NewTimer(fault.Delay)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return fault.Lost, fault.Err
}

// around makes a call that has no result except an error.
func (f *faultStore) around(ctx context.Context, method string, name mr.ModelName, call func() error) error {
	lost, err := f.before(ctx, method, name)
	if err != nil {
		return err
	}
	if err := call(); err != nil {
		return err
	}
	return lost
}

func (f *faultStore) Models(ctx context.Context) iter.Seq2[driver.Name, error] {
	return func(yield func(driver.Name, error) bool) {
		lost, err := f.before(ctx, "Models", mr.ModelName{})
		if err != nil {
			yield(driver.Name{}, err)
			return
		}
		for name, err := range f.s.Models(ctx) {
			if !yield(name, err) {
				return
			}
		}
		if lost != nil {
			yield(driver.Name{}, lost)
		}
	}
}

func (f *faultStore) Changed(ctx context.Context, useCase, model string, since driver.Revision) (changed bool, err error) {
	name := mr.ModelName{UseCase: useCase, Model: model}
	err = f.around(ctx, "Changed", name, func() error { changed, err = f.s.Changed(ctx, useCase, model, since); return err })
	return changed, err
}

// ChangedExternally calls Changed if the store is not an ExternalChecker.
func (f *faultStore) ChangedExternally(ctx context.Context, useCase, model string, since driver.Revision) (changed bool, err error) {
	name := mr.ModelName{UseCase: useCase, Model: model}
	err = f.around(ctx, "ChangedExternally", name, func() error {
		changed, err = changedExternally(ctx, f.s, name, since)
		return err
	})
	return changed, err
}

func (f *faultStore) Read(ctx context.Context, useCase, model string, look func(driver.View) error) error {
	name := mr.ModelName{UseCase: useCase, Model: model}
	return f.around(ctx, "Read", name, func() error { return f.s.Read(ctx, useCase, model, look) })
}

func (f *faultStore) Append(ctx context.Context, useCase, model string, decide func(driver.View) (*driver.Commit, error)) (driver.AppendResult, error) {
	name := mr.ModelName{UseCase: useCase, Model: model}
	lost, err := f.before(ctx, "Append", name)
	if err != nil {
		return driver.AppendResult{}, err
	}
	done, err := f.s.Append(ctx, useCase, model, func(v driver.View) (*driver.Commit, error) {
		c, err := decide(v)
		if c == nil || err != nil {
			return nil, err
		}
		inner := *c
		inner.Trees = nil
		for _, t := range c.Trees {
			inner.Trees = append(inner.Trees, driver.StagedTree{Staged: withoutFaults(t.Staged), Version: t.Version})
		}
		return &inner, nil
	})
	if err == nil && lost != nil {
		return driver.AppendResult{}, fmt.Errorf("%w: %w", mr.ErrUncertain, lost)
	}
	return done, err
}

func (f *faultStore) Stage(ctx context.Context, useCase, model string) (st driver.StagedFolder, err error) {
	name := mr.ModelName{UseCase: useCase, Model: model}
	lost, err := f.before(ctx, "Stage", name)
	if err != nil {
		return nil, err
	}
	if st, err = f.s.Stage(ctx, useCase, model); err != nil {
		return nil, err
	}
	if lost != nil {
		st.Discard()
		return nil, lost
	}
	return &faultStaged{st, f, name}, nil
}

func (f *faultStore) OpenTree(ctx context.Context, useCase, model, version string) (driver.Tree, error) {
	name := mr.ModelName{UseCase: useCase, Model: model}
	lost, err := f.before(ctx, "OpenTree", name)
	if err != nil {
		return nil, err
	}
	tree, err := f.s.OpenTree(ctx, useCase, model, version)
	if err == nil && lost != nil {
		tree.Close()
		return nil, lost
	}
	return tree, err
}

func (f *faultStore) Close() error {
	return f.around(context.Background(), "Close", mr.ModelName{}, f.s.Close)
}

type faultStaged struct {
	driver.StagedFolder
	f    *faultStore
	name mr.ModelName
}

func (st *faultStaged) Seal(ctx context.Context) error {
	return st.f.around(ctx, "Seal", st.name, func() error { return st.StagedFolder.Seal(ctx) })
}
