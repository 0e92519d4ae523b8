package bench_test

import (
	"testing"
	"time"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/bench"
)

// grown measures the side that make returns on a store of n versions. The floor
// is the same side on a store of few versions.
func grown(b *testing.B, n, few int, make func(s *store) side) result {
	large, small := newStore(b, n), newStore(b, few)
	settle()
	return measure(b, make(large), make(small))
}

func get(b *testing.B, n int) result {
	return grown(b, n, 10, func(s *store) side {
		return side{batch: 100, do: func() { must[*mr.Model](b)(bench.Get(s.r)) }}
	})
}

func compare(b *testing.B, n int) result {
	return grown(b, n, 10, func(s *store) side {
		return side{batch: 10, do: func() {
			must[mr.Comparison](b)(s.r.Compare(b.Context(), bench.Name.At(s.versions[0]), bench.Name.At(s.versions[1])))
		}}
	})
}

// promotedElsewhere returns a function that first has the store's registry read
// the present state, and then promotes one of two versions with another
// registry.
func (s *store) promotedElsewhere(b *testing.B) func() {
	other, turn := s.open(b), 0
	return func() {
		must[*mr.Model](b)(bench.Get(s.r))
		turn++
		check(b, bench.Promote(other, s.versions[turn%2], mr.Production))
	}
}

func getChanged(b *testing.B, n int) result {
	return grown(b, n, 10, func(s *store) side {
		return side{prep: s.promotedElsewhere(b), do: func() { must[*mr.Model](b)(bench.Get(s.r)) }}
	})
}

func listChanged(b *testing.B, n int) result {
	s, unchanged := newStore(b, n), newStore(b, n)
	settle()
	list := func(s *store) func() {
		return func() { must[[]mr.ModelVersion](b)(s.r.ListVersions(b.Context(), bench.Name)) }
	}
	list(s)()
	list(unchanged)()
	return measure(b, side{prep: s.promotedElsewhere(b), do: list(s)}, side{do: list(unchanged)})
}

// few is the number of versions in the floor of the rows about histories.
const few = 100

// newest is the number of events that the rows about histories ask for.
const newest = 10

func historyNewest(b *testing.B, n int) result {
	return grown(b, n, few, func(s *store) side {
		return side{do: func() { s.events(b, &mr.HistoryOptions{Newest: true}) }}
	})
}

func historyAfter(b *testing.B, n int) result {
	return grown(b, n, few, func(s *store) side {
		last := s.events(b, &mr.HistoryOptions{Newest: true})
		return side{do: func() { s.events(b, &mr.HistoryOptions{After: last - newest}) }}
	})
}

// events reads events of the history and returns the number of the first.
func (s *store) events(b *testing.B, opts *mr.HistoryOptions) (first int64) {
	n := 0
	for e, err := range s.r.History(b.Context(), bench.Name, opts) {
		check(b, err)
		if n++; n == 1 {
			first = e.Number
		}
		if n == newest {
			return first
		}
	}
	b.Fatalf("%d events, want %d", n, newest)
	return 0
}

func productionAt(b *testing.B, n int) result {
	yesterday := time.Now().Add(-24 * time.Hour)
	return grown(b, n, few, func(s *store) side {
		return side{do: func() {
			_, err := s.r.ProductionAt(b.Context(), bench.Name, yesterday)
			check(b, err)
		}}
	})
}
