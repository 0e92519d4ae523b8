package registrytest_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/driver"
	"github.com/ubunye-go/modelregistry/registrytest"
)

// plan takes a view and calls decide with it, as a store without a lock does.
func plan(ctx context.Context, s mr.Store, name mr.ModelName, decide func(driver.View) (*driver.Commit, error)) (c *driver.Commit, end int64, err error) {
	err = s.Read(ctx, name.UseCase, name.Model, func(v driver.View) (err error) {
		if _, end, err = v.Log(0); err == nil {
			c, err = decide(v)
		}
		return err
	})
	return c, end, err
}

func write(ctx context.Context, s mr.Store, name mr.ModelName, c *driver.Commit) (driver.AppendResult, error) {
	return s.Append(ctx, name.UseCase, name.Model, func(driver.View) (*driver.Commit, error) { return c, nil })
}

func end(ctx context.Context, s mr.Store, name mr.ModelName) (end int64) {
	s.Read(ctx, name.UseCase, name.Model, func(v driver.View) (err error) {
		_, end, err = v.Log(0)
		return err
	})
	return end
}

type appender func(s mr.Store, ctx context.Context, name mr.ModelName, decide func(driver.View) (*driver.Commit, error)) (driver.AppendResult, error)

// wrongStore is a sound store with another Append.
type wrongStore struct {
	mr.Store
	append appender
}

func (s wrongStore) Append(ctx context.Context, useCase, model string, decide func(driver.View) (*driver.Commit, error)) (driver.AppendResult, error) {
	name := mr.ModelName{UseCase: useCase, Model: model}
	return s.append(s.Store, ctx, name, decide)
}

// pause is the time that a wrong store's I/O takes between two steps that
// should be one, so that another caller meets the state between them.
func pause() { time.Sleep(5 * time.Millisecond) }

// forgetful does not check whether another append came in between.
func forgetful(s mr.Store, ctx context.Context, name mr.ModelName, decide func(driver.View) (*driver.Commit, error)) (driver.AppendResult, error) {
	c, _, err := plan(ctx, s, name, decide)
	if c == nil || err != nil {
		return driver.AppendResult{}, err
	}
	pause()
	return write(ctx, s, name, c)
}

// statThenWrite checks that, and then writes, in two steps.
func statThenWrite(s mr.Store, ctx context.Context, name mr.ModelName, decide func(driver.View) (*driver.Commit, error)) (driver.AppendResult, error) {
	for {
		c, was, err := plan(ctx, s, name, decide)
		if c == nil || err != nil {
			return driver.AppendResult{}, err
		}
		if end(ctx, s, name) == was {
			pause()
			return write(ctx, s, name, c)
		}
	}
}

// linesFirst shows the line before its tree exists.
func linesFirst(s mr.Store, ctx context.Context, name mr.ModelName, decide func(driver.View) (*driver.Commit, error)) (driver.AppendResult, error) {
	var trees []driver.StagedTree
	done, err := s.Append(ctx, name.UseCase, name.Model, func(v driver.View) (*driver.Commit, error) {
		c, err := decide(v)
		if c == nil || err != nil {
			return nil, err
		}
		trees = c.Trees
		return &driver.Commit{Lines: c.Lines, Checkpoint: c.Checkpoint}, nil
	})
	if err != nil || trees == nil {
		return done, err
	}
	pause()
	_, err = write(ctx, s, name, &driver.Commit{Trees: trees})
	return done, err
}

// fileByFile copies a tree, one file after the other, into the folder that
// readers see, before the change that names it.
type fileByFile struct {
	mr.Store
	dir  string
	half *sync.Map // shared by all handles: the folders of versions that are being copied
}

type halfTree string

func (t halfTree) Path() string { return string(t) }
func (t halfTree) Close() error { return nil }

func (s fileByFile) Append(ctx context.Context, useCase, model string, decide func(driver.View) (*driver.Commit, error)) (driver.AppendResult, error) {
	name := mr.ModelName{UseCase: useCase, Model: model}
	c, _, err := plan(ctx, s.Store, name, decide)
	if c == nil || err != nil {
		return driver.AppendResult{}, err
	}
	for _, t := range c.Trees {
		dir, err := os.MkdirTemp(s.dir, "")
		if err != nil {
			return driver.AppendResult{}, err
		}
		s.half.Store(name.At(t.Version), dir)
		defer s.half.Delete(name.At(t.Version))
		files := os.DirFS(t.Staged.(driver.StagedFolder).Dir())
		err = fs.WalkDir(files, ".", func(file string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return errors.Join(err, os.MkdirAll(filepath.Join(dir, file), 0o777))
			}
			data, err := fs.ReadFile(files, file)
			if err != nil {
				return err
			}
			pause()
			return os.WriteFile(filepath.Join(dir, file), data, 0o666)
		})
		if err != nil {
			return driver.AppendResult{}, err
		}
	}
	return write(ctx, s.Store, name, c)
}

func (s fileByFile) OpenTree(ctx context.Context, useCase, model, version string) (driver.Tree, error) {
	name := mr.ModelName{UseCase: useCase, Model: model}
	if dir, ok := s.half.Load(name.At(version)); ok {
		return halfTree(dir.(string)), nil
	}
	return s.Store.OpenTree(ctx, useCase, model, version)
}

// lineByLine makes several appends of one.
func lineByLine(s mr.Store, ctx context.Context, name mr.ModelName, decide func(driver.View) (*driver.Commit, error)) (done driver.AppendResult, err error) {
	var rest [][]byte
	done, err = s.Append(ctx, name.UseCase, name.Model, func(v driver.View) (*driver.Commit, error) {
		c, err := decide(v)
		if c == nil || err != nil || len(c.Lines) < 2 {
			return c, err
		}
		rest = c.Lines[1:]
		return &driver.Commit{Trees: c.Trees, Lines: c.Lines[:1], Checkpoint: c.Checkpoint}, nil
	})
	for _, line := range rest {
		if err == nil {
			pause()
			done, err = write(ctx, s, name, &driver.Commit{Lines: [][]byte{line}})
		}
	}
	return done, err
}

// documentFirst calls Document before the lines are appended.
func documentFirst(s mr.Store, ctx context.Context, name mr.ModelName, decide func(driver.View) (*driver.Commit, error)) (driver.AppendResult, error) {
	return s.Append(ctx, name.UseCase, name.Model, func(v driver.View) (*driver.Commit, error) {
		c, err := decide(v)
		if c == nil || c.Checkpoint == nil || err != nil {
			return c, err
		}
		_, at, err := v.Log(0)
		for _, line := range c.Lines {
			at += int64(len(line)) + 1
		}
		doc, _ := c.Checkpoint.Make(at)
		return &driver.Commit{Trees: c.Trees, Lines: c.Lines, Checkpoint: &driver.Checkpoint{Make: func(int64) (io.WriterTo, string) { return doc, "" }}}, err
	})
}

// swallows ignores the error of decide.
func swallows(s mr.Store, ctx context.Context, name mr.ModelName, decide func(driver.View) (*driver.Commit, error)) (driver.AppendResult, error) {
	return s.Append(ctx, name.UseCase, name.Model, func(v driver.View) (*driver.Commit, error) {
		c, _ := decide(v)
		return c, nil
	})
}

// lossy is a store that can lose answers, and that tries again.
type lossy struct {
	mr.Store
	lose  atomic.Bool
	check bool // before it tries again, it checks whether the first try succeeded
}

func (s *lossy) Append(ctx context.Context, useCase, model string, decide func(driver.View) (*driver.Commit, error)) (driver.AppendResult, error) {
	name := mr.ModelName{UseCase: useCase, Model: model}
	c, _, err := plan(ctx, s.Store, name, decide)
	if c == nil || err != nil {
		return driver.AppendResult{}, err
	}
	done, err := write(ctx, s.Store, name, c)
	if err != nil || !s.lose.Swap(false) {
		return done, err
	}
	if s.check {
		there := false
		err := s.Read(ctx, useCase, model, func(v driver.View) error {
			data, _, err := v.Log(0)
			there = bytes.HasSuffix(data, append(slices.Clone(c.Lines[0]), '\n'))
			return err
		})
		if there || err != nil {
			return done, err
		}
	}
	return write(ctx, s.Store, name, c)
}

// A forgetting store keeps its first note for ever, and treats any version's
// tree as the registry's.
type forgetting struct{ mr.Store }

func (s forgetting) Read(ctx context.Context, useCase, model string, look func(driver.View) error) error {
	return s.Store.Read(ctx, useCase, model, func(v driver.View) error { return look(forgettingView{v}) })
}

type forgettingView struct{ driver.View }

func (forgettingView) Note() (string, bool)                 { return "0 note", true }
func (forgettingView) Tree(string) (driver.ItemKind, error) { return driver.ItemTree, nil }

// unlooking has Append use the document that it saw before.
func unlooking(s mr.Store, ctx context.Context, name mr.ModelName, decide func(driver.View) (*driver.Commit, error)) (driver.AppendResult, error) {
	return s.Append(ctx, name.UseCase, name.Model, func(v driver.View) (*driver.Commit, error) { return decide(unlookingView{v}) })
}

type unlookingView struct{ driver.View }

func (unlookingView) DocumentChanged(since driver.Revision) bool { return since == nil }

// blind never reports a change.
type blind struct{ mr.Store }

func (blind) Changed(context.Context, string, string, driver.Revision) (bool, error) {
	return false, nil
}

func TestSuiteFindsWrongStores(t *testing.T) {
	t.Parallel()
	wrong := func(a appender) func(mr.Store) mr.Store {
		return func(s mr.Store) mr.Store { return wrongStore{s, a} }
	}
	files := func(wrap func(driver.StagedFiles) driver.StagedFiles) func(mr.Store) mr.Store {
		return func(s mr.Store) mr.Store { return filing{s, wrap} }
	}
	half, dir := new(sync.Map), t.TempDir()
	tests := []struct {
		name string
		wrap func(mr.Store) mr.Store
		want string // the case that must fail
	}{
		{"it does not compare", wrong(forgetful), "Race"},
		{"it does not compare", wrong(forgetful), "Count"},
		{"stat, then write", wrong(statThenWrite), "Race"},
		{"a line before its tree", wrong(linesFirst), "TreeWhole"},
		{"a tree file by file", func(s mr.Store) mr.Store { return fileByFile{s, dir, half} }, "TreeWhole"},
		{"line by line", wrong(lineByLine), "Groups"},
		{"the document before its lines", wrong(documentFirst), "DocumentAfterLines"},
		{"a refusal is ignored", wrong(swallows), "NothingDecided"},
		{"half a line ends there", func(s mr.Store) mr.Store { return cutting{s} }, "LogBackwards"},
		{"manifests are not counted", func(s mr.Store) mr.Store { return miscounting{s} }, "Usage"},
		{"a refusal is ignored", func(s mr.Store) mr.Store { return eager{s} }, "RemoveTrees"},
		{"a tree that is being made is removed", func(s mr.Store) mr.Store { return sweeping{s} }, "Clean"},
		{"the manifest is left out", func(s mr.Store) mr.Store { return forgettingManifest{s} }, "TreeFiles"},
		{"half of a download is reported", func(s mr.Store) mr.Store { return halfFetching{s, s.(driver.TreeReader)} }, "FetchTree"},
		{"other bytes are written", files(func(st driver.StagedFiles) driver.StagedFiles { return blanking{st} }), "StagedFiles"},
		{"an open file is sealed", files(func(st driver.StagedFiles) driver.StagedFiles { return hasty{st} }), "UnfinishedFiles"},
		{"a bad path is cleaned", files(func(st driver.StagedFiles) driver.StagedFiles { return tidying{st} }), "BadFiles"},
		{"a discarded tree stays", files(func(st driver.StagedFiles) driver.StagedFiles { return hoarding{st} }), "DiscardedFiles"},
		{"it never sees a change", func(s mr.Store) mr.Store { return unseeing{s} }, "Look"},
		{"an artifact is presumed", func(s mr.Store) mr.Store { return presuming{s} }, "ArtifactTree"},
		{"it never sees a change", func(s mr.Store) mr.Store { return blind{s} }, "Changed"},
		{"the document is opened again for each part", func(s mr.Store) mr.Store { return reopening{s} }, "DocumentParts"},
		{"an older note is returned", func(s mr.Store) mr.Store { return forgetting{s} }, "Note"},
		{"any version has a tree", func(s mr.Store) mr.Store { return forgetting{s} }, "TreeKind"},
		{"it never sees a change", func(s mr.Store) mr.Store { return blind{s} }, "ExternalChange"},
		{"Append does not check the document", wrong(unlooking), "ExternalChange"},
		{"it does not compare", wrong(forgetful), "ExternalMeanwhile"},
		{"two names are one", func(s mr.Store) mr.Store { return mixing{s} }, "Names"},
		{"case is ignored", func(s mr.Store) mr.Store { return folding{s} }, "Alike"},
		{"case is ignored", func(s mr.Store) mr.Store { return folding{s} }, "AlikeRace"},
		{"any name is accepted", func(s mr.Store) mr.Store { return apart{s} }, "Alike"},
		{"a loss is ignored", wrong(careless), "IndexLost"},
		{"a crash counts as a loss", wrong(anxious), "IndexLost"},
		{"any position is accepted", func(s mr.Store) mr.Store { return clamping{s} }, "BadPositions"},
		{"any revision is accepted", func(s mr.Store) mr.Store { return trusting{s} }, "BadRevisions"},
		{"any version opens", func(s mr.Store) mr.Store { return cleaning{s} }, "BadVersions"},
		{"any version is committed", wrong(renaming), "BadVersions"},
		{"a manifest is believed", func(s mr.Store) mr.Store { return believing{s} }, "BadManifests"},
		{"lines without their tree", wrong(treeless), "Discarded"},
	}
	for _, tt := range tests {
		t.Run(tt.name+"/"+tt.want, func(t *testing.T) {
			t.Parallel()
			memory := registrytest.NewMemory(t)
			open := func() (mr.Store, error) { return tt.wrap(memory.Open()), nil }
			opts := &registrytest.StoreOptions{WriteDocument: memory.WriteDocument, LoseIndex: memory.LoseIndex}
			for range 5 { // a race may need more than one run to fail
				if failures := registrytest.Failures(t.Context(), open, opts, tt.want); failures[tt.want] != nil {
					t.Logf("%s: %.300q", tt.want, failures[tt.want])
					return
				}
			}
			t.Errorf("the case %s passes this store", tt.want)
		})
	}
}

func TestSuiteFindsChangesAppliedTwice(t *testing.T) {
	t.Parallel()
	for _, check := range []bool{false, true} {
		memory := registrytest.NewMemory(t)
		opts := &registrytest.StoreOptions{Lossy: func() (mr.Store, func(), error) {
			s := &lossy{Store: memory.Open(), check: check}
			return s, func() { s.lose.Store(true) }, nil
		}}
		open := func() (mr.Store, error) { return memory.Open(), nil }
		failures := registrytest.Failures(t.Context(), open, opts, "LostAnswer")
		if failed := failures["LostAnswer"] != nil; failed == check {
			t.Errorf("a store that checks before it tries again: %t; the failures: %q", check, failures)
		}
	}
}

// A case that is skipped says so, and says which option it needs.
func TestSkippedCaseNamesItsOption(t *testing.T) {
	t.Parallel()
	memory := registrytest.NewMemory(t)
	open := func() (mr.Store, error) { return memory.Open(), nil }
	all := &registrytest.StoreOptions{Lossy: registrytest.LossyByFaults(open), LoseIndex: memory.LoseIndex}
	for name, option := range map[string]string{"LostAnswer": "StoreOptions.Lossy", "IndexLost": "StoreOptions.LoseIndex"} {
		said := registrytest.Failures(t.Context(), open, nil, name)[name]
		if len(said) != 1 || !strings.HasPrefix(said[0], "skipped: ") || !strings.Contains(said[0], option) {
			t.Errorf("%s without %s: %q", name, option, said)
		}
		if said := registrytest.Failures(t.Context(), open, all, name); len(said) > 0 {
			t.Errorf("%s with %s: %q", name, option, said)
		}
	}
}

// If two handles did not share their data, every race would pass.
func TestSuiteFindsHandlesWithoutSharedData(t *testing.T) {
	t.Parallel()
	open := func() (mr.Store, error) { return registrytest.NewMemory(t).Open(), nil }
	if failures := registrytest.Failures(t.Context(), open, nil, "SameData"); failures["SameData"] == nil {
		t.Error("the suite does not notice")
	}
}

// Each case quotes the contract literally.
func TestRulesQuoteTheContract(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../driver/*.go")
	if err != nil || files == nil {
		t.Fatal(files, err)
	}
	var source []byte
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		source = append(source, data...)
	}
	plain := func(s string) string {
		s = regexp.MustCompile(`(?m)^\s*//|[][]`).ReplaceAllString(s, "") // without the brackets of links
		return strings.ToLower(strings.Join(strings.Fields(s), " "))
	}
	contract := plain(string(source))
	rules := registrytest.Rules()
	for _, name := range slices.Sorted(maps.Keys(rules)) {
		if rule := plain(rules[name]); rule == "" || !strings.Contains(contract, rule) {
			t.Errorf("%s: the contract does not contain %q", name, rules[name])
		}
	}
}

func TestFaults(t *testing.T) {
	t.Parallel()
	cause := errors.New("the disk failed")
	var fault registrytest.Fault
	method := ""
	store := registrytest.WithFaults(registrytest.NewMemory(t).Open(), func(c registrytest.Call) registrytest.Fault {
		if c.Method == method {
			return fault
		}
		return registrytest.Fault{}
	})
	reg := registrytest.NewOn(t, store, nil)
	registrytest.Put(t, reg, fraud.At("1.0.0"), files)

	for _, method = range []string{"Stage", "Seal", "Append"} {
		fault = registrytest.Fault{Err: cause}
		if _, err := reg.Register(t.Context(), fraud, mr.FromFS(files), nil); !errors.Is(err, cause) {
			t.Errorf("a failing %s: got error %v", method, err)
		}
		registrytest.WantStages(t, reg, fraud, map[string]mr.ModelStage{"1.0.0": mr.Development})
	}
	fault = registrytest.Fault{Lost: cause} // the change happens
	if _, err := reg.Register(t.Context(), fraud, mr.FromFS(files), nil); !errors.Is(err, cause) || !errors.Is(err, mr.ErrUncertain) {
		t.Errorf("a lost answer of Register: got error %v", err)
	}
	registrytest.WantStages(t, reg, fraud, map[string]mr.ModelStage{"1.0.0": mr.Development, "1.0.1": mr.Development})

	method, fault = "OpenTree", registrytest.Fault{Delay: 1 << 40}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := reg.GetModel(ctx, fraud.At("1.0.0"), nil); !errors.Is(err, context.Canceled) {
		t.Errorf("a delayed call: got error %v", err)
	}
	method = ""
}
