package turns

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing/fstest"
	"time"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/internal/fsstore"
)

var modelName = mr.ModelName{UseCase: "fraud", Model: "Risk"}

// A way says how Go takes its turns.
type way struct {
	running bool // one registry runs throughout; otherwise one is opened for each step
	lagging bool // the document is over 1 MiB
}

func (y way) String() string {
	s := "opened for each step"
	if y.running {
		s = "running"
	}
	if y.lagging {
		s += ", lagging"
	}
	return s
}

// A world is a store on which both sides take turns, with its expected state.
type world struct {
	way
	python *driver
	store  string
	held   *mr.ModelRegistry
	spec   spec

	turn   sync.Mutex // held except during Go's turns
	late   bool       // Python's last change was made in a document that lagged
	record []string   // the versions that Python read in its last step "load"
	stale  int        // how many of its documents listed deleted versions
	lagged int        // how many of Python's changes were made in such a document
}

// memory returns a folder in memory, where syncs are quick, or "" if there is
// none.
func memory() string {
	const linux = "/dev/shm"
	if info, err := os.Stat(linux); err == nil && info.IsDir() {
		return linux
	}
	return ""
}

// inWorld calls fn with a new world in which the prelude of the way was made.
func (x trial) inWorld(fn func(*world) error) (err error) {
	dir, err := os.MkdirTemp(memory(), "turns")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	w := &world{way: x.way, python: x.python, store: filepath.Join(dir, "store")}
	w.turn.Lock()
	if w.running {
		if w.held, err = w.start(); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, w.goTurn(w.held.Close)) }()
	}
	for _, s := range x.way.prelude() {
		if err := w.pass(s); err != nil {
			return err
		}
	}
	return fn(w)
}

// start opens the registry that runs throughout.
func (w *world) start() (*mr.ModelRegistry, error) {
	s, err := fsstore.Open(w.store)
	if err != nil {
		return nil, err
	}
	return mr.New(turnStore{s, &w.turn}, nil), nil
}

// with calls fn with the running registry, or with a new one.
func (w *world) with(fn func(*mr.ModelRegistry) error) error {
	if w.held != nil {
		return fn(w.held)
	}
	return w.fresh(fn)
}

// fresh calls fn with a new registry.
func (w *world) fresh(fn func(*mr.ModelRegistry) error) error {
	r, err := mr.Open(w.store, nil)
	if err != nil {
		return err
	}
	return errors.Join(fn(r), r.Close())
}

// take makes a step and makes all checks after it.
func (w *world) take(s step) error {
	if err := w.pass(s); err != nil {
		return err
	}
	return w.check()
}

// pass makes a step and checks its result, and what Go lists then.
func (w *world) pass(s step) error {
	content := ""
	if s.do == "register" {
		content = w.spec.content(s)
	}
	var err error
	switch {
	case s.by == pythonSide:
		err = w.takePython(s, content)
	case s.do == "reopen":
		err = w.reopen()
	case s.do == "wait":
		err = w.wait()
	default:
		err = w.goTurn(func() error { return w.takeGo(s, content) })
	}
	if err != nil {
		return err
	}
	return w.with(w.checkList)
}

// moment returns the present time with the precision that both sides write.
func moment() time.Time { return time.Now().UTC().Truncate(time.Microsecond) }

func (w *world) takePython(s step, content string) error {
	command := s.command(content)
	command["store"] = w.store
	from := moment()
	a, err := w.python.ask(command)
	if err != nil {
		return err
	}
	if err := w.readBy(a.Before); err != nil {
		return fmt.Errorf("before the step %w", err)
	}
	if w.spec.theirs == nil {
		if w.late = w.mayLag(); w.late {
			w.lagged++
		}
	}
	want := w.spec.python(s, content, stamp{from, moment()})
	if (want == ok) != (a.Error == "") {
		return fmt.Errorf("Python's outcome is %q, want %q", a.Error, want)
	}
	if err := w.readBy(a.After); err != nil {
		return err
	}
	w.spec.merge()
	return nil
}

func (w *world) takeGo(s step, content string) error {
	with := w.with
	switch {
	case s.torn:
		with = w.interrupted
	case s.opened:
		with = w.fresh
	}
	return with(func(r *mr.ModelRegistry) error {
		from, early := moment(), w.spec.unrecorded(s.version)
		v, err := call(r, s, content)
		number, want := w.spec.golang(s, content, stamp{from, moment()})
		if got := classify(err); got != want && !(early && want == deleted && got == notFound) {
			return fmt.Errorf("Go's outcome is %v, want %q", err, want)
		}
		if err == nil && v.Version != number {
			return fmt.Errorf("Go's call returns version %s, want %s", v.Version, number)
		}
		return nil
	})
}

// call makes a step on a registry.
func call(r *mr.ModelRegistry, s step, content string) (mr.ModelVersion, error) {
	ctx := context.Background()
	o := &mr.MoveOptions{Actor: s.actor(), Force: s.force && s.do != "promote"}
	if s.gate != "" {
		o.Gates = mr.MinMetric("auc", number(json.Number(s.gate)))
	}
	switch s.do {
	case "register":
		files := mr.FromFS(fstest.MapFS{"weights": {Data: []byte(content)}})
		o := &mr.RegisterOptions{Version: s.version, Metrics: metrics(s.auc), Metadata: map[string]any{"library": "go"}, Actor: goSide, Once: s.once}
		if s.own != "" {
			o.Gates = mr.MinMetric("auc", number(json.Number(s.own)))
		}
		if s.pad {
			o.Metadata["pad"] = strings.Repeat("x", padding)
		}
		return r.Register(ctx, modelName, files, o)
	case "alias", "note":
		return mr.ModelVersion{}, callName(ctx, r, s)
	case "delete", "undelete", "hold", "unhold", "retain", "purge":
		return callKeep(ctx, r, s)
	case "promote":
		o.SkipGates = s.force
		return r.Promote(ctx, modelName.At(s.version), mr.ModelStage(s.to), o)
	case "demote":
		return r.Demote(ctx, modelName.At(s.version), mr.ModelStage(s.to), o)
	case "archive":
		return r.Archive(ctx, modelName.At(s.version), o)
	case "rollback":
		if s.version == "" {
			return r.Rollback(ctx, modelName, o)
		}
		return r.RollbackTo(ctx, modelName.At(s.version), o)
	}
	panic("unknown step " + s.String())
}

func classify(err error) outcome {
	var gates *mr.GateError
	switch {
	case err == nil:
		return ok
	case errors.Is(err, errTorn):
		return torn
	case errors.Is(err, mr.ErrDeleted):
		return deleted
	case errors.Is(err, mr.ErrArtifact):
		return gone
	case errors.Is(err, mr.ErrNotFound):
		return notFound
	case errors.Is(err, mr.ErrExists):
		return exists
	case errors.Is(err, mr.ErrProtected):
		return protected
	case errors.Is(err, mr.ErrWrongDirection):
		return direction
	case errors.As(err, &gates):
		return refused
	}
	return outcome(err.Error())
}

// reopen closes the running registry, which brings the document up to date, and
// opens another.
func (w *world) reopen() (err error) {
	if w.held == nil {
		return nil
	}
	if err := w.goTurn(w.held.Close); err != nil {
		return err
	}
	if w.held, err = w.start(); err != nil {
		return err
	}
	if err = w.readDocument(); err == nil && w.mayLag() {
		err = errors.New("the document still lags after Close")
	}
	return err
}
