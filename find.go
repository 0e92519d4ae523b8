package modelregistry

import (
	"context"
	"errors"
	"iter"
	"maps"
	"slices"
	"time"

	"github.com/ubunye-go/modelregistry/internal/condition"
	"github.com/ubunye-go/modelregistry/internal/search"
)

// A Query chooses versions. A version must fulfil all conditions. The zero
// value and nil choose every version.
type Query struct {
	UseCase, Model string // names, or patterns of path.Match such as "fraud*"; empty for all

	Stages  []ModelStage      // the version is in one of them
	Aliases []string          // one of them names the version
	Tags    map[string]string // the version has all of them
	RunID   string            // the run that produced the version
	Metrics []MetricCondition // they hold for all of these metrics

	RegisteredAfter  time.Time // at this time or later
	RegisteredBefore time.Time // before this time

	// OrderBy is a metric. Versions without it, or whose value is no finite
	// number, come last. If it is empty, versions are ordered by use case and
	// model, then the newest registration first.
	OrderBy    string
	Descending bool // of OrderBy, which must be set: the highest first
	Limit      int  // at most this number of versions; 0 for all
}

// A MetricCondition is a condition on a metric. It holds for finite numbers
// only. Numbers are compared exactly, as they are written in decimal.
type MetricCondition struct {
	Metric   string
	Operator string // = != < <= > >=
	Number   string // in JSON, such as 0.9 or 1e-3
}

// ParseMetricCondition parses a condition such as "auc>=0.9": a metric, an
// operator and a number, with spaces between them or none. The last operator in
// the text counts. The error matches ErrInvalid and gives the column.
func ParseMetricCondition(s string) (c MetricCondition, err error) {
	if c.Metric, c.Operator, c.Number, err = condition.Split(s); err != nil {
		return c, invalid("condition %q: %v", s, err)
	}
	return c, nil
}

// String returns the condition as ParseMetricCondition reads it.
func (c MetricCondition) String() string { return c.Metric + c.Operator + c.Number }

// Find yields the versions that a query chooses, in all models of the store. It
// reads each model once. If a model can't be read, Find yields its error and
// goes on. With OrderBy, the errors come before the versions. An invalid query
// yields one error that matches ErrInvalid. A query that chooses nothing yields
// nothing.
func (r *ModelRegistry) Find(ctx context.Context, q *Query) iter.Seq2[ModelVersion, error] {
	return func(yield func(ModelVersion, error) bool) {
		var o Query
		if q != nil {
			o = *q
		}
		s, err := o.search()
		if err != nil {
			yield(ModelVersion{}, &Error{Op: "find", Err: err})
			return
		}
		s.Choose(r.versionsOf(ctx, r.searched(ctx, s, ModelName{o.UseCase, o.Model})))(yield)
	}
}

// search checks a query.
func (q *Query) search() (*search.Search[ModelVersion], error) {
	if q == nil {
		q = &Query{}
	}
	query := search.Query{UseCase: q.UseCase, Model: q.Model, Aliases: q.Aliases, Tags: q.Tags, RunID: q.RunID,
		RegisteredAfter: q.RegisteredAfter, RegisteredBefore: q.RegisteredBefore,
		OrderBy: q.OrderBy, Descending: q.Descending, Limit: q.Limit}
	for _, stage := range q.Stages {
		if _, err := ParseStage(string(stage)); err != nil {
			return nil, err
		}
		query.Stages = append(query.Stages, string(stage))
	}
	for _, alias := range q.Aliases {
		if err := checkAlias(alias); err != nil {
			return nil, err
		}
	}
	if err := checkTags(slices.Sorted(maps.Keys(q.Tags))); err != nil {
		return nil, err
	}
	for _, c := range q.Metrics {
		query.Metrics = append(query.Metrics, search.Condition(c))
	}
	s, err := search.New(query, candidate)
	if err != nil {
		return nil, invalid("%v", err)
	}
	return s, nil
}

// candidate returns what a search reads of a version.
func candidate(v *ModelVersion) search.Candidate {
	return search.Candidate{Stage: string(v.Stage), RunID: v.LineageRunID, Aliases: v.Aliases, Tags: v.Tags,
		RegisteredAt: v.RegisteredAt, Metric: v.Metrics.last}
}

// searched yields the models that a search with these patterns reads. If they
// are the name of one model, it does not list the store.
func (r *ModelRegistry) searched(ctx context.Context, s *search.Search[ModelVersion], patterns ModelName) iter.Seq2[ModelName, error] {
	return func(yield func(ModelName, error) bool) {
		if patterns.Validate() == nil && !search.IsPattern(patterns.UseCase) && !search.IsPattern(patterns.Model) {
			yield(patterns, nil)
			return
		}
		for name, err := range r.names(ctx) {
			if (err != nil || s.TakesModel(name.UseCase, name.Model)) && !yield(name, err) {
				return
			}
		}
	}
}

// versionsOf yields all versions of models, in the order of the models. If a
// model can't be read, it yields the error and goes on.
func (r *ModelRegistry) versionsOf(ctx context.Context, models iter.Seq2[ModelName, error]) iter.Seq2[ModelVersion, error] {
	return func(yield func(ModelVersion, error) bool) {
		for name, err := range models {
			var list []ModelVersion
			if err == nil {
				list, err = r.ListVersions(ctx, name)
			}
			switch {
			case errors.Is(err, ErrNotFound): // removed since its name was read, or the name of no model
				continue
			case err != nil && (!yield(ModelVersion{Name: name}, err) || ctx.Err() != nil):
				return
			}
			for _, v := range list {
				if !yield(v, nil) {
					return
				}
			}
		}
	}
}

// A Preference says which values of a metric are better.
type Preference int

// The preferences.
const (
	Highest Preference = iota
	Lowest
)

// A BestVersion is the result of Best.
type BestVersion struct {
	Version ModelVersion `json:"version"`
	// Without is how many versions were left out, because they don't have the
	// metric, or because its value is no finite number.
	Without int `json:"without"`
}

// Best returns the version of a model with the highest or the lowest value of a
// metric, among those that the query chooses. The query may be nil; its
// UseCase, Model, OrderBy, Descending and Limit must be empty. Of versions with
// equal values, Best returns the one registered last. The error matches
// ErrNotFound if the model does not exist, or if no version has the metric;
// Without counts in both cases.
func (r *ModelRegistry) Best(ctx context.Context, name ModelName, metric string, p Preference, q *Query) (best BestVersion, err error) {
	defer func() { err = opError("best", name.all(), err) }()
	s, err := q.search()
	if err != nil {
		return best, err
	}
	if q != nil && (q.UseCase != "" || q.Model != "" || q.OrderBy != "" || q.Descending || q.Limit != 0) {
		return best, invalid("query: with Best, it chooses by neither name, order nor limit")
	}
	list, err := r.ListVersions(ctx, name)
	if err != nil {
		return best, err
	}
	found := false
	if best.Version, best.Without, found = s.Best(list, metric, p == Lowest); !found {
		return best, notFound("a version with the metric %s", metric)
	}
	return best, nil
}
