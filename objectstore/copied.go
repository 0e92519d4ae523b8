package objectstore

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"log/slog"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/internal/logformat"
)

// A folder that was copied into a bucket has its history in one object,
// history.jsonl. The object is the log until the first change. The first change
// contains all of its lines, at the same positions. After that the object is
// not needed, and is removed.

// errBegun says that the first change was made meanwhile, and may have removed
// the object.
var errBegun = errors.New("the first change was made meanwhile")

// copied is Log for a model without changes.
func (v *view) copied(from int64) ([]byte, int64, error) {
	if from == 0 && v.before != nil {
		return v.before, int64(len(v.before)), nil
	}
	start := max(0, from-1) // with the newline before it
	data, err := v.s.getFrom(v.ctx, modelKey(v.name, logName), start)
	if errors.Is(err, fs.ErrNotExist) {
		var begun bool
		if begun, err = v.s.exists(v.ctx, slotKey(v.name, 1)); begun {
			return nil, 0, errBegun
		}
	} else if err == nil {
		v.hasCopy = true
	}
	if err != nil {
		return nil, 0, err
	}
	data = data[:logformat.Whole(data)]
	if from > 0 {
		if len(data) == 0 || data[0] != '\n' {
			return nil, 0, v.noPosition(from, start+int64(len(data)))
		}
		data = data[1:]
	} else {
		v.before = append(make([]byte, 0, len(data)), data...) // not nil, and without spare capacity
	}
	return data, from + int64(len(data)), nil
}

// takenOver removes the history of a copied folder once the first change
// contains it.
func (s *Store) takenOver(ctx context.Context, name mr.ModelName) {
	if err := s.remove(ctx, modelKey(name, logName)); err != nil {
		s.log.LogAttrs(ctx, slog.LevelWarn, "history.jsonl could not be removed; the first change contains it",
			slog.String("model", name.String()), slog.Any("error", err))
	}
}

// getFrom returns an object's bytes from an offset on, and none if the object
// is shorter.
func (s *Store) getFrom(ctx context.Context, key string, offset int64) (data []byte, err error) {
	err = retry(ctx, func() error {
		ctx, cancel := context.WithTimeout(ctx, 10*smallFor) // the object may be large
		defer cancel()
		r, err := s.bucket.NewRangeReader(ctx, s.prefix+key, offset, -1, s.downloadOptions())
		if err != nil {
			return err
		}
		defer r.Close()
		data, err = io.ReadAll(r)
		return err
	})
	if err == nil || errors.Is(fail("", "", err), fs.ErrNotExist) || offset == 0 {
		return data, fail("get", s.prefix+key, err)
	}
	// Services report an offset after the end in different words.
	there, attrErr := s.bucket.Attributes(ctx, s.prefix+key)
	if attrErr == nil && there.Size <= offset {
		return nil, nil
	}
	return nil, fail("get", s.prefix+key, err)
}
