// Package removal purges a model: it removes the files of deleted versions, and
// what failed registrations left. It also measures what a model takes. It must
// not know why a version was deleted.
package removal

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/ubunye-go/modelregistry/driver"
	"github.com/ubunye-go/modelregistry/internal/engine"
	"github.com/ubunye-go/modelregistry/internal/index"
)

// A Purge removes the files of deleted versions of one model.
type Purge struct {
	Model         *engine.Model
	Now           time.Time
	OlderThan     time.Duration // spares versions that were deleted more recently
	Actor, Reason string
	Notify        func(done, total int) // nil for none; called when files of versions were removed
}

// A Version is a deleted version whose files a purge removes.
type Version struct {
	index.Deletion
	Files   int
	Bytes   int64
	Removed bool // the files are gone
}

// treesAtOnce is how many trees are removed in one turn. Other changes of the
// model wait for at most one turn.
const treesAtOnce = 16

// due returns the deleted versions that are old enough, or that an earlier
// purge gave up. A version whose deletion has a time that can't be read is as
// young as can be.
func (p Purge) due(s *engine.State) []index.Deletion {
	return slices.DeleteFunc(s.Deletions(), func(d index.Deletion) bool {
		return d.Purged.IsZero() && p.OlderThan > 0 && (d.At.IsZero() || p.Now.Sub(d.At) < p.OlderThan)
	})
}

// withFiles returns those deleted versions that have files.
func (p Purge) withFiles(ctx context.Context, due []index.Deletion) (list []Version, err error) {
	if len(due) == 0 {
		return nil, nil
	}
	sizes := map[string]driver.ItemUsage{}
	usage, err := UsageStore(p.Model.Store())
	if err != nil {
		return nil, err
	}
	for u, err := range usage.Usage(ctx, p.Model.Name.UseCase, p.Model.Name.Model) {
		if err != nil {
			return nil, err
		}
		if u.Item.Kind == driver.ItemTree || u.Item.Kind == driver.ItemBare {
			sizes[u.Item.Version] = u
		}
	}
	for _, d := range due {
		if u, there := sizes[d.Version]; there && !reused(d, u) {
			list = append(list, Version{Deletion: d, Files: u.Files, Bytes: u.Bytes})
		}
	}
	return list, nil
}

// coarseTick is how much earlier than the writing of a file its time may be
// where times are whole or even seconds, as in ext4 with small inodes, S3 and
// FAT.
const coarseTick = 2 * time.Second

// reused reports whether files in the place of a purged version may be newer
// than the purge: another program, which does not know that the number was
// used, is saving a version.
func reused(d index.Deletion, u driver.ItemUsage) bool {
	newest := u.Newest
	if newest.Nanosecond() == 0 {
		newest = newest.Add(coarseTick)
	}
	return u.Item.Kind == driver.ItemBare && !d.Purged.IsZero() && newest.After(d.Purged)
}

// removeVersions gives the files of versions up, and then removes them, some in
// each turn. It sets Removed of those whose files are gone. It goes on after an
// error, unless nothing was removed in that turn.
func (p Purge) removeVersions(ctx context.Context, list []Version) error {
	remover, ok := p.Model.Store().(driver.Remover)
	if !ok {
		return fmt.Errorf("%w: this store can't remove files", errors.ErrUnsupported)
	}
	if err := p.record(ctx, list); err != nil {
		return err
	}
	// A program that reads registry.json alone must not look for the files.
	if err := p.Model.Checkpoint(ctx); err != nil {
		return err
	}
	done := 0
	var errs []error
	for part := range slices.Chunk(list, treesAtOnce) {
		if err := ctx.Err(); err != nil {
			return errors.Join(append(errs, err)...)
		}
		var gone []string
		removed, err := remover.RemoveTrees(ctx, p.Model.Name.UseCase, p.Model.Name.Model, func(v driver.View) (versions []string, err error) {
			gone, err = p.givenUp(ctx, v, part)
			return gone, err
		})
		if err != nil {
			errs, gone = append(errs, err), removed
		}
		for i := range part {
			part[i].Removed = slices.Contains(gone, part[i].Version)
		}
		if err != nil && len(removed) == 0 {
			break
		}
		if done += len(part); p.Notify != nil {
			p.Notify(done, len(list))
		}
	}
	return errors.Join(errs...)
}

// record records that the files of versions are given up. A version that was
// undeleted meanwhile is left out.
func (p Purge) record(ctx context.Context, list []Version) error {
	return p.Model.Change(ctx, func(t *engine.Txn) (string, error) {
		var versions []string
		for _, v := range list {
			if d, deleted := t.Deletion(v.Version); deleted && d.Purged.IsZero() && d.At.Equal(v.At) {
				versions = append(versions, v.Version)
			}
		}
		if len(versions) == 0 {
			return "", nil
		}
		return "", t.Purge(versions, p.Actor, p.Reason)
	}, nil)
}

// givenUp returns those versions whose files are given up according to the
// store's present bytes. Another program may use the number of a deleted
// version again, and its files are not given up.
func (p Purge) givenUp(ctx context.Context, v driver.View, list []Version) (versions []string, err error) {
	err = p.Model.ReadView(ctx, v, func(s *engine.State) error {
		if err := engine.Writable(s.Facts); err != nil {
			return err
		}
		for _, version := range list {
			if d, deleted := s.Deletion(version.Version); deleted && !d.Purged.IsZero() {
				versions = append(versions, d.Version)
			}
		}
		return nil
	})
	return versions, err
}
