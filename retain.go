package modelregistry

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ubunye-go/modelregistry/internal/index"
)

// A Retention says which versions of a model are kept. A version is kept if one
// of the rules says so, or if it is protected: see Delete. A Retention needs a
// rule.
type Retention struct {
	KeepLast             int           // the versions that were registered last
	KeepNewerThan        time.Duration // versions registered within this time
	KeepEverInProduction bool          // versions that are or were in production
	KeepTagged           []string      // versions with a tag of one of these keys
}

// RetainOptions go with Retain. The zero value and nil only list.
type RetainOptions struct {
	Actor  string // the person or program that deletes; by default Options.Actor
	Reason string // the reason, for the history
	// Apply makes Retain delete. Without it, Retain only lists.
	Apply bool
	// Progress is called each time that some versions were deleted, and when
	// all are. Calls do not overlap.
	Progress func(DeletionProgress)
}

// A RetainedVersion says what Retain does with a version.
type RetainedVersion struct {
	Version string   `json:"version"`
	Keep    []string `json:"keep,omitempty"` // why it is kept; empty if it is deleted
	Deleted bool     `json:"deleted"`        // it was deleted; false without Apply
}

// Retain deletes the versions of a model that a retention does not keep.
// Without Apply it only says for each version what would happen, and why it is
// kept. The newest registration comes first. The files of deleted versions stay
// until Purge.
//
// Each deletion is an event of its own, and is decided by the state at that
// moment. Some deletions share an append. Retain can be interrupted and called
// again. It returns the list also with an error.
func (r *ModelRegistry) Retain(ctx context.Context, name ModelName, keep Retention, opts *RetainOptions) (list []RetainedVersion, err error) {
	defer func() { err = opError("retain", name.all(), err) }()
	var o RetainOptions
	if opts != nil {
		o = *opts
	}
	switch {
	case keep.KeepLast < 0 || keep.KeepNewerThan < 0:
		return nil, invalid("retention: a number or a time is negative")
	case keep.KeepLast == 0 && keep.KeepNewerThan == 0 && !keep.KeepEverInProduction && len(keep.KeepTagged) == 0:
		return nil, invalid("retention: it has no rule, and would delete every version that is not protected")
	}
	if err := checkTags(keep.KeepTagged); err != nil { // a key that is no key would keep nothing
		return nil, err
	}
	m, err := r.model(name)
	if err != nil {
		return nil, err
	}
	list, err = m.retained(ctx, keep, r.now())
	if err != nil || !o.Apply {
		return list, err
	}
	var due []*RetainedVersion
	for i := range slices.Backward(list) { // the oldest first
		if len(list[i].Keep) == 0 {
			due = append(due, &list[i])
		}
	}
	notify := deletionProgress(o.Progress)
	for done := 0; done < len(due); {
		part := due[done:min(done+deletedAtOnce, len(due))]
		if err := m.deleteUnkept(ctx, keep, part, firstOf(o.Actor, r.opts.Actor), firstOf(o.Reason, "retention")); err != nil {
			return list, err
		}
		done += len(part)
		notify(done, len(due))
	}
	return list, nil
}

// deletedAtOnce is how many deletions of Retain share one append.
const deletedAtOnce = 100

// deleteUnkept deletes the versions of a list, in one append with an event for
// each, except those that the retention or a protection keeps by now.
func (m *model) deleteUnkept(ctx context.Context, keep Retention, list []*RetainedVersion, actor, reason string) error {
	var why [][]string
	_, err := m.change(ctx, func(t *txn) (string, error) {
		why = make([][]string, len(list))
		later, protections := t.registeredAfter(list), t.Protections()
		var unkept []*index.Entry
		for i, v := range list {
			e := t.Get(v.Version)
			if e == nil {
				continue // it was deleted meanwhile
			}
			protection, _ := protections.Of(e)
			if why[i] = keep.reasons(t.view(e), later[v.Version], t.Now, protection); why[i] == nil {
				unkept = append(unkept, e)
			}
		}
		return "", t.DeleteEach(unkept, actor, reason)
	}, nil)
	for i, v := range list {
		if err == nil {
			v.Keep, v.Deleted = why[i], why[i] == nil
		}
	}
	return err
}

// registeredAfter returns how many versions were registered after each of a
// list.
func (t *txn) registeredAfter(list []*RetainedVersion) map[string]int {
	count := make(map[string]int, len(list))
	for _, v := range list {
		count[v.Version] = 0
	}
	total := 0
	for e := range t.Entries() {
		if _, listed := count[e.Version]; listed {
			count[e.Version] = total
		}
		total++
	}
	for version, before := range count {
		count[version] = total - 1 - before
	}
	return count
}

// retained returns what a retention decides about each version.
func (m *model) retained(ctx context.Context, keep Retention, now time.Time) (list []RetainedVersion, err error) {
	err = m.read(ctx, func(s state) error {
		if s.Empty() {
			return notFound("model %s", m.Name)
		}
		protections := index.NewTxn(s.State.State, now).Protections()
		for i, v := range s.derived.Versions(s.State.State, s.view) {
			why, _ := protections.Of(s.Get(v.Version))
			list = append(list, RetainedVersion{Version: v.Version, Keep: keep.reasons(v, i, now, why)})
		}
		return nil
	})
	return list, err
}

// inDays returns a duration, in days if it is a number of days.
func inDays(d time.Duration) string {
	if day := 24 * time.Hour; d%day == 0 {
		return fmt.Sprintf("%dd", d/day)
	}
	return d.String()
}

// reasons returns why a version is kept. later is how many versions were
// registered after it.
func (k Retention) reasons(v ModelVersion, later int, now time.Time, protection string) (why []string) {
	if protection != "" {
		why = append(why, protection)
	}
	if later < k.KeepLast {
		why = append(why, fmt.Sprintf("it is one of the last %d", k.KeepLast))
	}
	switch {
	case k.KeepNewerThan == 0:
	case v.RegisteredAt.IsZero():
		why = append(why, "the time of its registration is not known")
	case now.Sub(v.RegisteredAt) < k.KeepNewerThan:
		why = append(why, "it was registered within "+inDays(k.KeepNewerThan))
	}
	switch {
	case !k.KeepEverInProduction:
	case !v.PromotedToProduction.IsZero():
		why = append(why, "it was in production")
	case slices.ContainsFunc(v.Problems, func(p string) bool { return strings.HasPrefix(p, "promoted_to_prod:") }):
		why = append(why, "it may have been in production")
	}
	for _, key := range k.KeepTagged {
		if _, ok := v.Tags[key]; ok {
			why = append(why, "it has the tag "+key)
		}
	}
	return why
}
