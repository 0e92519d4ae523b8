package modelregistry

// These benchmarks look inside: they measure what is left of a change and of a reader's look without the
// store, the CPU time between the bytes and the state.

import (
	"fmt"
	"strings"
	"testing"
)

// memoryModel is a model without a store, with n versions as a training run describes them.
func memoryModel(b *testing.B, n int) (m *model, versions []string) {
	b.Helper()
	m = fuzzModel()
	m.state = newState(m.name)
	digest := strings.Repeat("3f786850", 8)
	reg := registration{
		metrics:  []byte(`{"accuracy":0.9471,"auc":0.9312,"loss":0.1944}`),
		metadata: []byte(`{"drift_check_passed":true,"features":31,"framework":"gonum"}`),
		runID:    "run-2026-11-23-0001",
		extra:    extra{RegisteredBy: "nightly", SourceRevision: digest[:40], Manifest: digest},
	}
	for range n {
		c := &change{decide: func(t *txn) (string, error) { return reg.decide(t, RegisterOptions{ConfigHash: digest}) }}
		memoryAppend(b, m, c)
		versions = append(versions, c.version)
	}
	return m, versions
}

// memoryAppend makes one append of the changes, and returns its lines.
func memoryAppend(b *testing.B, m *model, changes ...*change) (lines [][]byte) {
	b.Helper()
	t, commit := m.decide(changes)
	for _, c := range changes {
		if c.err != nil || !c.wrote {
			b.Fatal(c.version, c.err)
		}
	}
	m.applied(t, m.state.offset+t.bytes())
	return commit.Lines
}

// memoryPromote is a promotion to production as it waits for its turn.
func memoryPromote(m *model, version string) *change {
	mv, o := move{op: opPromote, version: version, to: Production, guarded: true}, MoveOptions{Actor: "alice"}
	v := m.state.view(m.state.get(version))
	return &change{decide: func(t *txn) (string, error) {
		e, _, err := mv.check(t, o)
		if err == nil && !sameForGates(v, *e.decode()) {
			err = errChanged
		}
		if err != nil {
			return version, err
		}
		return version, t.move(mv, e, o, nil)
	}}
}

// BenchmarkTakeIn: a reader takes in a promotion to production that another process appended,
// and looks at what is there now.
func BenchmarkTakeIn(b *testing.B) {
	m, versions := memoryModel(b, 2)
	memoryAppend(b, m, memoryPromote(m, versions[1])) // from here on the two take turns
	last, hash := m.state.last, m.state.hash
	var log []byte
	var ends []int64
	for i := range 200 {
		line := memoryAppend(b, m, memoryPromote(m, versions[i%2]))[0]
		log = append(append(log, line...), '\n')
		ends = append(ends, int64(len(log)))
	}
	b.SetBytes(int64(len(log) / len(ends)))
	b.ReportAllocs()
	s, i := m.state, len(ends)
	for b.Loop() {
		if i == len(ends) { // the entries are as they were before the first
			i = 0
			s.last, s.hash, s.offset = last, hash, 0
		}
		from := s.offset
		events, hashes, err := m.parseLog(log[from:ends[i]], from, s.last, s.hash)
		if err != nil {
			b.Fatal(err)
		}
		s.applyAll(events, hashes, ends[i])
		s.lookUp()
		if v := s.view(s.holder(Production)); v.Version != versions[i%2] {
			b.Fatal(v)
		}
		i++
	}
}

// BenchmarkDecide: promotions to production that share an append, from their turn to the line and, once
// that is safe, to the state; per promotion.
func BenchmarkDecide(b *testing.B) {
	for _, n := range []int{1, 32} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			m, versions := memoryModel(b, 2*n)
			var all []*change
			for _, v := range versions {
				all = append(all, memoryPromote(m, v))
			}
			b.ReportAllocs()
			b.ResetTimer()
			wrote := 0
			for i := 0; i < b.N; i += n {
				batch := all[i%len(all):][:n]
				for _, c := range batch {
					c.err, c.result = nil, ModelVersion{}
				}
				for _, line := range memoryAppend(b, m, batch...) {
					wrote += len(line)
				}
			}
			b.SetBytes(int64(wrote / b.N))
		})
	}
}
