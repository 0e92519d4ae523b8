package registrytest_test

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	mr "github.com/ubunye-go/modelregistry"
)

// folding takes names for one that differ in case only, as a file system may.
type folding struct{ mr.Store }

func folded(name mr.ModelName) mr.ModelName {
	return mr.ModelName{UseCase: strings.ToLower(name.UseCase), Model: strings.ToLower(name.Model)}
}

func (s folding) Read(ctx context.Context, name mr.ModelName, look func(mr.View) error) error {
	return s.Store.Read(ctx, folded(name), look)
}

func (s folding) Append(ctx context.Context, name mr.ModelName, decide func(mr.View) (*mr.Commit, error)) (mr.Appended, error) {
	return s.Store.Append(ctx, folded(name), decide)
}

func (s folding) Stage(ctx context.Context, name mr.ModelName) (mr.Staged, error) {
	return s.Store.Stage(ctx, folded(name))
}

func (s folding) OpenTree(ctx context.Context, name mr.ModelName, version string) (mr.Tree, error) {
	return s.Store.OpenTree(ctx, folded(name), version)
}

// apart keeps any names, which then can't be copied everywhere.
type apart struct{ mr.Store }

func encoded(name mr.ModelName) mr.ModelName {
	return mr.ModelName{UseCase: hex.EncodeToString([]byte(name.UseCase)), Model: hex.EncodeToString([]byte(name.Model))}
}

func (s apart) Read(ctx context.Context, name mr.ModelName, look func(mr.View) error) error {
	return s.Store.Read(ctx, encoded(name), look)
}

func (s apart) Append(ctx context.Context, name mr.ModelName, decide func(mr.View) (*mr.Commit, error)) (mr.Appended, error) {
	return s.Store.Append(ctx, encoded(name), decide)
}

func (s apart) OpenTree(ctx context.Context, name mr.ModelName, version string) (mr.Tree, error) {
	return s.Store.OpenTree(ctx, encoded(name), version)
}

// careless goes on where log and document are gone.
func careless(s mr.Store, ctx context.Context, name mr.ModelName, decide func(mr.View) (*mr.Commit, error)) (mr.Appended, error) {
	done, err := s.Append(ctx, name, decide)
	if errors.Is(err, mr.ErrIndexLost) {
		err = nil
	}
	return done, err
}

// anxious takes any tree without a log for a loss.
func anxious(s mr.Store, ctx context.Context, name mr.ModelName, decide func(mr.View) (*mr.Commit, error)) (mr.Appended, error) {
	if tree, err := s.OpenTree(ctx, name, "1.0.0"); err == nil {
		tree.Close()
		if end(ctx, s, name) == 0 {
			return mr.Appended{}, fmt.Errorf("%w: a tree is there", mr.ErrIndexLost)
		}
	}
	return s.Append(ctx, name, decide)
}
