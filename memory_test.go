package modelregistry

// These tests look inside, at what is left of a change and of a reader's look
// without the store: the way between the bytes and the state.

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ubunye-go/modelregistry/internal/document"
	"github.com/ubunye-go/modelregistry/internal/engine"
	"github.com/ubunye-go/modelregistry/internal/index"
)

// A memoryModel is the state of a model without a store, and the lines of its
// history.
type memoryModel struct {
	name ModelName
	state
	log []byte
}

// A memoryChange is a change that waits for its turn, and how it ended.
type memoryChange struct {
	decide func(*txn) (string, error)

	version string
	result  ModelVersion
	wrote   bool
	err     error
}

func newMemoryModel() *memoryModel {
	name := ModelName{UseCase: "fraud_detection", Model: "FraudRiskModel"}
	return &memoryModel{name: name, state: state{&engine.State{State: index.New(name.UseCase, name.Model)}, &derived{}}}
}

// withVersions is a model with n versions, as a training run describes them.
func withVersions(tb testing.TB, n int) (m *memoryModel, versions []string) {
	tb.Helper()
	m = newMemoryModel()
	for range n {
		c := m.register()
		m.append(c)
		versions = append(versions, c.version)
	}
	return m, versions
}

// append makes one append of the changes, as a commit does.
func (m *memoryModel) append(changes ...*memoryChange) {
	t := &txn{engine.NewTxn(m.State, time.Date(2026, 11, 24, 0, 0, 0, 123456789, time.UTC)), m.derived}
	for _, c := range changes {
		before := len(t.Events)
		c.version, c.err = c.decide(t)
		c.wrote = len(t.Events) > before
		if e := t.Get(c.version); e != nil && c.err == nil {
			c.result = t.view(e)
		}
	}
	if len(t.Events) == 0 {
		return
	}
	m.log = append(append(m.log, bytes.Join(t.Lines, []byte(" \n"))...), '\n')
	m.ApplyAll(t.Events, int64(len(m.log)))
	m.Settle()
}

func (m *memoryModel) register() *memoryChange {
	digest := strings.Repeat("3f786850", 8)
	reg := registration{
		Registration: index.Registration{
			Metrics:    []byte(`{"accuracy":0.9471,"auc":0.9312,"loss":0.1944}`),
			Metadata:   []byte(`{"drift_check_passed":true,"features":31,"framework":"gonum"}`),
			RunID:      "run-2026-11-23-0001",
			ConfigHash: digest,
		},
		extra: index.Extra{RegisteredBy: "nightly", SourceRevision: digest[:40], Manifest: digest},
	}
	return &memoryChange{decide: func(t *txn) (string, error) { return reg.decide(t, RegisterOptions{}) }}
}

// move is a move as it waits for its turn.
func (m *memoryModel) move(op, version string, to ModelStage) *memoryChange {
	actors := map[string]string{index.OpPromote: "alice", index.OpRollback: "b\xffb"} // the second is no UTF-8, and written otherwise
	mv, o := move{op: op, ref: m.name.At(version), previous: version == "", to: to}, MoveOptions{Actor: actors[op], Force: true}
	var seen ModelVersion
	if e := m.Get(version); e != nil {
		seen = m.view(e)
	}
	return &memoryChange{decide: func(t *txn) (string, error) {
		e, done, err := mv.check(t, o)
		switch {
		case err != nil:
			return version, err
		case !done && version != "" && !sameForGates(seen, *decodeVersion(m.name, e)):
			return version, errChanged
		case !done:
			err = t.moveVersion(mv, e, o, nil)
		}
		return e.Version, err
	}}
}

func (m *memoryModel) promote(version string) *memoryChange {
	return m.move(index.OpPromote, version, Production)
}

// Changes that share an append come out as those that are made one after the
// other, and the state that they leave is the one that the history tells of.
func TestSharedAppends(t *testing.T) {
	t.Parallel()
	moves := []func(m *memoryModel, version string) *memoryChange{
		func(m *memoryModel, version string) *memoryChange { return m.register() },
		func(m *memoryModel, version string) *memoryChange { return m.promote(version) },
		func(m *memoryModel, version string) *memoryChange { return m.move(index.OpPromote, version, Staging) },
		func(m *memoryModel, version string) *memoryChange { return m.move(index.OpArchive, version, Archived) },
		func(m *memoryModel, version string) *memoryChange {
			return m.move(index.OpDemote, version, Development)
		},
		func(m *memoryModel, version string) *memoryChange {
			return m.move(index.OpRollback, version, Production)
		},
		func(m *memoryModel, version string) *memoryChange { return m.move(index.OpRollback, "", Production) },
		func(m *memoryModel, version string) *memoryChange { return m.move(index.OpRollback, "", Production) },
	}
	for seed := range uint64(10) {
		random := rand.New(rand.NewPCG(1, seed))
		shared, versions := withVersions(t, 3)
		single, _ := withVersions(t, 3)
		for range 40 {
			var batch, alone []*memoryChange
			for range 1 + random.IntN(9) {
				one, version := moves[random.IntN(len(moves))], versions[random.IntN(len(versions))]
				batch, alone = append(batch, one(shared, version)), append(alone, one(single, version))
			}
			shared.append(batch...)
			for i, c := range alone {
				single.append(c)
				if diff := cmp.Diff(told(c), told(batch[i])); diff != "" {
					t.Fatalf("seed %d, change %d (-alone +shared):\n%s", seed, i, diff)
				}
				if c.wrote && single.Get(c.version).Decoded.Load() == nil {
					t.Errorf("what was told of %s is made again for the next who asks", c.version)
				}
				if c.err == nil {
					versions = append(versions, c.version)
				}
			}
		}
		if diff := cmp.Diff(inside(t, single.State.State), inside(t, shared.State.State)); diff != "" {
			t.Fatalf("seed %d (-alone +shared):\n%s", seed, diff)
		}
		again, _, err := index.Replay(shared.name.UseCase, shared.name.Model, shared.log, int64(len(shared.log)))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(inside(t, again), inside(t, shared.State.State)); diff != "" {
			t.Fatalf("seed %d (-from the history +applied):\n%s", seed, diff)
		}
	}
}

// told is what a change's caller hears.
func told(c *memoryChange) string { return fmt.Sprintf("%s %v %+v", c.version, c.err, c.result) }

// inside is all that a state makes of its history, the lines' digests aside.
func inside(t *testing.T, s *index.State) []string {
	t.Helper()
	d := s.Document(0)
	d.Mark.Hash = ""
	doc := document.Format(d)
	d, err := document.Parse(doc)
	if err != nil {
		t.Fatal(err)
	}
	again := index.FromDocument(s.UseCase, s.Model, d)
	for _, e := range s.Entries {
		if v, ok := e.Decoded.Load().(*ModelVersion); ok {
			want := decodeVersion(modelName(s), again.Get(e.Version))
			if diff := cmp.Diff(inWords(want), inWords(v)); diff != "" {
				t.Errorf("%s (-decoded anew +as it is told):\n%s", e.Version, diff)
			}
		}
	}
	if s.Size != again.Size {
		t.Errorf("the state says that its document takes %d bytes, and it takes %d", s.Size, again.Size)
	}
	next, err := index.NewTxn(s, time.Time{}).NextNumber()
	return append(holders(s), string(doc), fmt.Sprint(next, err))
}

// holders are the versions that hold the stages.
func holders(s *index.State) (list []string) {
	for _, stage := range index.Stages {
		if h := s.Holder(stage); h != nil {
			list = append(list, stage+": "+h.Version)
		}
	}
	return list
}

// inWords is a version, with its metrics as they lie in the document.
func inWords(v *ModelVersion) string {
	c := *v
	c.Metrics, c.Metadata = Values{}, Values{}
	return fmt.Sprintf("%#v %s %s", c, v.Metrics, v.Metadata)
}

// What a change allocates between its turn and the state stays small, and is no
// more for one that shares an append with many; nor is what a reader allocates
// that takes it in.
func TestAllocationsInMemory(t *testing.T) { // not parallel: it counts for the whole program
	const many = 32
	per := func(n int, one func(m *memoryModel, version string) *memoryChange) float64 {
		m, versions := withVersions(t, 2*many)
		var all []*memoryChange
		for _, v := range versions {
			all = append(all, one(m, v))
		}
		turn := 0
		return testing.AllocsPerRun(64, func() {
			m.append(all[turn%len(all):][:n]...)
			turn += n
		}) / float64(n)
	}
	for name, c := range map[string]struct {
		one  func(m *memoryModel, version string) *memoryChange
		most float64
	}{
		"register": {func(m *memoryModel, version string) *memoryChange { return m.register() }, 80}, // the race detector has pools forget at random
		"promote":  {func(m *memoryModel, version string) *memoryChange { return m.promote(version) }, 50},
	} {
		alone, shared := per(1, c.one), per(many, c.one)
		if alone > c.most || shared > alone {
			t.Errorf("%s allocates %.1f times alone, %.1f times with %d others; want at most %v", name, alone, shared, many-1, c.most)
		}
	}
	m, look := takingIn(t)
	if got := testing.AllocsPerRun(100, look); got > 34 {
		t.Errorf("of %d versions, to take in a promotion allocates %v times", len(m.Entries), got)
	}
}

// takingIn returns a model and what takes in one promotion to production after
// the other that another process appended, and looks at what is there then.
func takingIn(tb testing.TB) (m *memoryModel, look func()) {
	m, versions := withVersions(tb, 2)
	m.append(m.promote(versions[1])) // from here on the two take turns
	last, hash, start := m.Last, m.Hash, len(m.log)
	var ends []int64
	for i := range 200 {
		m.append(m.promote(versions[i%2]))
		ends = append(ends, int64(len(m.log)))
	}
	s, i := m.state, len(ends)
	return m, func() {
		if i == len(ends) { // the entries are as they were before the first
			i, s.Last, s.Hash, s.Offset = 0, last, hash, int64(start)
		}
		events, err := index.ParseLog(m.log[s.Offset:ends[i]], s.Offset, s.Last, s.Hash)
		if err != nil {
			tb.Fatal(err)
		}
		s.ApplyAll(events, ends[i])
		s.Settle()
		if v := s.view(s.Holder(index.Production)); v.Version != versions[i%2] {
			tb.Fatal(v)
		}
		i++
	}
}
