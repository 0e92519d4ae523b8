package registrytest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/driver"
)

// StoreOptions are options of TestStore. Nil and the zero value work.
type StoreOptions struct {
	// Rounds is how many rounds 8 callers race to make one append. It is at
	// least 200.
	Rounds int

	// Lossy opens a handle on the same data that can lose an answer: after lose
	// is called, the next write happens, and its answer is lost. Without Lossy
	// the case LostAnswer is skipped. For a store whose own calls can't lose an
	// answer, use [LossyByFaults].
	Lossy func() (store mr.Store, lose func(), err error)

	// WriteDocument writes a model's document as another program does, without
	// any store. Without it the cases ExternalChange and ExternalMeanwhile are
	// skipped.
	WriteDocument func(name mr.ModelName, document []byte) error

	// LoseIndex removes a model's log and document from the data, as happens
	// when a person copies a store and forgets some files. Without it the case
	// IndexLost is skipped.
	LoseIndex func(name mr.ModelName) error
}

// LossyByFaults makes a StoreOptions.Lossy from the function that opens a
// store. It loses the answer of Append.
func LossyByFaults(open func() (mr.Store, error)) func() (store mr.Store, lose func(), err error) {
	return func() (mr.Store, func(), error) {
		store, err := open()
		if err != nil {
			return nil, nil, err
		}
		var next atomic.Bool
		faults := WithFaults(store, func(c Call) (f Fault) {
			if c.Method == "Append" && next.Swap(false) {
				f.Lost = errors.New("the answer was lost")
			}
			return f
		})
		return faults, func() { next.Store(true) }, nil
	}
}

// TestStore tests a store against the contract in the documentation of package
// driver. Each case quotes the rule that it checks. open opens a further handle
// on the same data, which is empty at first. The suite opens many handles, uses
// them at the same time, and closes them. Run it with the race detector too.
func TestStore(t *testing.T, open func() (mr.Store, error), opts *StoreOptions) {
	t.Helper()
	for _, c := range cases {
		ok := t.Run(c.name, func(t *testing.T) {
			t.Log("the rule: " + c.rule)
			c.run(newSuite(t, c, open, opts))
		})
		if !ok && c.first {
			t.Fatal("the handles don't share their data; no other case was run")
		}
	}
}

// reporter is the part of *testing.T that a case needs. The suite's own tests
// use another implementation, which records the failures of wrong stores.
type reporter interface {
	Helper()
	Context() context.Context
	Cleanup(func())
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any) // for the goroutine of the case only
	Skipf(format string, args ...any)  // likewise
}

// A storeCase checks one rule of the contract.
type storeCase struct {
	name  string
	rule  string // as the contract words it
	first bool   // if it fails, no other case is run
	run   func(*suite)
}

// cases are in an order in which later cases rely on earlier ones.
var cases = []storeCase{
	{"SameData", "All methods may be called concurrently, and several processes may use a store at the same time.", true, sameData},
	{"Absent", "A model that does not exist has no document and an empty log.", false, absent},
	{"Log", "returns the whole lines from a position on, each with its newline, and the position after them.", false, logPositions},
	{"LogBackwards", "LogBefore returns the whole lines that end at a position, each with its newline, and the position where they start: as many as fit into size bytes, and at least one.", false, logBackwards},
	{"LargeLog", "Lines are appended to the log, in order, as one append.", false, largeLog},
	{"NothingDecided", "If decide returns an error, Append returns that error as it is, and nothing happens. Nothing happens for a nil commit either.", false, nothingDecided},
	{"Document", "A commit without lines replaces the document and nothing else.", false, documents},
	{"DocumentAfterLines", "It is called after the lines are safe, with the position after them.", false, documentAfterLines},
	{"DocumentParts", "All parts are of one document, unless another program writes it in place.", false, documentParts},
	{"Note", "Note returns the Note of the commit that last put a document in place, whatever another program made of the document since.", false, notes},
	{"TreeKind", "Tree returns what kind of tree a version has: ItemTree for a tree with a manifest, ItemBare for a tree without one, and no kind if there is no tree.", false, treeKinds},
	{"Changed", "Changed reports whether the model may have changed since the revision was taken.", false, changed},
	{"Look", "Look returns a view of the model if the model may have changed since the revision, and nil if it has not.", false, look},
	{"ExternalChange", "ChangedExternally is Changed that also checks the document.", false, externalChange},
	{"ExternalMeanwhile", "If the answer is no, that document stays, and DocumentErr matches ErrOvertaken.", false, externalMeanwhile},
	{"Models", "Models yields the names of the models, sorted.", false, models},
	{"ReaderFails", "Read calls look with a view of the model's present bytes, and returns what look returns.", false, readerFails},
	{"Race", "makes the commit that decide returns happen, whole or not at all, provided that nothing was appended since the view was taken", false, race},
	{"Count", "provided that nothing was appended since the view was taken", false, count},
	{"Groups", "Reads take no lock and see whole lines and whole trees only.", false, groups},
	{"Tree", "OpenTree returns a version's tree as a local folder that stays until Close.", false, trees},
	{"TreeWhole", "A version's tree is complete before the lines that come with it can be read.", false, treeWhole},
	{"TreeLeft", "If a tree is already in the place of one, and the log does not name it, it is the remains of a change that did not happen. It is put aside if it has a manifest. Without a manifest it belongs to another program, and the commit fails with an *OccupiedError, which matches fs.ErrExist.", false, treeLeft},
	{"ArtifactTree", "Artifact returns the path of the artifact's folder. It is empty if OpenTree did not find a folder of that name.", false, artifactTree},
	{"TreeFiles", "ReadTree returns the files of a version's tree, the same that OpenTree has in its folder.", false, treeFiles},
	{"CachedTree", "CachedTree is OpenTree for a tree that is on this machine, and ReadTree for any other: one of the two results is nil.", false, cachedTree},
	{"FetchTree", "FetchTree is OpenTree that reports a download.", false, fetchTree},
	{"StagedFiles", "StageFiles begins a tree that no reader sees.", false, stagedFiles},
	{"UnfinishedFiles", "Seal fails if a file is still open, or if a Write or Close failed.", false, unfinishedFiles},
	{"BadFiles", "Create refuses a file with an error, and the tree stays as it was.", false, badFiles},
	{"DiscardedFiles", "Discard removes what was written of open files too.", false, discardedFiles},
	{"Usage", "Usage yields what a model consists of, with sizes: its log, its document, the trees of versions and everything that Inspect yields.", false, usage},
	{"RemoveTrees", "RemoveTrees calls decide with a view of the model's present bytes, and removes the trees of the versions that decide returns, durably.", false, removeTrees},
	{"Clean", "Clean must not touch a tree that a living process is making.", false, clean},
	{"Discard", "Discard removes what is left of the tree. After a commit it removes only what the commit did not use. It may be called twice.", false, discard},
	{"Discarded", "A tree that was discarded can't be committed: the commit fails, and nothing happens.", false, discarded},
	{"Names", "Different names are different models, byte for byte.", false, names},
	{"Alike", "A model is not made while another model exists whose use case and name equal its own under strings.EqualFold: the commit fails with a *NameError, and nothing happens.", false, alike},
	{"AlikeRace", "If two such models are made at the same moment, either one is made, or both are made and stay apart.", false, alikeRace},
	{"IndexLost", "A model that has trees with a manifest, but neither a log nor a document, has lost both. A commit in it fails with an error that matches ErrIndexLost, and nothing happens", false, indexLost},
	{"BadPositions", "The error matches fs.ErrNotExist if no line of the log ends at from, because then the log was replaced.", false, badPositions},
	{"BadRevisions", "A nil revision means that nothing was read. A value that the store did not make means the same.", false, badRevisions},
	{"BadVersions", "OpenTree's error then matches fs.ErrNotExist or fs.ErrInvalid, a commit's error matches fs.ErrInvalid, and nothing happens.", false, badVersions},
	{"BadManifests", "A manifest can be wrong, so a store reads and writes nothing outside the tree because of it.", false, badManifests},
	{"Cancel", "The context ends the wait for the change's turn, not the change itself.", false, cancelled},
	{"LostAnswer", "An error that matches ErrUncertain says that the change may have happened. After any other error, it has not happened.", false, lostAnswer},
	{"Retry", "It calls decide with a view of the model's present bytes", false, retry},
	{"Registry", "A Store keeps the bytes of a registry", false, registries},
}

// A suite is one case that runs.
type suite struct {
	reporter
	open   func() (mr.Store, error)
	opts   StoreOptions
	prefix string // of the models' names, so that cases don't share models
}

func newSuite(r reporter, c storeCase, open func() (mr.Store, error), opts *StoreOptions) *suite {
	s := &suite{reporter: r, open: open, prefix: c.name}
	if opts != nil {
		s.opts = *opts
	}
	s.opts.Rounds = max(s.opts.Rounds, minRounds)
	return s
}

const (
	callers   = 8
	minRounds = 200
	// soon is the time limit of a step that should take almost no time.
	soon = 30 * time.Second
)

func (s *suite) name(model string) mr.ModelName {
	return mr.ModelName{UseCase: "conformance", Model: s.prefix + "-" + model}
}

// handle opens a handle that is closed when the case ends.
func (s *suite) handle() mr.Store {
	s.Helper()
	store, err := s.open()
	if err != nil {
		s.Fatalf("opening: %v", err)
	}
	s.Cleanup(func() {
		if err := store.Close(); err != nil {
			s.Errorf("closing: %v", err)
		}
	})
	return store
}

func (s *suite) handles(n int) []mr.Store {
	list := make([]mr.Store, n)
	for i := range list {
		list[i] = s.handle()
	}
	return list
}

// errSkip is returned by a decide that changes nothing.
var errSkip = errors.New("no")

// add appends lines, whatever the log contains.
func add(ctx context.Context, store mr.Store, name mr.ModelName, lines ...string) (driver.AppendResult, error) {
	return commit(ctx, store, name, &driver.Commit{Lines: raw(lines)})
}

func commit(ctx context.Context, store mr.Store, name mr.ModelName, c *driver.Commit) (driver.AppendResult, error) {
	return store.Append(ctx, name.UseCase, name.Model, func(driver.View) (*driver.Commit, error) { return c, nil })
}

func raw(lines []string) [][]byte {
	var list [][]byte
	for _, line := range lines {
		list = append(list, []byte(line))
	}
	return list
}

func (s *suite) add(store mr.Store, name mr.ModelName, lines ...string) driver.AppendResult {
	s.Helper()
	done, err := add(s.Context(), store, name, lines...)
	if err != nil {
		s.Fatalf("appending to %s: %v", name, err)
	}
	return done
}

// readLog returns the lines of a view's log from a position on.
func readLog(v driver.View, from int64) (lines []string, end int64, err error) {
	data, end, err := v.Log(from)
	if err != nil {
		return nil, 0, err
	}
	if len(data) > 0 && data[len(data)-1] != '\n' {
		return nil, 0, fmt.Errorf("the log ends in %q, not in a newline", data[max(0, len(data)-20):])
	}
	for line := range bytes.Lines(data) {
		lines = append(lines, strings.TrimRight(string(line), " \n"))
	}
	return lines, end, nil
}

func (s *suite) log(store mr.Store, name mr.ModelName) (lines []string) {
	s.Helper()
	err := store.Read(s.Context(), name.UseCase, name.Model, func(v driver.View) (err error) {
		lines, _, err = readLog(v, 0)
		return err
	})
	if err != nil {
		s.Fatalf("reading the log of %s: %v", name, err)
	}
	return lines
}

// document returns a model's document, or "none".
func (s *suite) document(store mr.Store, name mr.ModelName) (doc string) {
	s.Helper()
	err := store.Read(s.Context(), name.UseCase, name.Model, func(v driver.View) error {
		data, ok, err := v.Document()
		if doc = string(data); !ok {
			doc = "none"
		}
		return err
	})
	if err != nil {
		s.Fatalf("reading the document of %s: %v", name, err)
	}
	return doc
}

// want compares a result with the wanted one.
func (s *suite) want(what string, got, want any) {
	s.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		s.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// manifestName is the file that makes a tree the registry's.
const manifestName = "manifest.json"

// stage makes a sealed tree of files, given by name and content.
func (s *suite) stage(store mr.Store, name mr.ModelName, files map[string]string) driver.StagedFolder {
	s.Helper()
	st, err := store.Stage(s.Context(), name.UseCase, name.Model)
	if err != nil {
		s.Fatalf("staging: %v", err)
	}
	s.Cleanup(func() {
		if err := st.Discard(); err != nil {
			s.Errorf("discarding: %v", err)
		}
	})
	if err := writeTree(st.Dir(), files); err != nil {
		s.Fatalf("writing into a staged tree: %v", err)
	}
	if err := st.Seal(s.Context()); err != nil {
		s.Fatalf("sealing: %v", err)
	}
	return st
}

func writeTree(dir string, files map[string]string) error {
	for name, data := range files {
		name = filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
			return err
		}
		if err := os.WriteFile(name, []byte(data), 0o666); err != nil {
			return err
		}
	}
	return nil
}

// readTree reads every file of a version.
func readTree(ctx context.Context, store mr.Store, name mr.ModelName, version string) (map[string]string, error) {
	tree, err := store.OpenTree(ctx, name.UseCase, name.Model, version)
	if err != nil {
		return nil, err
	}
	files, err := readFiles(tree.Path())
	return files, errors.Join(err, tree.Close())
}

// readFiles reads the files of a folder. It opens them by an os.Root of the
// folder above, because on Windows a plain open fails while a store renames the
// folder into place.
func readFiles(dir string) (map[string]string, error) {
	root, err := os.OpenRoot(filepath.Dir(dir))
	if err != nil {
		return nil, err
	}
	defer root.Close()
	files, above, base := map[string]string{}, root.FS(), filepath.Base(dir)
	err = fs.WalkDir(above, base, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := fs.ReadFile(above, name)
		files[strings.TrimPrefix(name, base+"/")] = string(data)
		return err
	})
	return files, err
}

// within runs fn, and fails if it takes longer than soon.
func (s *suite) within(what string, fn func()) {
	s.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		fn()
	}()
	select {
	case <-done:
	case <-time.After(soon):
		stacks := make([]byte, 1<<16)
		s.Fatalf("%s takes longer than %v:\n%s", what, soon, stacks[:runtime.Stack(stacks, true)])
	}
}
