package engine

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/ubunye-go/modelregistry/driver"
	"github.com/ubunye-go/modelregistry/internal/fsstore"
)

// A duringAppend is a store in which something happens between the decision of
// an append and its end.
type duringAppend struct {
	driver.Store
	happens func()
}

func (s *duringAppend) Append(ctx context.Context, useCase, model string, decide func(driver.View) (*driver.Commit, error)) (driver.AppendResult, error) {
	return s.Store.Append(ctx, useCase, model, func(v driver.View) (*driver.Commit, error) {
		c, err := decide(v)
		s.happens()
		return c, err
	})
}

// A state is dropped only while no goroutine uses it: neither during a read,
// nor between the decision of a change and its events.
func TestStateInUseIsNotDropped(t *testing.T) {
	t.Parallel()
	files, err := fsstore.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	s := &duringAppend{files, func() {}}
	e := New(Config{Store: s, Log: slog.New(slog.DiscardHandler), Now: time.Now, Lag: DefaultLag, Keep: -1})
	defer e.Close()
	models, drops := make([]*Model, 3), make([]int, 3)
	for i := range models {
		if models[i], err = e.Model(driver.Name{UseCase: "u", Model: string(rune('a' + i))}, func() { drops[i]++ }); err != nil {
			t.Fatal(err)
		}
		register(t, models[i])
	}
	m, other, third := models[0], models[1], models[2]
	read := func(m *Model, fn func()) {
		t.Helper()
		if err := m.Read(t.Context(), false, func(*State) error { fn(); return nil }); err != nil {
			t.Error(err)
		}
	}
	want := func(when string, kept ...bool) {
		t.Helper()
		for i, m := range models {
			if (m.state != nil) != kept[i] {
				t.Errorf("%s, the state of model %d is kept: %v, want %v", when, i, !kept[i], kept[i])
			}
		}
	}
	want("after three changes", false, false, true)
	read(m, func() {})
	want("after a read", true, false, false)
	read(m, func() {
		read(other, func() {})
		want("during a read", true, true, false)
	})
	s.happens = func() {
		read(third, func() {})
		want("during a change", true, false, true)
	}
	register(t, m)
	want("after a change", true, false, false)
	if drops[0] == 0 || drops[1] == 0 || drops[2] == 0 {
		t.Errorf("the callers heard of %v drops, want some of each model", drops)
	}
}
