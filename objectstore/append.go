package objectstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/driver"
	"github.com/ubunye-go/modelregistry/internal/logformat"
	"github.com/ubunye-go/modelregistry/internal/pathname"
)

// Append calls decide until its decision becomes the next change. If another
// writer wins the race too often, Append fails with ErrContention.
func (s *Store) Append(ctx context.Context, useCase, model string, decide func(driver.View) (*driver.Commit, error)) (done driver.AppendResult, err error) {
	name := mr.ModelName{UseCase: useCase, Model: model}
	err = s.race(ctx, name, func() (won bool, err error) {
		done, won, err = s.tryAppend(ctx, name, decide)
		return won, err
	})
	return done, err
}

// tryAppend reports false if another writer made the next change first.
func (s *Store) tryAppend(ctx context.Context, name mr.ModelName, decide func(driver.View) (*driver.Commit, error)) (done driver.AppendResult, won bool, err error) {
	v := s.view(ctx, name)
	v.writes = true
	if err := s.checkBucketBy(v.list); err != nil {
		return done, false, err
	}
	if err := v.find(); err != nil { // first, so that a change that comes later makes this one lose the race
		return done, false, err
	}
	c, err := decide(v)
	if errors.Is(err, errNewChange) {
		return done, false, nil
	}
	if err != nil || c == nil {
		return done, true, err
	}
	if err := ctx.Err(); err != nil {
		return done, false, err
	}
	if err := s.checkPrefix(ctx); err != nil {
		return done, false, err
	}
	return s.commit(ctx, v, c)
}

const (
	// mostLost bounds how many races in a row a change may lose. Among N
	// writers that never pause, a change wins one race in N. With 64 writers,
	// one of some millions of changes reaches the bound, after minutes.
	mostLost = 1000
	// longestLost bounds how long a loser pauses: 400 ms. A writer that pauses
	// longer than others need for a change never wins against them.
	longestLost = 4
)

// race calls try until it wins, fails, or has lost too often.
func (s *Store) race(ctx context.Context, name mr.ModelName, try func() (won bool, err error)) error {
	for lost := range mostLost {
		if lost > 1 { // after the first loss, the new change has been read: no pause
			if err := pause(ctx, min(lost-1, longestLost)); err != nil {
				return err
			}
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if won, err := try(); won || err != nil && !errors.Is(err, errBegun) {
			return err
		}
	}
	return &Error{"change", s.prefix + name.String(),
		fmt.Errorf("%w: other writers were first %d times in a row; nothing was changed", ErrContention, mostLost)}
}

// commit tries to make a commit happen. It reports false if another writer made
// the next change first.
func (s *Store) commit(ctx context.Context, v *view, c *driver.Commit) (done driver.AppendResult, won bool, err error) {
	if err := v.checkFirst(); err != nil {
		return done, false, err
	}
	ctx, cancel := linger(ctx)
	defer cancel()
	number, end := v.newest, v.end
	switch {
	case len(c.Lines) > 0 || len(c.Trees) > 0:
		sl, err := v.next(logformat.Join(c.Lines))
		if err != nil {
			return done, false, err
		}
		if won, err := s.change(ctx, v, c, sl); !won || err != nil {
			return done, false, err
		}
		number, end = sl.Number, sl.End
	case number == 0:
		if _, end, err = v.copied(0); err != nil {
			return done, false, err
		}
	}
	done.End = end
	if c.Checkpoint != nil {
		done.DocumentErr = s.checkpoint(ctx, v, c, number, end)
	}
	done.Revision = revision{number, v.document}
	return done, true, nil
}

// next returns the next change, with lines. The first change takes over the
// history of a folder that was copied into the bucket.
func (v *view) next(lines []byte) (*slot, error) {
	if v.newest == logformat.Last {
		return nil, fmt.Errorf("%s has %d changes, the largest possible number", v.name, logformat.Last)
	}
	end := v.end
	if v.newest == 0 {
		before, _, err := v.copied(0)
		if err != nil {
			return nil, err
		}
		lines = append(before, lines...)
	}
	return &slot{head: head{Head: logformat.Head{ID: pathname.NewID(), Number: v.newest + 1, End: end + int64(len(lines))}}, lines: lines}, nil
}

// createSlot makes the object of a change. It reports false if another writer
// made the next change first.
func (s *Store) createSlot(ctx context.Context, v *view, sl *slot) (won bool, err error) {
	data, err := sl.encode()
	if err != nil {
		return false, err
	}
	won, err = s.create(ctx, slotKey(v.name, sl.Number), data, func(there []byte) bool {
		other, err := decodeSlot(there, sl.Number)
		return err == nil && other.ID == sl.ID
	})
	if won {
		s.reached(v.name, sl)
		if v.hasCopy {
			s.takenOver(ctx, v.name)
		}
	}
	return won, err
}

// change makes the object of a change, with trees that were uploaded before.
func (s *Store) change(ctx context.Context, v *view, c *driver.Commit, sl *slot) (won bool, err error) {
	remains := make([][]object, len(c.Trees))
	for i, t := range c.Trees {
		if err := t.Validate(); err != nil {
			return false, err
		}
		st := uploadOf(t)
		if remains[i], err = s.remains(ctx, v.name, t.Version); err != nil {
			// The objects may also belong to another writer's first change,
			// whose files are being copied into place.
			taken, lookErr := s.exists(ctx, slotKey(v.name, sl.Number))
			if lookErr == nil && taken {
				return false, nil
			}
			return false, err
		}
		if err := st.notSwept(ctx, v); err != nil {
			return false, err
		}
		if sl.Trees == nil {
			sl.Trees = map[string]treeInfo{}
		}
		sl.Trees[t.Version] = st.info()
	}
	for _, t := range c.Trees {
		uploadOf(t).keep() // from here on the files may belong to a version
	}
	won, err = s.createSlot(ctx, v, sl)
	if !won {
		for _, t := range c.Trees {
			if !errors.Is(err, mr.ErrUncertain) {
				uploadOf(t).release()
			}
		}
		return false, err
	}
	for i, t := range c.Trees {
		st := uploadOf(t)
		s.know(v.name, func(k *known) {
			info := st.info()
			info.number = sl.Number
			k.trees[t.Version] = info
		})
		if err := s.publish(ctx, v.name, t.Version, st.id, st.files, remains[i]); err != nil {
			s.log.LogAttrs(ctx, slog.LevelWarn, "a version's files are not in place yet; Sweep moves them there",
				slog.String("version", v.name.At(t.Version).String()), slog.Any("error", err))
		}
	}
	return true, nil
}

// remains lists the objects in the place of a new version. If they include no
// manifest, they belong to another program, which is an error.
func (s *Store) remains(ctx context.Context, name mr.ModelName, version string) ([]object, error) {
	dir := modelKey(name, versionsDir+version+"/")
	list, err := s.list(ctx, dir, true, 0)
	if err != nil || len(list) == 0 {
		return nil, err
	}
	if !slices.ContainsFunc(list, func(o object) bool { return o.key == dir+manifestName }) {
		return nil, &Error{"register", s.prefix + dir, &driver.OccupiedError{Version: version}}
	}
	return list, nil
}
