package modelregistry

// These tests use the registry's internals without a store. They compare states
// in memory and count allocations.

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ubunye-go/modelregistry/internal/derived"
	"github.com/ubunye-go/modelregistry/internal/document"
	"github.com/ubunye-go/modelregistry/internal/engine"
	"github.com/ubunye-go/modelregistry/internal/index"
)

// A memoryModel has the state of a model and the lines of its history, in
// memory only.
type memoryModel struct {
	name ModelName
	state
	log []byte
}

// A memoryChange is a change, and its result once it was appended.
type memoryChange struct {
	decide func(*txn) (string, error)

	version string
	result  ModelVersion
	wrote   bool
	err     error
}

func newMemoryModel() *memoryModel {
	name := ModelName{UseCase: "fraud_detection", Model: "FraudRiskModel"}
	return &memoryModel{name: name, state: state{&engine.State{State: index.New(name.UseCase, name.Model)}, &derived.Cache[ModelVersion]{}}}
}

// withVersions returns a model with n versions, with such metrics and metadata
// as a training run has.
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

// append decides the changes and applies them in one append, as a commit does.
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
	m.IndexStages()
}

func (m *memoryModel) register() *memoryChange {
	digest := strings.Repeat("3f786850", 8)
	reg := index.Registration{
		Metrics:    []byte(`{"accuracy":0.9471,"auc":0.9312,"loss":0.1944}`),
		Metadata:   []byte(`{"drift_check_passed":true,"features":31,"framework":"gonum"}`),
		RunID:      "run-2026-11-23-0001",
		ConfigHash: digest,
		Extra:      index.Extra{RegisteredBy: "nightly", SourceRevision: digest[:40], Manifest: digest},
	}
	return &memoryChange{decide: func(t *txn) (string, error) {
		version, _, err := reg.Decide(t.Txn.Txn, nil)
		return version, err
	}}
}

// move returns a change that moves a version. Without a version it is a
// rollback to the previous production version.
func (m *memoryModel) move(op, version string, to ModelStage) *memoryChange {
	actors := map[string]string{index.OpPromote: "alice", index.OpRollback: "b\xffb"} // the second is not UTF-8, so that its JSON differs from it
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

// Changes that share an append have the same results as changes in an append
// each. The state that they leave equals a replay of the history.
func TestSharedAppendEqualsSingleAppends(t *testing.T) {
	t.Parallel()
	changes := []func(m *memoryModel, version string) *memoryChange{
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
			var batch, singles []*memoryChange
			for range 1 + random.IntN(9) {
				one, version := changes[random.IntN(len(changes))], versions[random.IntN(len(versions))]
				batch, singles = append(batch, one(shared, version)), append(singles, one(single, version))
			}
			shared.append(batch...)
			for i, c := range singles {
				single.append(c)
				if diff := cmp.Diff(resultOf(c), resultOf(batch[i])); diff != "" {
					t.Fatalf("seed %d, change %d (-single +shared):\n%s", seed, i, diff)
				}
				if c.wrote && single.Get(c.version).Decoded.Load() == nil {
					t.Errorf("version %s was not kept decoded for the next reader", c.version)
				}
				if c.err == nil {
					versions = append(versions, c.version)
				}
			}
		}
		if diff := cmp.Diff(stateText(t, single.State.State), stateText(t, shared.State.State)); diff != "" {
			t.Fatalf("seed %d (-single +shared):\n%s", seed, diff)
		}
		again, _, err := index.Replay(shared.name.UseCase, shared.name.Model, shared.log, int64(len(shared.log)))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(stateText(t, again), stateText(t, shared.State.State)); diff != "" {
			t.Fatalf("seed %d (-replayed +applied):\n%s", seed, diff)
		}
	}
}

// resultOf returns what the caller of a change gets.
func resultOf(c *memoryChange) string { return fmt.Sprintf("%s %v %+v", c.version, c.err, c.result) }

// stateText returns a state as text, without the digest of the last line. It
// checks the decoded versions and the size that the state keeps.
func stateText(t *testing.T, s *index.State) []string {
	t.Helper()
	d, err := document.Parse(s.Document(0).Bytes())
	if err != nil {
		t.Fatal(err)
	}
	d.Mark.Hash = ""
	doc := document.Format(d)
	d, err = document.Parse(doc)
	if err != nil {
		t.Fatal(err)
	}
	again := index.FromDocument(s.UseCase, s.Model, d)
	for _, e := range s.Entries {
		if v, ok := e.Decoded.Load().(*ModelVersion); ok {
			want := decodeVersion(modelName(s), again.Get(e.Version))
			if diff := cmp.Diff(versionText(want), versionText(v)); diff != "" {
				t.Errorf("version %s (-decoded now +kept):\n%s", e.Version, diff)
			}
		}
	}
	if s.Size != again.Size {
		t.Errorf("the state counts %d bytes for its document, want %d", s.Size, again.Size)
	}
	next, err := index.NewTxn(s, time.Time{}).NextNumber(nil)
	return append(holders(s), string(doc), fmt.Sprint(next, err))
}

// holders returns the version of each stage that has one.
func holders(s *index.State) (list []string) {
	for _, stage := range index.Stages {
		if h := s.Holder(stage); h != nil {
			list = append(list, stage+": "+h.Version)
		}
	}
	return list
}

// versionText returns a version as text, with its raw metrics and metadata.
func versionText(v *ModelVersion) string {
	c := *v
	c.Metrics, c.Metadata = Values{}, Values{}
	return fmt.Sprintf("%#v %s %s", c, v.Metrics, v.Metadata)
}

// A change allocates little memory between its turn and the new state, and not
// more if it shares an append. A reader that applies the change allocates
// little, too.
func TestAllocationsInMemory(t *testing.T) { // not parallel: it counts for the whole program
	const many = 32
	per := func(n int, one func(m *memoryModel, version string) *memoryChange) float64 {
		m, versions := withVersions(t, 2*many)
		var all []*memoryChange
		for _, v := range versions {
			all = append(all, one(m, v))
		}
		next := 0
		return testing.AllocsPerRun(64, func() {
			m.append(all[next%len(all):][:n]...)
			next += n
		}) / float64(n)
	}
	for name, c := range map[string]struct {
		one  func(m *memoryModel, version string) *memoryChange
		most float64
	}{
		"register": {func(m *memoryModel, version string) *memoryChange { return m.register() }, 80}, // with the race detector, pools drop items at random
		"promote":  {func(m *memoryModel, version string) *memoryChange { return m.promote(version) }, 50},
	} {
		single, shared := per(1, c.one), per(many, c.one)
		if single > c.most || shared > single {
			t.Errorf("%s allocates %.1f times in an append of its own, %.1f times with %d others; want at most %v", name, single, shared, many-1, c.most)
		}
	}
	m, read := promotionReader(t)
	if got := testing.AllocsPerRun(100, read); got > 34 {
		t.Errorf("reading one more promotion of a model with %d versions allocates %v times, want at most 34", len(m.Entries), got)
	}
}

// promotionReader returns a model and a function that reads one more promotion
// of a history, as if another process had appended it, and checks the
// production version.
func promotionReader(tb testing.TB) (m *memoryModel, read func()) {
	m, versions := withVersions(tb, 2)
	m.append(m.promote(versions[1])) // from here on the two versions take turns
	last, hash, start := m.Last, m.Hash, len(m.log)
	var ends []int64
	for i := range 200 {
		m.append(m.promote(versions[i%2]))
		ends = append(ends, int64(len(m.log)))
	}
	s, i := m.state, len(ends)
	return m, func() {
		if i == len(ends) { // the state is again as before the first of them
			i, s.Last, s.Hash, s.Offset = 0, last, hash, int64(start)
		}
		events, err := index.ParseLog(m.log[s.Offset:ends[i]], s.Offset, s.Last, s.Hash)
		if err != nil {
			tb.Fatal(err)
		}
		s.ApplyAll(events, ends[i])
		s.IndexStages()
		if v := s.view(s.Holder(index.Production)); v.Version != versions[i%2] {
			tb.Fatal(v)
		}
		i++
	}
}
