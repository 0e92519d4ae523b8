package objectstore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"slices"

	"gocloud.dev/blob"

	mr "github.com/ubunye-go/modelregistry"
)

// Append calls decide until what it decides becomes the next change.
func (s *Store) Append(ctx context.Context, name mr.ModelName, decide func(mr.View) (*mr.Commit, error)) (mr.Appended, error) {
	for lost := 0; ; lost++ {
		if err := ctx.Err(); err != nil {
			return mr.Appended{}, err
		}
		if err := s.access(ctx); err != nil {
			return mr.Appended{}, err
		}
		v := s.view(ctx, name)
		if err := v.find(0); err != nil { // before anything is read: what comes behind is too late
			return mr.Appended{}, err
		}
		c, err := decide(v)
		if err != nil || c == nil {
			return mr.Appended{}, err
		}
		if err := ctx.Err(); err != nil {
			return mr.Appended{}, err
		}
		if err := s.fit(ctx); err != nil {
			return mr.Appended{}, err
		}
		done, won, err := s.commit(ctx, v, c)
		if won || err != nil {
			return done, err
		}
		if lost > 0 {
			if err := pause(ctx, min(lost, 3)); err != nil {
				return mr.Appended{}, err
			}
		}
	}
}

// commit tries to make a commit happen. It reports false if somebody else was
// first.
func (s *Store) commit(ctx context.Context, v *view, c *mr.Commit) (done mr.Appended, won bool, err error) {
	ctx, cancel := linger(ctx)
	defer cancel()
	number := v.newest
	if len(c.Lines) > 0 || len(c.Trees) > 0 {
		number++
		if number > lastSlot {
			return done, false, fmt.Errorf("%s has %d changes, as many as can be", v.name, lastSlot)
		}
		if won, err := s.change(ctx, v, c, number); !won || err != nil {
			return done, false, err
		}
	}
	done.End, done.Revision = number*perSlot, revision{number}
	if c.Document != nil {
		done.DocumentErr = s.checkpoint(ctx, v.name, number, c.Document(done.End))
	}
	return done, true, nil
}

// change makes the object of a change, with trees that were uploaded before.
func (s *Store) change(ctx context.Context, v *view, c *mr.Commit, number int64) (won bool, err error) {
	sl := &slot{head: head{ID: random(), Number: number}, lines: join(c.Lines)}
	remains := make([][]object, len(c.Trees))
	for i, t := range c.Trees {
		st := t.Staged.(*staged)
		if remains[i], err = s.remains(ctx, v.name, t.Version); err != nil {
			// Or it is that of whoever is first just now, half in its place.
			taken, lookErr := s.exists(ctx, slotKey(v.name, number))
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
	data, err := sl.encode()
	if err != nil {
		return false, err
	}
	for _, t := range c.Trees {
		t.Staged.(*staged).keep() // from here on they may be a version's
	}
	won, err = s.create(ctx, slotKey(v.name, number), data, func(there []byte) bool {
		other, err := decodeSlot(there, number)
		return err == nil && other.ID == sl.ID
	})
	if !won {
		for _, t := range c.Trees {
			if !errors.Is(err, mr.ErrUncertain) {
				t.Staged.(*staged).release()
			}
		}
		return false, err
	}
	s.know(v.name, func(k *known) { k.newest = max(k.newest, number) })
	for i, t := range c.Trees {
		st := t.Staged.(*staged)
		s.know(v.name, func(k *known) {
			info := st.info()
			info.number = number
			k.trees[t.Version] = info
		})
		if err := s.publish(ctx, v.name, t.Version, st.id, st.files, remains[i]); err != nil {
			s.log.LogAttrs(ctx, slog.LevelWarn, "a version's files are not at their place yet; Sweep puts them there",
				slog.String("version", v.name.At(t.Version).String()), slog.Any("error", err))
		}
	}
	return true, nil
}

// remains lists what stands where a new version goes. Without a manifest it is
// somebody else's.
func (s *Store) remains(ctx context.Context, name mr.ModelName, version string) ([]object, error) {
	dir := modelKey(name, versionsDir+version+"/")
	list, err := s.list(ctx, dir, true, 0)
	if err != nil || len(list) == 0 {
		return nil, err
	}
	if !slices.ContainsFunc(list, func(o object) bool { return o.key == dir+manifestName }) {
		return nil, &Error{"register", s.prefix + dir, fmt.Errorf("it is there, and not the registry's: %w", fs.ErrExist)}
	}
	return list, nil
}

// checkpoint puts a document in place. Two may cross on their way, so that the older one
// stays; whoever appended first finds then that he was not the last.
func (s *Store) checkpoint(ctx context.Context, name mr.ModelName, number int64, data []byte) error {
	if err := s.put(ctx, modelKey(name, documentName), data, blob.WriterOptions{}); err != nil {
		return err
	}
	overtaken, err := s.exists(ctx, slotKey(name, number+1))
	if err == nil && overtaken {
		err = mr.ErrOvertaken
	}
	return err
}
