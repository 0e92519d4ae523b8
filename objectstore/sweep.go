package objectstore

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"slices"
	"strings"
	"time"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/internal/pathname"
	"github.com/ubunye-go/modelregistry/objectstore/internal/s3service"
)

// SweepOptions are options of Sweep. The zero value and nil only list.
type SweepOptions struct {
	// OlderThan spares uploads that are newer: they may be under way. The age
	// of an upload is that of its newest file. 0 means a day. If an upload that
	// is under way is swept all the same, its registration fails with ErrSwept.
	// No version ever loses files.
	OlderThan time.Duration
	// Apply makes Sweep act. Without it, Sweep only lists the work.
	Apply bool
}

// orDefault returns the options with their defaults. o may be nil.
func (o *SweepOptions) orDefault() SweepOptions {
	var opts SweepOptions
	if o != nil {
		opts = *o
	}
	if opts.OlderThan == 0 {
		opts.OlderThan = 24 * time.Hour
	}
	return opts
}

// young reports whether one of the objects is too new to be swept.
func (o SweepOptions) young(objects []object) bool {
	return slices.ContainsFunc(objects, func(f object) bool { return time.Since(f.time) < o.OlderThan })
}

// Swept is the work of Sweep on one upload, done or to be done.
type Swept struct {
	Name    mr.ModelName
	Version string // the version whose files are put in place; empty if no change names the files, and they are removed
	Upload  string // the upload's id
	Objects int

	// Unfinished is the key, below the model, of a large file whose upload was
	// never finished. The parts that S3 has of it are removed: Bytes, sent
	// until Newest. Upload is the service's id then, and Objects is 0.
	Unfinished string
	Bytes      int64
	Newest     time.Time
}

// Sweep cleans up after processes that died during a registration. Without
// Apply it only lists the work. It puts files that a change names in their
// place. It removes other files, after it has made a change of its own which
// records that they are removed. A registration that only stalled finds that
// change, and can't name files that no longer exist. With Apply, Sweep returns
// [mr.ErrFormat] for a model that a later release wrote, and that this one may
// only read.
//
// In S3, Sweep also removes the parts of large files whose upload was never
// finished, if neither a part nor a file of the same upload is newer than
// OlderThan. If the service or the rights of the user don't permit listing
// them, the Logger gets a warning.
func (s *Store) Sweep(ctx context.Context, name mr.ModelName, opts *SweepOptions) ([]Swept, error) {
	if err := name.Validate(); err != nil {
		return nil, err
	}
	if err := s.checkBucket(ctx); err != nil {
		return nil, err
	}
	o := opts.orDefault()
	unfinished, err := s.unfinished(ctx, modelKey(name, ""), o)
	if err != nil {
		return nil, err
	}
	unfinished = slices.DeleteFunc(unfinished, func(u s3service.Upload) bool { return !ours(u.Key) })
	return s.sweep(ctx, name, o, unfinished)
}

// sweep sweeps a model. Unfinished are the uploads in parts of its files, with
// keys below the model.
func (s *Store) sweep(ctx context.Context, name mr.ModelName, o SweepOptions, unfinished []s3service.Upload) ([]Swept, error) {
	uploads, err := s.uploads(ctx, name)
	if err != nil || len(uploads)+len(unfinished) == 0 {
		return nil, err
	}
	v := s.view(ctx, name)
	named, err := v.uploadsNamed()
	if err != nil {
		return nil, err
	}
	if o.Apply {
		if err := v.writable(); err != nil {
			return nil, err
		}
	}
	done, err := s.sweepUploads(ctx, name, o, uploads, named)
	parts, partsErr := s.sweepUnfinished(ctx, name, o, unfinished, uploads)
	return append(done, parts...), errors.Join(err, partsErr)
}

// sweepUploads sweeps the uploads of a model, of which changes name some.
func (s *Store) sweepUploads(ctx context.Context, name mr.ModelName, o SweepOptions, uploads map[string][]object, named map[string]string) ([]Swept, error) {
	var done []Swept
	var dead []string
	for _, id := range sortedKeys(uploads) {
		objects := uploads[id]
		version, isNamed := named[id]
		if !isNamed && o.young(objects) {
			continue
		}
		done = append(done, Swept{Name: name, Version: version, Upload: id, Objects: len(objects)})
		if !isNamed {
			dead = append(dead, id)
		} else if o.Apply {
			if err := s.finish(ctx, name, version, id, objects); err != nil {
				return done, err
			}
		}
	}
	if len(dead) == 0 || !o.Apply {
		return done, nil
	}
	if err := s.checkPrefix(ctx); err != nil {
		return done, err
	}
	dead, err := s.declareDead(ctx, name, dead)
	if err != nil {
		return done, err
	}
	for _, id := range dead {
		objects := uploads[id]
		err := s.each(ctx, len(objects), func(ctx context.Context, i int) error { return s.remove(ctx, objects[i].key) })
		if err != nil {
			return done, err
		}
	}
	return slices.DeleteFunc(done, func(d Swept) bool { return d.Version == "" && !slices.Contains(dead, d.Upload) }), nil
}

// uploads lists the objects of each upload.
func (s *Store) uploads(ctx context.Context, name mr.ModelName) (map[string][]object, error) {
	dir := modelKey(name, stagingDir)
	list, err := s.list(ctx, dir, true, 0)
	uploads := map[string][]object{}
	for _, o := range list {
		if id, file, ok := strings.Cut(strings.TrimPrefix(o.key, dir), "/"); ok && file != "" && pathname.IsID(id) {
			uploads[id] = append(uploads[id], o)
		}
	}
	return uploads, err
}

// uploadsNamed maps the uploads that changes name to their versions.
func (v *view) uploadsNamed() (map[string]string, error) {
	if err := v.fetchAfter(0); err != nil {
		return nil, err
	}
	named := map[string]string{}
	for _, sl := range v.slots {
		for version, info := range sl.Trees {
			named[info.Staging] = version
		}
	}
	return named, nil
}

// finish puts a version's files in their place, if all of them exist. If some
// are missing, another process was at work.
func (s *Store) finish(ctx context.Context, name mr.ModelName, version, id string, objects []object) error {
	dir := modelKey(name, stagingDir+id+"/")
	var files []fileInfo
	for _, o := range objects {
		files = append(files, fileInfo{Path: strings.TrimPrefix(o.key, dir), Size: o.size})
	}
	whole := slices.ContainsFunc(files, func(f fileInfo) bool { return f.Path == manifestName })
	if !whole { // the manifest is in place already, and another process is removing the upload
		there, err := s.exists(ctx, modelKey(name, versionsDir+version+"/"+manifestName))
		if err != nil || !there {
			return err
		}
		return s.each(ctx, len(objects), func(ctx context.Context, i int) error { return s.remove(ctx, objects[i].key) })
	}
	remains, err := s.otherRemains(ctx, name, version, dir)
	if err != nil {
		return err
	}
	return s.publish(ctx, name, version, id, files, remains)
}

// otherRemains lists the objects in a version's place if they are another tree
// than the one that was uploaded to dir.
func (s *Store) otherRemains(ctx context.Context, name mr.ModelName, version, dir string) ([]object, error) {
	place := modelKey(name, versionsDir+version+"/")
	there, err := s.get(ctx, place+manifestName)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if mine, err := s.get(ctx, dir+manifestName); err != nil || bytes.Equal(there, mine) {
		return nil, err
	}
	return s.list(ctx, place, true, 0)
}

// declareDead records that uploads will be removed. It returns those that no
// change named meanwhile.
func (s *Store) declareDead(ctx context.Context, name mr.ModelName, dead []string) ([]string, error) {
	seen := int64(0)
	err := s.race(ctx, name, func() (bool, error) {
		v := s.view(ctx, name)
		if err := v.fetchAfter(seen); err != nil {
			return false, err
		}
		seen = v.newest
		if err := v.writable(); err != nil {
			return false, err
		}
		for _, sl := range v.slots {
			dead = slices.DeleteFunc(dead, func(id string) bool {
				for _, info := range sl.Trees {
					if info.Staging == id {
						return true
					}
				}
				return false
			})
		}
		if len(dead) == 0 {
			return true, nil
		}
		if err := v.checkFirst(); err != nil {
			return false, err
		}
		sl, err := v.next(nil)
		if err != nil {
			return false, err
		}
		sl.Swept = dead
		return s.createSlot(ctx, v, sl)
	})
	if err != nil {
		return nil, err
	}
	return dead, nil
}

func sortedKeys[V any](m map[string]V) []string {
	var keys []string
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
