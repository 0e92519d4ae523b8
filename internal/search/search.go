// Package search checks queries for versions, and chooses and orders the
// versions that fulfil one. It must not know stores, or versions as callers see
// them.
package search

import (
	"cmp"
	"errors"
	"fmt"
	"iter"
	"math/big"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/ubunye-go/modelregistry/internal/condition"
	"github.com/ubunye-go/modelregistry/internal/decimal"
)

// A Query chooses versions. A version must fulfil all conditions. Stages and
// aliases are not checked.
type Query struct {
	UseCase, Model string   // patterns of path.Match; empty for all
	Stages         []string // the version is in one of them
	Aliases        []string // one of them names the version
	Tags           map[string]string
	RunID          string
	Metrics        []Condition

	RegisteredAfter  time.Time // at this time or later
	RegisteredBefore time.Time

	OrderBy    string // a metric; empty for the order in which the versions come
	Descending bool
	Limit      int // 0 for all
}

// A Condition is a condition on a metric, such as auc >= 0.9.
type Condition struct{ Metric, Operator, Number string }

// A Candidate has what a search reads of a version.
type Candidate struct {
	Stage, RunID string
	Aliases      []string
	Tags         map[string]string
	RegisteredAt time.Time
	Metric       func(name string) (raw []byte) // in JSON, nil if there is none
}

// number returns the exact value of a metric, or nil if it is no finite number.
func (c Candidate) number(metric string) *big.Rat {
	raw := c.Metric(metric)
	if raw == nil {
		return nil
	}
	n, err := decimal.Parse(string(raw))
	if err != nil {
		return nil
	}
	return n
}

// A Search is a query that was checked. It chooses from values of V.
type Search[V any] struct {
	query  Query
	limits []condition.Limit // of Metrics
	read   func(*V) Candidate
}

// New checks a query. read returns what a search reads of a version.
func New[V any](q Query, read func(*V) Candidate) (*Search[V], error) {
	s := &Search[V]{query: q, read: read}
	for _, pattern := range []string{q.UseCase, q.Model} {
		if _, err := path.Match(pattern, ""); err != nil {
			return nil, fmt.Errorf("pattern %q: %w", pattern, err)
		}
	}
	for _, c := range q.Metrics {
		limit, err := condition.Parse(c.Operator, c.Number)
		if err != nil || c.Metric == "" {
			return nil, fmt.Errorf("condition %q: %w", c.Metric+c.Operator+c.Number, cmp.Or(err, errors.New("it names no metric")))
		}
		s.limits = append(s.limits, limit)
	}
	if q.Limit < 0 {
		return nil, fmt.Errorf("limit %d: it is negative", q.Limit)
	}
	if q.Descending && q.OrderBy == "" {
		return nil, errors.New("query: descending needs a metric to order by")
	}
	return s, nil
}

// IsPattern reports whether a name in a query may match other names, too.
func IsPattern(name string) bool { return name == "" || strings.ContainsAny(name, `*?[\`) }

// TakesModel reports whether the query chooses versions of a model.
func (s *Search[V]) TakesModel(useCase, model string) bool {
	return matchesPattern(s.query.UseCase, useCase) && matchesPattern(s.query.Model, model)
}

// matchesPattern reports whether a name matches a pattern. A name may have
// brackets, so a pattern also matches itself.
func matchesPattern(pattern, name string) bool {
	ok, err := path.Match(pattern, name)
	return pattern == "" || pattern == name || ok && err == nil
}

// Choose yields the versions that the query chooses, in its order, of those
// that all yields. It also yields the errors, with the values beside them. With
// OrderBy, the errors come first.
func (s *Search[V]) Choose(all iter.Seq2[V, error]) iter.Seq2[V, error] {
	if s.query.OrderBy != "" {
		return s.ordered(all)
	}
	return func(yield func(V, error) bool) {
		n := 0
		for v, err := range all {
			if err == nil {
				if !s.matches(s.read(&v)) {
					continue
				}
				n++
			}
			if !yield(v, err) || err == nil && n == s.query.Limit {
				return
			}
		}
	}
}

// A ranked is a version with the metric by which it is ordered.
type ranked[V any] struct {
	version V
	number  *big.Rat // nil for none
}

// ordered is Choose with OrderBy.
func (s *Search[V]) ordered(all iter.Seq2[V, error]) iter.Seq2[V, error] {
	return func(yield func(V, error) bool) {
		var found []ranked[V]
		for v, err := range all {
			if err != nil {
				if !yield(v, err) {
					return
				}
			} else if c := s.read(&v); s.matches(c) {
				found = append(found, ranked[V]{v, c.number(s.query.OrderBy)})
				if limit := s.query.Limit; limit > 0 && len(found) > sortedAtOnce && len(found)/2 > limit {
					found = s.first(found) // so that a limit bounds the memory
				}
			}
		}
		for _, r := range s.first(found) {
			if !yield(r.version, nil) {
				return
			}
		}
	}
}

// sortedAtOnce is how many versions are collected before those beyond the limit
// are dropped.
const sortedAtOnce = 1000

// first sorts versions, and returns those within the limit. Equal versions keep
// their order.
func (s *Search[V]) first(list []ranked[V]) []ranked[V] {
	slices.SortStableFunc(list, s.compare)
	if s.query.Limit > 0 && s.query.Limit < len(list) {
		clear(list[s.query.Limit:])
		list = list[:s.query.Limit]
	}
	return list
}

// compare orders by the metric. Versions without it come last.
func (s *Search[V]) compare(a, b ranked[V]) int {
	switch {
	case a.number == nil && b.number == nil:
		return 0
	case a.number == nil:
		return 1
	case b.number == nil:
		return -1
	case s.query.Descending:
		return b.number.Cmp(a.number)
	}
	return a.number.Cmp(b.number)
}

// Best returns the version of a list with the highest value of a metric, or
// with the lowest, among those that the query chooses. The first of equals
// counts. found is false if no version has the metric. without is how many
// versions don't have it.
func (s *Search[V]) Best(list []V, metric string, lowest bool) (best V, without int, found bool) {
	var most *big.Rat
	for _, v := range list {
		c := s.read(&v)
		if !s.matches(c) {
			continue
		}
		n := c.number(metric)
		switch {
		case n == nil:
			without++
		case most == nil, !lowest && n.Cmp(most) > 0, lowest && n.Cmp(most) < 0:
			best, most = v, n
		}
	}
	return best, without, most != nil
}

func (s *Search[V]) matches(c Candidate) bool {
	q := &s.query
	if len(q.Stages) > 0 && !slices.Contains(q.Stages, c.Stage) ||
		len(q.Aliases) > 0 && !slices.ContainsFunc(q.Aliases, func(a string) bool { return slices.Contains(c.Aliases, a) }) ||
		q.RunID != "" && c.RunID != q.RunID ||
		c.RegisteredAt.Before(q.RegisteredAfter) ||
		!q.RegisteredBefore.IsZero() && !c.RegisteredAt.Before(q.RegisteredBefore) {
		return false
	}
	for key, value := range q.Tags {
		if got, ok := c.Tags[key]; !ok || got != value {
			return false
		}
	}
	for i, wanted := range q.Metrics {
		if n := c.number(wanted.Metric); n == nil || !s.limits[i].Holds(n) {
			return false
		}
	}
	return true
}
