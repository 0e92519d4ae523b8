package registrytest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/driver"
)

// mixing treats two names as one, like a store that decodes names by mistake.
type mixing struct{ mr.Store }

func mixed(name string) string { return strings.ReplaceAll(name, "+", " ") }

func (s mixing) Read(ctx context.Context, useCase, model string, look func(driver.View) error) error {
	return s.Store.Read(ctx, useCase, mixed(model), look)
}

func (s mixing) Append(ctx context.Context, useCase, model string, decide func(driver.View) (*driver.Commit, error)) (driver.AppendResult, error) {
	return s.Store.Append(ctx, useCase, mixed(model), decide)
}

// clamping returns some lines for any position.
type clamping struct{ mr.Store }

type clampingView struct{ driver.View }

func (s clamping) Read(ctx context.Context, useCase, model string, look func(driver.View) error) error {
	return s.Store.Read(ctx, useCase, model, func(v driver.View) error { return look(clampingView{v}) })
}

func (v clampingView) Log(from int64) ([]byte, int64, error) {
	if data, end, err := v.View.Log(from); err == nil {
		return data, end, nil
	}
	_, end, err := v.View.Log(0)
	return nil, end, err
}

// cutting starts at any byte when it reads a log backwards.
type cutting struct{ mr.Store }

type cuttingView struct{ driver.BackwardLog }

func (s cutting) Read(ctx context.Context, useCase, model string, look func(driver.View) error) error {
	return s.Store.Read(ctx, useCase, model, func(v driver.View) error { return look(cuttingView{v.(driver.BackwardLog)}) })
}

func (v cuttingView) LogBefore(end int64, size int) ([]byte, int64, error) {
	lines, start, err := v.BackwardLog.LogBefore(end, size)
	cut := min(len(lines), 1)
	return lines[cut:], start + int64(cut), err
}

// reopening reads each part from the document that is there then.
type reopening struct{ mr.Store }

type reopeningView struct {
	driver.View
	read func(func(driver.View) error) error
}

func (s reopening) Read(ctx context.Context, useCase, model string, look func(driver.View) error) error {
	read := func(look func(driver.View) error) error { return s.Store.Read(ctx, useCase, model, look) }
	return read(func(v driver.View) error { return look(reopeningView{v, read}) })
}

func (v reopeningView) OpenDocument() (driver.DocumentParts, int64, error) {
	data, ok, err := v.View.Document()
	if err != nil || !ok {
		return nil, 0, err
	}
	return v, int64(len(data)), nil
}

func (v reopeningView) ReadAt(part []byte, offset int64) (n int, err error) {
	err = v.read(func(v driver.View) error {
		data, _, err := v.Document()
		if err == nil {
			n, err = bytes.NewReader(data).ReadAt(part, offset)
		}
		return err
	})
	return n, err
}

func (v reopeningView) Close() error { return nil }

// miscounting does not count one file of each tree.
type miscounting struct{ mr.Store }

func (s miscounting) Usage(ctx context.Context, useCase, model string) iter.Seq2[driver.ItemUsage, error] {
	return func(yield func(driver.ItemUsage, error) bool) {
		for u, err := range s.Store.(driver.Usage).Usage(ctx, useCase, model) {
			if u.Item.Version != "" {
				u.Files--
			}
			if !yield(u, err) {
				return
			}
		}
	}
}

// sweeping takes any tree that is being made for that of a dead process.
type sweeping struct{ mr.Store }

func (s sweeping) Clean(context.Context, string, string, time.Duration, bool) ([]driver.Remains, error) {
	return []driver.Remains{{ItemUsage: driver.ItemUsage{Item: driver.Item{Kind: driver.ItemStaging}}}}, nil
}

// eager removes trees even if decide refuses.
type eager struct{ mr.Store }

func (s eager) RemoveTrees(ctx context.Context, useCase, model string, decide func(driver.View) ([]string, error)) (removed []string, err error) {
	var refusal error
	removed, err = s.Store.(driver.Remover).RemoveTrees(ctx, useCase, model, func(v driver.View) (versions []string, _ error) {
		versions, refusal = decide(v)
		return versions, nil
	})
	return removed, errors.Join(refusal, err)
}

// trusting accepts any revision as its own.
type trusting struct{ mr.Store }

func (s trusting) Changed(ctx context.Context, useCase, model string, since driver.Revision) (bool, error) {
	if since != nil && !strings.Contains(fmt.Sprintf("%T", since), "memRevision") {
		return false, nil
	}
	return s.Store.Changed(ctx, useCase, model, since)
}

// cleaning turns any version into a valid one.
type cleaning struct{ mr.Store }

func (s cleaning) OpenTree(ctx context.Context, useCase, model, version string) (driver.Tree, error) {
	return s.Store.OpenTree(ctx, useCase, model, path.Base(version))
}

// renaming turns any version into a valid one when it commits.
func renaming(s mr.Store, ctx context.Context, name mr.ModelName, decide func(driver.View) (*driver.Commit, error)) (driver.AppendResult, error) {
	return s.Append(ctx, name.UseCase, name.Model, func(v driver.View) (*driver.Commit, error) {
		c, err := decide(v)
		if c == nil || err != nil {
			return c, err
		}
		inner := *c
		inner.Trees = nil
		for _, t := range c.Trees {
			inner.Trees = append(inner.Trees, driver.StagedTree{Staged: t.Staged, Version: path.Base(t.Version)})
		}
		return &inner, nil
	})
}

// treeless commits the lines if it can't place the trees.
func treeless(s mr.Store, ctx context.Context, name mr.ModelName, decide func(driver.View) (*driver.Commit, error)) (driver.AppendResult, error) {
	c, _, err := plan(ctx, s, name, decide)
	if c == nil || err != nil {
		return driver.AppendResult{}, err
	}
	if done, err := write(ctx, s, name, c); err == nil {
		return done, nil
	}
	return write(ctx, s, name, &driver.Commit{Lines: c.Lines, Checkpoint: c.Checkpoint})
}

// believing makes the files that a manifest names, anywhere.
type believing struct{ mr.Store }

func (s believing) OpenTree(ctx context.Context, useCase, model, version string) (driver.Tree, error) {
	tree, err := s.Store.OpenTree(ctx, useCase, model, version)
	if err != nil {
		return nil, err
	}
	var manifest struct{ Files []struct{ Path string } }
	data, err := os.ReadFile(filepath.Join(tree.Path(), "manifest.json"))
	if err == nil && json.Unmarshal(data, &manifest) == nil {
		for _, f := range manifest.Files {
			if strings.HasSuffix(f.Path, "../escaped") {
				os.WriteFile(filepath.Join(tree.Path(), filepath.FromSlash(f.Path)), nil, 0o666)
			}
		}
	}
	return tree, nil
}
