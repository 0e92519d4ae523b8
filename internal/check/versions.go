package check

import (
	"context"
	"errors"
	"io/fs"
	"path"
	"runtime"
	"sync/atomic"

	"github.com/ubunye-go/modelregistry/driver"
	"github.com/ubunye-go/modelregistry/internal/artifact"
	"github.com/ubunye-go/modelregistry/internal/index"
)

// Versions checks the versions of models, as many at once as there are cores.
type Versions struct {
	Files *artifact.Verifier // nil to check no files

	// Read returns the digest of a version's manifest, and what can't be read
	// of its entry, or nil. It is called by several goroutines at once.
	Read func(*index.Entry) (manifest string, problem error)
}

// Progress says how far the check of a model's versions has come.
type Progress struct {
	Begun, Checked, Versions int
	Files                    artifact.Progress // of the versions that were begun
}

// Check checks versions of a model. It returns what it finds, in the order of
// the versions, and how many versions it checked. These are fewer only if the
// context ends. notify, if it is not nil, is called about ten times a second
// and at the end of each version, by one goroutine at a time.
func (c Versions) Check(ctx context.Context, name driver.Name, list []*index.Entry, notify func(Progress)) (found []Finding, checked int) {
	var begun, done atomic.Int64
	var report func(artifact.Progress)
	if notify != nil {
		report = func(p artifact.Progress) {
			notify(Progress{Begun: int(begun.Load()), Checked: int(done.Load()), Versions: len(list), Files: p})
		}
	}
	meter := artifact.NewMeter(report)
	findings := make([][]Finding, len(list))
	_ = artifact.InParallel(ctx, min(runtime.GOMAXPROCS(0), len(list)), len(list), func(ctx context.Context, i int) error {
		begun.Add(1)
		f, err := c.check(ctx, name, list[i], meter)
		if err != nil {
			return err // which is that of the context
		}
		findings[i] = f
		done.Add(1)
		meter.Done()
		return nil
	})
	for _, f := range findings {
		found = append(found, f...)
	}
	return found, int(done.Load())
}

// check checks one version. The error is that of the context.
func (c Versions) check(ctx context.Context, name driver.Name, e *index.Entry, meter *artifact.Meter) (found []Finding, err error) {
	manifest, problem := c.Read(e)
	if problem != nil {
		found = append(found, Finding{Version: e.Version, Kind: EntryUnreadable, Err: problem})
	}
	if c.Files == nil {
		return found, nil
	}
	bySystem, err := c.Files.Verify(ctx, name, e.Version, manifest, meter)
	if err != nil && ctx.Err() != nil {
		return nil, ctx.Err()
	}
	for _, file := range bySystem {
		found = append(found, Finding{Version: e.Version, Kind: ForeignFile, Path: path.Join(name.UseCase, name.Model, "versions", e.Version, file)})
	}
	if kind := filesKind(manifest, err); kind != "" {
		found = append(found, Finding{Version: e.Version, Kind: kind, Err: err})
	}
	return found, nil
}

// filesKind returns the kind of the finding for the error of checking a
// version's files, and "" if there is nothing to report.
func filesKind(manifest string, err error) Kind {
	switch {
	case err == nil && manifest == "":
		return NoDigests
	case err == nil:
		return ""
	case errors.Is(err, artifact.ErrManifest):
		return ManifestDamaged
	case errors.Is(err, artifact.ErrNoTree):
		return ArtifactMissing
	case errors.Is(err, fs.ErrPermission) || !errors.Is(err, artifact.ErrBad):
		return StoreUnreadable
	}
	return ArtifactDamaged
}

// ErrNoEvent says that the history does not have an event.
var ErrNoEvent = errors.New("the history has no such event")

// ChangedAfter returns the versions that an event after the given one changed,
// or an external change that no event records yet, in the order of
// registration. If the history is damaged or lost, it returns all versions. The
// error is ErrNoEvent if the history ends before the given event.
func (x *Check) ChangedAfter(event int64) ([]*index.Entry, error) {
	if len(x.log.Damage) > 0 || x.lost() {
		return x.State.Entries, nil
	}
	if event > x.log.Last() {
		return nil, ErrNoEvent
	}
	changed := map[string]bool{}
	take := func(e *index.Event) {
		for _, im := range e.After {
			changed[im.Version] = true
		}
	}
	for _, l := range x.log.Lines {
		if l.Number > event {
			take(l.Event)
		}
	}
	if p := x.State.Pending; p != nil {
		take(p)
	}
	var list []*index.Entry
	for _, e := range x.State.Entries {
		if changed[e.Version] {
			list = append(list, e)
		}
	}
	return list, nil
}
