package modelregistry

import (
	"context"
	"encoding/json"
	"iter"
	"slices"
	"time"

	"github.com/ubunye-go/modelregistry/internal/timeline"
)

// An AliasPeriod is a span of time in which an alias named a version.
type AliasPeriod struct {
	Name           ModelName
	Alias, Version string

	// Since and Until bound the period: Since <= t < Until. Since is zero if
	// the beginning is not known, because the history was lost or repaired.
	// Until is zero if the period has not ended.
	Since, Until time.Time

	// By is the person or program that set the alias, empty if not known.
	By string
	// Event began the period; Event.Reason is the reason. End ended it, and is
	// nil if the period has not ended.
	Event Event
	End   *Event

	from time.Time // where it is first known to hold
}

// Holds reports whether the period covers an instant. The zero time is the
// present.
func (p *AliasPeriod) Holds(at time.Time) bool {
	if at.IsZero() {
		return p.End == nil
	}
	return !at.Before(p.from) && (p.End == nil || at.Before(p.Until))
}

// MarshalJSON returns the period, with null for unknown times and for an end
// that has not happened.
func (p AliasPeriod) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		UseCase string  `json:"use_case"`
		Model   string  `json:"model_name"`
		Alias   string  `json:"alias"`
		Version string  `json:"version"`
		Since   *string `json:"since"`
		Until   *string `json:"until"`
		By      string  `json:"by,omitempty"`
		Reason  string  `json:"reason,omitempty"`
		Event   Event   `json:"event"`
		End     *Event  `json:"end"`
	}{p.Name.UseCase, p.Name.Model, p.Alias, p.Version, timeOrNull(p.Since), timeOrNull(p.Until), p.By, p.Event.Reason, p.Event, p.End})
}

// AliasAt returns the period of the version that an alias named at an instant.
// The zero time means now. The error matches ErrNotFound if the alias named no
// version then, or if that is not known. [ModelRegistry.StagePeriods] describes
// how events are dated. AliasAt reads the whole history.
func (r *ModelRegistry) AliasAt(ctx context.Context, name ModelName, alias string, at time.Time) (AliasPeriod, error) {
	list, err := r.aliasPeriods(ctx, name, alias)
	if err != nil {
		return AliasPeriod{}, opError("alias at", name.Aliased(alias), err)
	}
	for _, p := range slices.Backward(list) {
		if p.Holds(at) {
			return p, nil
		}
	}
	return AliasPeriod{}, opError("alias at", name.Aliased(alias), notFound("a version of that name then"))
}

// AliasHistory yields every period in which an alias named a version, in the
// order in which they began. An alias that was never set yields nothing. The
// error is that of AliasAt, and is the only one that is yielded.
func (r *ModelRegistry) AliasHistory(ctx context.Context, name ModelName, alias string) iter.Seq2[AliasPeriod, error] {
	return func(yield func(AliasPeriod, error) bool) {
		list, err := r.aliasPeriods(ctx, name, alias)
		if err != nil {
			yield(AliasPeriod{}, opError("alias history", name.Aliased(alias), err))
			return
		}
		for _, p := range list {
			if !yield(p, nil) {
				return
			}
		}
	}
}

func (r *ModelRegistry) aliasPeriods(ctx context.Context, name ModelName, alias string) (list []AliasPeriod, err error) {
	if err := checkAlias(alias); err != nil {
		return nil, err
	}
	m, err := r.model(name)
	if err != nil {
		return nil, err
	}
	periods, err := timeline.AliasPeriods(ctx, m.Model, alias)
	for _, p := range periods {
		s := publicPeriod(name, p)
		list = append(list, AliasPeriod{name, alias, s.Version, s.Since, s.Until, s.By, s.Event, s.End, s.from})
	}
	return list, timelineError(name, err)
}
