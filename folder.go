package modelregistry

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/ubunye-go/modelregistry/internal/fsstore"
)

// folderStore fits the folder store, which speaks standard types, to Store.
type folderStore struct{ s *fsstore.Store }

func (f *folderStore) Models(ctx context.Context) iter.Seq2[ModelName, error] {
	return func(yield func(ModelName, error) bool) {
		for name, err := range f.s.Models(ctx) {
			if !yield(ModelName{UseCase: name[0], Model: name[1]}, err) {
				return
			}
		}
	}
}

func (f *folderStore) Changed(ctx context.Context, name ModelName, since Revision) (bool, error) {
	return f.s.Changed(ctx, name.UseCase, name.Model, since)
}

func (f *folderStore) Read(ctx context.Context, name ModelName, look func(View) error) error {
	return f.s.Read(ctx, name.UseCase, name.Model, func(v *fsstore.View) error { return look(v) })
}

func (f *folderStore) Append(ctx context.Context, name ModelName, decide func(View) (*Commit, error)) (Appended, error) {
	done, err := f.s.Append(ctx, name.UseCase, name.Model, func(v *fsstore.View) (*fsstore.Commit, error) {
		c, err := decide(v)
		if c == nil || err != nil {
			return nil, err
		}
		commit := &fsstore.Commit{Lines: c.Lines, Document: c.Document}
		for _, t := range c.Trees {
			commit.Trees = append(commit.Trees, fsstore.Tree{Staged: t.Staged.(*fsstore.Staged), Version: t.Version})
		}
		return commit, nil
	})
	if errors.Is(err, fsstore.ErrUncertain) {
		err = fmt.Errorf("%w: %w", ErrUncertain, err)
	}
	return Appended(done), err
}

func (f *folderStore) Stage(ctx context.Context, name ModelName) (Staged, error) {
	st, err := f.s.Stage(ctx, name.UseCase, name.Model)
	if err != nil {
		return nil, err
	}
	return st, nil
}

func (f *folderStore) OpenTree(_ context.Context, name ModelName, version string) (Tree, error) {
	dir, err := f.s.Tree(name.UseCase, name.Model, version)
	if err != nil {
		return nil, err
	}
	return folderTree(dir), nil
}

func (f *folderStore) Close() error { return f.s.Close() }

// folderTree is a version's folder, which stays where it is.
type folderTree string

func (t folderTree) Path() string { return string(t) }
func (t folderTree) Close() error { return nil }
