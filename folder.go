package modelregistry

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/ubunye-go/modelregistry/internal/fsstore"
	"github.com/ubunye-go/modelregistry/internal/pathname"
)

// folderStore fits the folder store, which speaks standard types, to Store.
type folderStore struct{ s *fsstore.Store }

// NewFolderStore returns the store that [Open] puts a registry on, for whoever wraps
// it before New. It is a [Maintainer]. It refuses the names that Open refuses.
func NewFolderStore(dir string) (Store, error) {
	s, err := openFolder(dir)
	if err != nil {
		return nil, err
	}
	return s, nil
}

// checkStore refuses a name that is no folder's, and says what to use instead.
func checkStore(dir string) error {
	err := pathname.CheckFolder(dir)
	switch {
	case err == nil:
		return nil
	case dir == "" || dir[0] == '~':
		return invalid("store %q: %v", dir, err)
	}
	return invalid("store %q: %v; for one in a bucket, give what objectstore.Open returns to modelregistry.New", dir, err)
}

func openFolder(dir string) (*folderStore, error) {
	if err := checkStore(dir); err != nil {
		return nil, err
	}
	s, err := fsstore.Open(dir)
	if err != nil {
		return nil, err
	}
	return &folderStore{s}, nil
}

func (f *folderStore) Models(ctx context.Context) iter.Seq2[ModelName, error] {
	return modelNames(f.s.Models(ctx))
}

func modelNames(names iter.Seq2[[2]string, error]) iter.Seq2[ModelName, error] {
	return func(yield func(ModelName, error) bool) {
		for name, err := range names {
			if !yield(ModelName{UseCase: name[0], Model: name[1]}, err) {
				return
			}
		}
	}
}

func (f *folderStore) Changed(ctx context.Context, name ModelName, since Revision) (bool, error) {
	changed, err := f.s.Changed(ctx, name.UseCase, name.Model, since)
	return changed, folderError(err)
}

// folderError returns a folder store's error as a Store's.
func folderError(err error) error {
	if err == nil {
		return nil
	}
	var name *fsstore.NameError
	var lost *fsstore.LostError
	switch {
	case errors.As(err, &name):
		return &NameError{ModelName{name.UseCase, name.Model}, ModelName{name.OtherUseCase, name.OtherModel}}
	case errors.As(err, &lost):
		return fmt.Errorf("%w, and %w: repair the model first", ErrIndexLost, err)
	}
	return err
}

// look is Changed and, if it is so, Read at once.
func (f *folderStore) look(ctx context.Context, name ModelName, since Revision) (View, error) {
	v, err := f.s.Look(ctx, name.UseCase, name.Model, since)
	if v == nil {
		return nil, folderError(err)
	}
	return folderView{v}, err
}

// A folderView is a NotedView and a TreeView.
type folderView struct{ *fsstore.View }

func (v folderView) Tree(version string) (ItemKind, error) {
	kind, err := v.View.Tree(version)
	return ItemKind(kind), err
}

func (f *folderStore) Read(ctx context.Context, name ModelName, look func(View) error) error {
	return folderError(f.s.Read(ctx, name.UseCase, name.Model, func(v *fsstore.View) error { return look(folderView{v}) }))
}

func (f *folderStore) Append(ctx context.Context, name ModelName, decide func(View) (*Commit, error)) (Appended, error) {
	done, err := f.s.Append(ctx, name.UseCase, name.Model, func(v *fsstore.View) (*fsstore.Commit, error) {
		c, err := decide(folderView{v})
		if c == nil || err != nil {
			return nil, err
		}
		commit := &fsstore.Commit{Lines: c.Lines, Document: c.Document, Note: c.Note}
		for _, t := range c.Trees {
			if err := t.Validate(); err != nil {
				return nil, err
			}
			commit.Trees = append(commit.Trees, fsstore.Tree{Staged: t.Staged.(*fsstore.Staged), Version: t.Version})
		}
		return commit, nil
	})
	var broken *fsstore.ChangeFileError
	var corrupt *CorruptError
	switch {
	case errors.Is(err, fsstore.ErrUncertain):
		err = fmt.Errorf("%w: %w", ErrUncertain, err)
	case errors.As(err, &broken) && !errors.As(err, &corrupt): // found after decide
		err = &CorruptError{Path: broken.Path, Err: broken.Err}
	}
	if errors.Is(done.DocumentErr, fsstore.ErrOvertaken) {
		done.DocumentErr = fmt.Errorf("%w: %w", ErrOvertaken, done.DocumentErr)
	}
	return Appended(done), folderError(err)
}

func (f *folderStore) Stage(ctx context.Context, name ModelName) (Staged, error) {
	st, err := f.s.Stage(ctx, name.UseCase, name.Model)
	if err != nil {
		return nil, folderError(err)
	}
	return st, nil
}

func (f *folderStore) OpenTree(_ context.Context, name ModelName, version string) (Tree, error) {
	dir, err := f.s.Tree(name.UseCase, name.Model, version)
	if err != nil {
		return nil, folderError(err)
	}
	return (*folderTree)(dir), nil
}

func (f *folderStore) Places(ctx context.Context) iter.Seq2[ModelName, error] {
	return modelNames(f.s.Places(ctx))
}

func (f *folderStore) Inspect(ctx context.Context, name ModelName) iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) {
		for it, err := range f.s.Inspect(ctx, name.UseCase, name.Model) {
			if !yield(Item{ItemKind(it.Kind), it.Path, it.Version}, err) {
				return
			}
		}
	}
}

func (f *folderStore) Replace(ctx context.Context, name ModelName, decide func(View) (*Replacement, error)) ([]string, error) {
	kept, err := f.s.Replace(ctx, name.UseCase, name.Model, func(v *fsstore.View) (*fsstore.Replacement, error) {
		r, err := decide(folderView{v})
		if r == nil || err != nil {
			return nil, err
		}
		replacement := &fsstore.Replacement{Log: r.Log, Document: r.Document, Note: r.Note, Aside: r.Aside}
		for _, it := range r.Remove {
			replacement.Remove = append(replacement.Remove, fsstore.Item{Kind: fsstore.Kind(it.Kind), Path: it.Path, Version: it.Version})
		}
		return replacement, nil
	})
	if errors.Is(err, fsstore.ErrOvertaken) {
		return kept, fmt.Errorf("%w: %w", ErrConflict, err)
	}
	return kept, folderError(err)
}

func (f *folderStore) Close() error { return f.s.Close() }

// folderTree is a version's folder, which stays where it is.
type folderTree fsstore.Folder

func (t *folderTree) Path() string { return t.Dir }
func (t *folderTree) Close() error { return nil }
