package modelregistry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/ubunye-go/modelregistry/driver"
	"github.com/ubunye-go/modelregistry/internal/index"
	"github.com/ubunye-go/modelregistry/internal/removal"
)

// DefaultPurgeAge is how long after its deletion a version's files are kept by
// default.
const DefaultPurgeAge = 30 * 24 * time.Hour

// PurgeOptions go with Purge. The zero value and nil only list.
type PurgeOptions struct {
	Actor  string // the person or program that purges; by default Options.Actor
	Reason string // the reason, for the history

	// OlderThan is the least time since a version was deleted, or files were
	// put aside, for Purge to remove them. 0 means DefaultPurgeAge, unless Now
	// is set. Now removes them whatever their age.
	OlderThan time.Duration
	Now       bool
	// Apply makes Purge act. Without it, Purge only lists.
	Apply bool
	// Progress is called each time that the files of some versions were
	// removed, and when all are. Calls do not overlap.
	Progress func(DeletionProgress)
}

// A PurgeReport is what Purge removes, or would remove.
type PurgeReport struct {
	Versions []PurgedVersion
	Remains  []PurgedRemains
}

// A PurgedVersion is a deleted version whose files Purge removes.
type PurgedVersion struct {
	Version   string
	DeletedAt time.Time
	DeletedBy string // empty if not given
	Files     int
	Bytes     int64
	// Purged is when a purge gave up the files before; zero for the first one.
	// That purge did not remove all of them.
	Purged time.Time
	// Removed is true if the files are gone now. Without Apply it is false.
	Removed bool
}

// MarshalJSON returns the version, with null for a time that is zero.
func (p PurgedVersion) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Version   string  `json:"version"`
		DeletedAt *string `json:"deleted_at"`
		DeletedBy string  `json:"deleted_by,omitempty"`
		Files     int     `json:"files"`
		Bytes     int64   `json:"bytes"`
		Purged    *string `json:"purged"`
		Removed   bool    `json:"removed"`
	}{p.Version, timeOrNull(p.DeletedAt), p.DeletedBy, p.Files, p.Bytes, timeOrNull(p.Purged), p.Removed})
}

// A RemainsKind is a kind of PurgedRemains.
type RemainsKind string

// The kinds of PurgedRemains.
const (
	DeadRegistration RemainsKind = RemainsKind(driver.ItemStaging) // what a registration was making when its process died
	PutAsideFiles    RemainsKind = RemainsKind(driver.ItemOrphan)  // files of a change that did not happen
)

// PurgedRemains are files of no version that Purge removes.
type PurgedRemains struct {
	Kind    RemainsKind `json:"kind"`
	Path    string      `json:"path"` // relative to the store
	Files   int         `json:"files"`
	Bytes   int64       `json:"bytes"`
	Removed bool        `json:"removed"` // they are gone now; false without Apply
}

// Purge removes the files of versions that were deleted long enough ago.
// Without Apply it only lists them. What it removes can't be restored: the
// history keeps the numbers, metrics, metadata, tags and reasons.
//
// Purge also removes what failed registrations left: files of a process that
// died, and files that were put aside as long ago as OlderThan says. In a
// bucket, a registration counts as dead after a day, whatever OlderThan says.
//
// Purge first records that the files are given up, then removes them. If it is
// interrupted, or a program keeps a file open on Windows, the next Purge
// removes the rest. The report says what was done, also with an error. The
// error matches errors.ErrUnsupported if the store can't remove files, and
// ErrConflict if the newest event is dated after the clock: the age of a
// deletion is then not known.
func (r *ModelRegistry) Purge(ctx context.Context, name ModelName, opts *PurgeOptions) (report PurgeReport, err error) {
	defer func() { err = opError("purge", name.all(), err) }()
	var o PurgeOptions
	if opts != nil {
		o = *opts
	}
	if o.OlderThan < 0 || o.Now && o.OlderThan != 0 {
		return report, invalid("options: OlderThan must be positive, and excludes Now")
	}
	if o.OlderThan == 0 && !o.Now {
		o.OlderThan = DefaultPurgeAge
	}
	m, err := r.model(name)
	if err != nil {
		return report, err
	}
	now, err := r.nowAfter(ctx, name)
	if err != nil {
		return report, err
	}
	purge := removal.Purge{Model: m.Model, Now: now, OlderThan: o.OlderThan,
		Actor: firstOf(o.Actor, r.opts.Actor), Reason: o.Reason, Notify: deletionProgress(o.Progress)}
	done, err := purge.Run(ctx, o.Apply)
	for _, v := range done.Versions {
		report.Versions = append(report.Versions, PurgedVersion{v.Version, v.At, v.By, v.Files, v.Bytes, v.Purged, v.Removed})
	}
	for _, f := range done.Remains {
		report.Remains = append(report.Remains, PurgedRemains{RemainsKind(f.Item.Kind), f.Item.Path, f.Files, f.Bytes, f.Removed})
	}
	return report, indexError(err)
}

// nowAfter returns the time. It returns an error if the newest event is dated
// after it. It reads the event before the clock, because other processes may
// append events in between.
func (r *ModelRegistry) nowAfter(ctx context.Context, name ModelName) (now time.Time, err error) {
	for e, err := range r.History(ctx, name, &HistoryOptions{Newest: true}) {
		if err != nil && !errors.Is(err, ErrNotFound) {
			return now, err
		}
		if now = r.now(); e.Time.After(now) && !e.Unrecorded() {
			return now, fmt.Errorf("%w: event %d is dated %s, and the clock says %s", ErrConflict, e.Number, index.FormatTime(e.Time), index.FormatTime(now))
		}
		return now, nil
	}
	return r.now(), nil
}
