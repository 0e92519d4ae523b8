package turns

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	mr "github.com/ubunye-go/modelregistry"
)

// check compares everything that both sides show with the spec.
func (w *world) check() error {
	see := func(r *mr.ModelRegistry) error {
		if err := w.checkList(r); err != nil {
			return err
		}
		return w.checkProduction(r)
	}
	if w.held != nil {
		err := see(w.held)
		if err == nil { // Verify takes the store's lock, so it needs Go's turn
			err = w.goTurn(func() error { return w.checkVerify(w.held) })
		}
		if err != nil {
			return fmt.Errorf("in the running registry %w", err)
		}
	}
	err := w.fresh(func(r *mr.ModelRegistry) error { return errors.Join(see(r), w.checkVerify(r), w.checkPurge(r)) })
	if err != nil {
		return fmt.Errorf("in a newly opened registry %w", err)
	}
	if err := w.checkFiles(); err != nil {
		return err
	}
	if err := w.checkHistory(); err != nil {
		return err
	}
	a, err := w.python.ask(map[string]any{"do": "list", "store": w.store})
	if err != nil {
		return err
	}
	if err := w.readBy(a.After); err != nil {
		return err
	}
	return w.checkCompare()
}

// checkCompare compares what both sides report about the metrics of two
// versions.
func (w *world) checkCompare() error {
	list := w.spec.now.order
	if len(list) < 2 || w.lagging {
		return nil
	}
	a, b := list[0], list[len(list)-1]
	reply, err := w.python.ask(map[string]any{"do": "compare", "store": w.store, "version": a, "other": b})
	if err != nil {
		return err
	}
	var want map[string]struct{ A, B, Delta float64 }
	if err := json.Unmarshal(reply.Result, &want); err != nil {
		return err
	}
	return w.with(func(r *mr.ModelRegistry) error {
		got, err := r.Compare(context.Background(), modelName.At(a), modelName.At(b))
		if err != nil {
			return err
		}
		for _, m := range got.Metrics {
			x := want[m.Name]
			if number(m.A) != x.A || number(m.B) != x.B || math.Round(*m.Delta*1e6)/1e6 != x.Delta {
				return fmt.Errorf("Go compares %s of %s and %s as %v, %v, %v; Python as %v", m.Name, a, b, m.A, m.B, *m.Delta, x)
			}
		}
		if len(got.Metrics) != len(want) {
			return fmt.Errorf("Go compares %d metrics of %s and %s, Python %d", len(got.Metrics), a, b, len(want))
		}
		return nil
	})
}

// checkList compares the versions that Go lists.
func (w *world) checkList(r *mr.ModelRegistry) error {
	ctx := context.Background()
	list, err := r.ListVersions(ctx, modelName)
	if err != nil && !(errors.Is(err, mr.ErrNotFound) && !w.spec.known && len(w.spec.now.order) == 0) {
		return err
	}
	var want, got []*version
	for _, v := range w.spec.now.versions {
		want = append(want, v)
	}
	for _, v := range list {
		g, err := goVersion(ctx, r, v)
		if err != nil {
			return err
		}
		got = append(got, g)
		if s := w.spec.now.versions[v.Version]; s != nil && s.ours != (v.RegisteredBy == goSide && v.ManifestSHA256 != "") {
			return fmt.Errorf("Go lists version %s as registered by %q with manifest %q, want its own: %t", v.Version, v.RegisteredBy, v.ManifestSHA256, s.ours)
		}
	}
	stored := w.spec.now.seconds()
	for _, v := range stored {
		want[slices.Index(want, v)] = v.moved(w.spec.now.shown(v))
	}
	if d := compareVersions(want, got, w.spec.now.byOrder); d != "" {
		return fmt.Errorf("Go lists other versions (-want +got):\n%s", d)
	}
	return errors.Join(w.checkNames(ctx, r, list), w.checkDeleted(ctx, r, list))
}

// checkProduction compares the version in production, by reference and by
// history.
func (w *world) checkProduction(r *mr.ModelRegistry) error {
	ctx := context.Background()
	want := ""
	var since stamp
	if p := w.spec.now.production(); p != nil {
		want, since = p.number, p.served
	}
	v, err := r.GetVersion(ctx, modelName.In(mr.Production))
	if err != nil && !errors.Is(err, mr.ErrNotFound) {
		return err
	}
	if v.Version != want {
		return fmt.Errorf("production is %q, want %q", v.Version, want)
	}
	t, err := r.ProductionAt(ctx, modelName, time.Time{})
	if err != nil && !errors.Is(err, mr.ErrNotFound) {
		return err
	}
	if t.Version != want || want != "" && !t.Since.Equal(since.from) {
		return fmt.Errorf("by the history, production is %q since %v, want %q since %v", t.Version, stamp{t.Since, t.Since}, want, since)
	}
	return nil
}

func (w *world) checkVerify(r *mr.ModelRegistry) error {
	report, err := r.Verify(context.Background(), nil)
	if err != nil {
		return err
	}
	for _, p := range report.Problems() {
		if p.Kind == mr.MultipleProduction && len(w.spec.now.seconds()) > 0 {
			continue // the next change archives the second one
		}
		return fmt.Errorf("verify finds %v", p)
	}
	return nil
}
