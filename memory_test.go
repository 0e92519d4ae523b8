package modelregistry

// These tests look inside, at what is left of a change and of a reader's look without the
// store: the way between the bytes and the state.

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ubunye-go/modelregistry/internal/document"
)

// A memoryModel is a model without a store, and the lines of its history.
type memoryModel struct {
	*model
	log []byte
}

func newMemoryModel() *memoryModel {
	m := &memoryModel{model: fuzzModel()}
	m.r.opts.Now = func() time.Time { return time.Date(2026, 11, 24, 0, 0, 0, 123456789, time.UTC) }
	m.state = &state{indexState: newState(m.name.UseCase, m.name.Model)}
	return m
}

// withVersions is a model with n versions, as a training run describes them.
func withVersions(tb testing.TB, n int) (m *memoryModel, versions []string) {
	tb.Helper()
	m = newMemoryModel()
	for range n {
		c := m.register()
		m.append(tb, c)
		versions = append(versions, c.version)
	}
	return m, versions
}

// append makes one append of the changes.
func (m *memoryModel) append(tb testing.TB, changes ...*change) {
	tb.Helper()
	t, commit := m.decide(changes)
	if commit == nil {
		return
	}
	m.log = append(append(m.log, bytes.Join(commit.Lines, []byte(" \n"))...), '\n')
	m.applied(t, int64(len(m.log)))
}

func (m *memoryModel) register() *change {
	digest := strings.Repeat("3f786850", 8)
	reg := registration{
		metrics:  []byte(`{"accuracy":0.9471,"auc":0.9312,"loss":0.1944}`),
		metadata: []byte(`{"drift_check_passed":true,"features":31,"framework":"gonum"}`),
		runID:    "run-2026-11-23-0001",
		extra:    extra{RegisteredBy: "nightly", SourceRevision: digest[:40], Manifest: digest},
	}
	return &change{decide: func(t *txn) (string, error) { return reg.decide(t, RegisterOptions{ConfigHash: digest}) }}
}

// move is a move as it waits for its turn.
func (m *memoryModel) move(op, version string, to ModelStage) *change {
	actors := map[string]string{opPromote: "alice", opRollback: "b\xffb"} // the second is no UTF-8, and written otherwise
	mv, o := move{op: op, ref: m.name.At(version), previous: version == "", to: to}, MoveOptions{Actor: actors[op], Force: true}
	var seen ModelVersion
	if e := m.state.get(version); e != nil {
		seen = m.state.view(e)
	}
	return &change{decide: func(t *txn) (string, error) {
		e, done, err := mv.check(t, o)
		switch {
		case err != nil:
			return version, err
		case !done && version != "" && !sameForGates(seen, *decodeVersion(m.name, e)):
			return version, errChanged
		case !done:
			err = t.moveVersion(mv, e, o, nil)
		}
		return e.version, err
	}}
}

func (m *memoryModel) promote(version string) *change {
	return m.move(opPromote, version, Production)
}

// Changes that share an append come out as those that are made one after the other, and the state that they
// leave is the one that the history tells of.
func TestSharedAppends(t *testing.T) {
	t.Parallel()
	moves := []func(m *memoryModel, version string) *change{
		func(m *memoryModel, version string) *change { return m.register() },
		func(m *memoryModel, version string) *change { return m.promote(version) },
		func(m *memoryModel, version string) *change { return m.move(opPromote, version, Staging) },
		func(m *memoryModel, version string) *change { return m.move(opArchive, version, Archived) },
		func(m *memoryModel, version string) *change { return m.move(opDemote, version, Development) },
		func(m *memoryModel, version string) *change { return m.move(opRollback, version, Production) },
		func(m *memoryModel, version string) *change { return m.move(opRollback, "", Production) },
		func(m *memoryModel, version string) *change { return m.move(opRollback, "", Production) },
	}
	for seed := range uint64(10) {
		random := rand.New(rand.NewPCG(1, seed))
		shared, versions := withVersions(t, 3)
		single, _ := withVersions(t, 3)
		for range 40 {
			var batch, alone []*change
			for range 1 + random.IntN(9) {
				one, version := moves[random.IntN(len(moves))], versions[random.IntN(len(versions))]
				batch, alone = append(batch, one(shared, version)), append(alone, one(single, version))
			}
			shared.append(t, batch...)
			for i, c := range alone {
				single.append(t, c)
				if diff := cmp.Diff(told(c), told(batch[i])); diff != "" {
					t.Fatalf("seed %d, change %d (-alone +shared):\n%s", seed, i, diff)
				}
				if c.wrote && single.state.get(c.version).decoded.Load() == nil {
					t.Errorf("what was told of %s is made again for the next who asks", c.version)
				}
				if c.err == nil {
					versions = append(versions, c.version)
				}
			}
		}
		if diff := cmp.Diff(inside(t, single.state), inside(t, shared.state)); diff != "" {
			t.Fatalf("seed %d (-alone +shared):\n%s", seed, diff)
		}
		again, err := shared.loadAll(fuzzView{log: shared.log})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(inside(t, again), inside(t, shared.state)); diff != "" {
			t.Fatalf("seed %d (-from the history +applied):\n%s", seed, diff)
		}
	}
}

// told is what a change's caller hears.
func told(c *change) string { return fmt.Sprintf("%s %v %+v", c.version, c.err, c.result) }

// inside is all that a state makes of its history, the lines' digests aside.
func inside(t *testing.T, s *state) []string {
	t.Helper()
	d := s.document(0)
	d.Mark.Hash = ""
	doc := document.Format(d)
	d, err := document.Parse(doc)
	if err != nil {
		t.Fatal(err)
	}
	again := fromDocument(fuzzUseCase, fuzzModelName, d)
	for _, e := range s.order {
		if v, ok := e.decoded.Load().(*ModelVersion); ok {
			want := decodeVersion(fuzzName, again.get(e.version))
			if diff := cmp.Diff(inWords(want), inWords(v)); diff != "" {
				t.Errorf("%s (-decoded anew +as it is told):\n%s", e.version, diff)
			}
		}
	}
	if s.size != again.size {
		t.Errorf("the state says that its document takes %d bytes, and it takes %d", s.size, again.size)
	}
	next, err := newTxn(s, time.Time{}).number()
	return append(summary(s.indexState), string(doc), fmt.Sprint(next, err))
}

// inWords is a version, with its metrics as they lie in the document.
func inWords(v *ModelVersion) string {
	c := *v
	c.Metrics, c.Metadata = Values{}, Values{}
	return fmt.Sprintf("%#v %s %s", c, v.Metrics, v.Metadata)
}

// What a change allocates between its turn and the state stays small, and is no more for one that shares an
// append with many; nor is what a reader allocates that takes it in.
func TestAllocationsInMemory(t *testing.T) { // not parallel: it counts for the whole program
	const many = 32
	per := func(n int, one func(m *memoryModel, version string) *change) float64 {
		m, versions := withVersions(t, 2*many)
		var all []*change
		for _, v := range versions {
			all = append(all, one(m, v))
		}
		turn := 0
		return testing.AllocsPerRun(64, func() {
			m.append(t, all[turn%len(all):][:n]...)
			turn += n
		}) / float64(n)
	}
	for name, c := range map[string]struct {
		one  func(m *memoryModel, version string) *change
		most float64
	}{
		"register": {func(m *memoryModel, version string) *change { return m.register() }, 64}, // the race detector has pools forget at random
		"promote":  {func(m *memoryModel, version string) *change { return m.promote(version) }, 42},
	} {
		alone, shared := per(1, c.one), per(many, c.one)
		if alone > c.most || shared > alone {
			t.Errorf("%s allocates %.1f times alone, %.1f times with %d others; want at most %v", name, alone, shared, many-1, c.most)
		}
	}
	m, look := takingIn(t)
	if got := testing.AllocsPerRun(100, look); got > 28 {
		t.Errorf("of %d versions, to take in a promotion allocates %v times", len(m.state.order), got)
	}
}

// takingIn returns a model and what takes in one promotion to production after the other that another process
// appended, and looks at what is there then.
func takingIn(tb testing.TB) (m *memoryModel, look func()) {
	m, versions := withVersions(tb, 2)
	m.append(tb, m.promote(versions[1])) // from here on the two take turns
	last, hash, start := m.state.last, m.state.hash, len(m.log)
	var ends []int64
	for i := range 200 {
		m.append(tb, m.promote(versions[i%2]))
		ends = append(ends, int64(len(m.log)))
	}
	s, i := m.state, len(ends)
	return m, func() {
		if i == len(ends) { // the entries are as they were before the first
			i, s.last, s.hash, s.offset = 0, last, hash, int64(start)
		}
		events, err := parseLog(m.log[s.offset:ends[i]], s.offset, s.last, s.hash)
		if err != nil {
			tb.Fatal(err)
		}
		s.applyAll(events, ends[i])
		s.lookUp()
		if v := s.view(s.holder(stageProduction)); v.Version != versions[i%2] {
			tb.Fatal(v)
		}
		i++
	}
}
