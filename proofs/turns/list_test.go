package turns

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	mr "github.com/ubunye-go/modelregistry"
)

// byTime sorts versions as Python lists them, the newest first.
func byTime(a, b *version) int {
	return cmp.Or(b.registered.from.Compare(a.registered.from), slices.Compare(parts(b.number), parts(a.number)))
}

// byOrder sorts versions as Go lists them, the one that was added last first.
func (s state) byOrder(a, b *version) int {
	return slices.Index(s.order, b.number) - slices.Index(s.order, a.number)
}

// compareVersions settles the stamps of the expected versions, sorts them, and
// compares them with the actual ones.
func compareVersions(want, got []*version, order func(a, b *version) int) string {
	listed := map[string]*version{}
	for _, v := range got {
		listed[v.number] = v
	}
	for _, v := range want {
		if g := listed[v.number]; g != nil {
			v.registered.settle(g.registered.from)
			v.staged.settle(g.staged.from)
			v.served.settle(g.served.from)
			v.archived.settle(g.archived.from)
		}
	}
	slices.SortFunc(want, order)
	lines := func(list []*version) []string {
		out := []string{}
		for _, v := range list {
			out = append(out, v.String())
		}
		return out
	}
	return difference(lines(want), lines(got))
}

// difference returns the lines that only one side has, or "" if there are none.
func difference(want, got []string) string {
	if slices.Equal(want, got) {
		return ""
	}
	var b strings.Builder
	print := func(mark string, lines, other []string) {
		for _, line := range lines {
			if !slices.Contains(other, line) {
				fmt.Fprintf(&b, "%s %s\n", mark, line)
			}
		}
	}
	print("-", want, got)
	print("+", got, want)
	return cmp.Or(b.String(), "the order differs\n")
}

// readBy compares a listing by Python with the possible states of
// registry.json, and records which of them it is.
func (w *world) readBy(l *listing) error {
	m := &w.spec
	list := w.documents()
	problem := ""
	for i, s := range slices.Backward(list) {
		if p := s.compare(l, w.python.release); p != "" {
			problem = cmp.Or(problem, p)
			continue
		}
		switch {
		case m.theirs == nil && len(m.docs) > 0:
			m.docs, m.base = list[i:], s
		case m.theirs != nil && i < len(list)-1: // Go brought it up to date
			if err := w.checkHistory(); err != nil {
				return err
			}
			if m.theirs != nil { // Python changed nothing, so no event says so
				m.record()
			}
			m.docs, m.base = []state{m.last}, m.last
		}
		return nil
	}
	return fmt.Errorf("Python lists other versions (-want +got):\n%s", problem)
}

// documents returns the possible states of registry.json, the most likely last.
func (w *world) documents() []state {
	m := &w.spec
	switch n := len(m.docs); {
	case m.theirs != nil && w.late: // Go may have brought it up to date since
		return []state{m.now, *m.theirs}
	case m.theirs != nil:
		return []state{*m.theirs}
	case n == 0:
		return []state{{}}
	case w.running && w.lagging:
		return m.docs
	default:
		return m.docs[n-1:]
	}
}

// compare returns the difference between a listing by Python and the state.
func (s state) compare(l *listing, r release) string {
	if l == nil {
		l = &listing{}
	}
	var got, want []*version
	for _, e := range l.Versions {
		got = append(got, e.version())
	}
	for _, v := range s.versions {
		want = append(want, v)
	}
	if d := compareVersions(want, got, byTime); d != "" {
		return d
	}
	production, gate := "", ""
	if v := s.first(); v != nil {
		production = v.number
	}
	if r.gates {
		gate = s.gate
	}
	return difference([]string{"in production " + production, "model gate " + gate},
		[]string{"in production " + l.Production, "model gate " + string(l.Gates["min_auc"])})
}

// goVersion converts a version that Go lists to one of the spec.
func goVersion(ctx context.Context, r *mr.ModelRegistry, v mr.ModelVersion) (*version, error) {
	model, err := r.GetModel(ctx, modelName.At(v.Version), nil)
	if err != nil {
		return nil, err
	}
	defer model.Close()
	content, err := os.ReadFile(filepath.Join(model.Path, "weights"))
	if err != nil {
		return nil, err
	}
	exactly := func(t time.Time) stamp { return stamp{t.UTC(), t.UTC()} }
	g := &version{number: v.Version, stage: string(v.Stage), registered: exactly(v.RegisteredAt),
		staged: exactly(v.PromotedToStaging), served: exactly(v.PromotedToProduction), archived: exactly(v.ArchivedAt),
		by: v.PromotedBy, metrics: v.Metrics.Map(), metadata: v.Metadata.Map(), content: string(content)}
	if pad, long := g.metadata["pad"].(string); long {
		g.metadata["pad"] = fmt.Sprintf("%d characters", len(pad))
	}
	return g, nil
}
