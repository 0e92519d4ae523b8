package registrytest_test

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/driver"
)

// folding treats names that differ in case only as one, as a file system may.
type folding struct{ mr.Store }

func folded(name string) string { return strings.ToLower(name) }

func (s folding) Read(ctx context.Context, useCase, model string, look func(driver.View) error) error {
	return s.Store.Read(ctx, folded(useCase), folded(model), look)
}

func (s folding) Append(ctx context.Context, useCase, model string, decide func(driver.View) (*driver.Commit, error)) (driver.AppendResult, error) {
	return s.Store.Append(ctx, folded(useCase), folded(model), decide)
}

func (s folding) Stage(ctx context.Context, useCase, model string) (driver.StagedFolder, error) {
	return s.Store.Stage(ctx, folded(useCase), folded(model))
}

func (s folding) OpenTree(ctx context.Context, useCase, model, version string) (driver.Tree, error) {
	return s.Store.OpenTree(ctx, folded(useCase), folded(model), version)
}

// apart accepts any names, also those that can't be copied everywhere.
type apart struct{ mr.Store }

func encoded(name string) string { return hex.EncodeToString([]byte(name)) }

func (s apart) Read(ctx context.Context, useCase, model string, look func(driver.View) error) error {
	return s.Store.Read(ctx, encoded(useCase), encoded(model), look)
}

func (s apart) Append(ctx context.Context, useCase, model string, decide func(driver.View) (*driver.Commit, error)) (driver.AppendResult, error) {
	return s.Store.Append(ctx, encoded(useCase), encoded(model), decide)
}

func (s apart) OpenTree(ctx context.Context, useCase, model, version string) (driver.Tree, error) {
	return s.Store.OpenTree(ctx, encoded(useCase), encoded(model), version)
}

// careless commits although log and document are lost.
func careless(s mr.Store, ctx context.Context, name mr.ModelName, decide func(driver.View) (*driver.Commit, error)) (driver.AppendResult, error) {
	done, err := s.Append(ctx, name.UseCase, name.Model, decide)
	if errors.Is(err, mr.ErrIndexLost) {
		err = nil
	}
	return done, err
}

// anxious reports any tree without a log as a loss.
func anxious(s mr.Store, ctx context.Context, name mr.ModelName, decide func(driver.View) (*driver.Commit, error)) (driver.AppendResult, error) {
	if tree, err := s.OpenTree(ctx, name.UseCase, name.Model, "1.0.0"); err == nil {
		tree.Close()
		if end(ctx, s, name) == 0 {
			return driver.AppendResult{}, fmt.Errorf("%w: a tree exists", mr.ErrIndexLost)
		}
	}
	return s.Append(ctx, name.UseCase, name.Model, decide)
}
