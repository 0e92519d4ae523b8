package modelregistry_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"github.com/gofrs/flock"

	"github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/internal/fsstore"
	"github.com/ubunye-go/modelregistry/internal/pyjson"
)

var procName = modelregistry.ModelName{UseCase: "uc", Model: "m"}

// The environment of a child: what it does, and where.
const (
	procTask = "MODELREGISTRY_TEST_TASK"
	procDir  = "MODELREGISTRY_TEST_DIR"
)

// TestProcChild is no test of its own: the other tests of this file run it in
// processes of its own.
func TestProcChild(t *testing.T) {
	dir := os.Getenv(procDir)
	switch task := os.Getenv(procTask); task {
	case "":
		return
	case "register":
		procRegister(t, dir, 25)
	case "promote":
		procPromote(t, dir, 25)
	case "read":
		procRead(t, dir, func() bool { return procExists(filepath.Join(dir, "stop")) })
	case "hold":
		lock := flock.New(filepath.Join(dir, procName.UseCase, procName.Model, ".lock"))
		if err := lock.Lock(); err != nil {
			t.Fatal(err)
		}
		fmt.Println("held")
		io.Copy(io.Discard, os.Stdin) // until the parent lets go, or kills
		lock.Unlock()
	default:
		t.Fatalf("unknown task %q", task)
	}
}

// procStart runs a task in a process of its own.
func procStart(t *testing.T, task, dir string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestProcChild$", "-test.timeout=2m")
	cmd.Env = append(os.Environ(), procTask+"="+task, procDir+"="+dir)
	return cmd
}

// procWait runs processes to their end.
func procWait(t *testing.T, cmds ...*exec.Cmd) {
	t.Helper()
	outs := make([]bytes.Buffer, len(cmds))
	for i, cmd := range cmds {
		cmd.Stdout, cmd.Stderr = &outs[i], &outs[i]
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
	}
	for i, cmd := range cmds {
		if err := cmd.Wait(); err != nil {
			t.Errorf("process %d: %v\n%s", i, err, outs[i].Bytes())
		}
	}
}

func procExists(name string) bool {
	_, err := os.Lstat(name)
	return err == nil
}

func procOpen(t testing.TB, dir string) *modelregistry.ModelRegistry {
	t.Helper()
	r, err := modelregistry.Open(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

func procArtifact(text string) modelregistry.Artifact {
	return modelregistry.FromFS(fstest.MapFS{"a.bin": {Data: []byte(text)}, "b/c.bin": {Data: []byte(text)}})
}

func procRegister(t *testing.T, dir string, n int) {
	r := procOpen(t, dir)
	for i := range n {
		if _, err := r.Register(t.Context(), procName, procArtifact(fmt.Sprint(i)), nil); err != nil {
			t.Fatal(err)
		}
	}
}

// procPromote brings the newest version there is to production, again and
// again.
func procPromote(t *testing.T, dir string, n int) {
	r := procOpen(t, dir)
	for range n {
		list, err := r.ListVersions(t.Context(), procName)
		if err != nil {
			t.Fatal(err)
		}
		version := list[0].Version
		_, err = r.Promote(t.Context(), procName.At(version), modelregistry.Production, nil)
		if err != nil {
			t.Fatalf("promote %s: %v", version, err)
		}
	}
}

// procRead looks at the model until stop says so, and checks what no reader may
// ever see otherwise: the stored productions are one at most, the versions only
// grow, and each is whole.
func procRead(t *testing.T, dir string, stop func() bool) {
	r := procOpen(t, dir)
	seen := 0
	for last := false; !last; {
		last = stop() // one look more, at the final state
		list, err := r.ListVersions(t.Context(), procName)
		if errors.Is(err, modelregistry.ErrNotFound) && seen == 0 {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if len(list) < seen {
			t.Fatalf("%d versions after %d", len(list), seen)
		}
		seen = len(list)
		var productions []string
		for _, v := range list {
			if len(v.Problems) > 0 { // a second one in store is noted there
				t.Fatalf("%s: %q", v.Version, v.Problems)
			}
			if v.Stage == modelregistry.Production {
				productions = append(productions, v.Version)
			}
		}
		if len(productions) > 1 {
			t.Fatalf("in production: %q", productions)
		}
		procWhole(t, r, list[0].Version)
		if len(productions) == 1 {
			procWhole(t, r, productions[0])
		}
		if _, err := r.GetModel(t.Context(), procName.In(modelregistry.Production), nil); err != nil && !errors.Is(err, modelregistry.ErrNotFound) {
			t.Fatal(err)
		}
	}
}

// procWhole checks that a version that can be read has all its files.
func procWhole(t *testing.T, r *modelregistry.ModelRegistry, version string) {
	m, err := r.GetModel(t.Context(), procName.At(version), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	a, errA := os.ReadFile(filepath.Join(m.Path, "a.bin"))
	c, errC := os.ReadFile(filepath.Join(m.Path, "b", "c.bin"))
	if err := errors.Join(errA, errC); err != nil || !bytes.Equal(a, c) || len(a) == 0 {
		t.Fatalf("%s holds %q and %q: %v", version, a, c, err)
	}
	for _, name := range []string{"manifest.json", "metrics.json", "metadata.json"} {
		if _, err := os.Stat(filepath.Join(m.Path, "..", name)); err != nil {
			t.Fatal(err)
		}
	}
}

// procCheck looks at a finished store with fresh eyes: n versions with distinct
// consecutive numbers, events with consecutive numbers each of which carries
// the digest of the line before, every version's files whole, nothing left
// over.
func procCheck(t *testing.T, dir string, n int) {
	t.Helper()
	r := procOpen(t, dir)
	list, err := r.ListVersions(t.Context(), procName)
	if err != nil {
		t.Fatal(err)
	}
	var versions []string
	for _, v := range list {
		versions = append(versions, v.Version)
		procWhole(t, r, v.Version)
	}
	slices.Sort(versions)
	if versions = slices.Compact(versions); len(versions) != n || len(list) != n {
		t.Errorf("%d versions, %d distinct, want %d", len(list), len(versions), n)
	}
	for i := range n {
		if v := fmt.Sprintf("1.0.%d", i); !slices.Contains(versions, v) {
			t.Errorf("%s is missing", v)
		}
	}
	model := filepath.Join(dir, procName.UseCase, procName.Model)
	registered := 0
	for i, e := range procEvents(t, dir) {
		if e.Event != int64(i)+1 {
			t.Fatalf("line %d is event %d", i+1, e.Event)
		}
		if e.Op == "register" {
			registered++
		}
	}
	if registered != n {
		t.Errorf("%d registrations in the history, want %d", registered, n)
	}
	if left, _ := filepath.Glob(filepath.Join(model, ".staging", "*")); len(left) > 0 {
		t.Errorf("left %q", left)
	}
	if procExists(filepath.Join(model, ".orphans")) {
		t.Error("there are orphans")
	}
	folders, err := os.ReadDir(filepath.Join(model, "versions"))
	if err != nil || len(folders) != n {
		t.Errorf("%d folders, %v", len(folders), err)
	}
}

type procEvent struct {
	Event int64  `json:"event"`
	Op    string `json:"op"`
	Prev  string `json:"prev"`
}

// procEvents reads the history and checks its chain of digests.
func procEvents(t *testing.T, dir string) []procEvent {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, procName.UseCase, procName.Model, "history.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	var events []procEvent
	prev := ""
	for line := range bytes.Lines(data) {
		line = bytes.TrimRight(line, " \n")
		var e procEvent
		if err := json.Unmarshal(pyjson.Finite(nil, line), &e); err != nil {
			t.Fatal(err)
		}
		if e.Prev != prev {
			t.Fatalf("event %d does not carry the digest of the line before", e.Event)
		}
		sum := sha256.Sum256(line)
		prev = hex.EncodeToString(sum[:])
		events = append(events, e)
	}
	return events
}

func TestProcessesRegister(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "not", "yet", "there")
	procWait(t, procStart(t, "register", dir), procStart(t, "register", dir), procStart(t, "register", dir), procStart(t, "register", dir))
	procCheck(t, dir, 100)
	if events := procEvents(t, dir); len(events) != 100 {
		t.Errorf("%d events", len(events))
	}
}

func TestProcessesRegisterPromoteAndRead(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	procRegister(t, dir, 1)
	reader := procStart(t, "read", dir)
	var out bytes.Buffer
	reader.Stdout, reader.Stderr = &out, &out
	if err := reader.Start(); err != nil {
		t.Fatal(err)
	}
	var stop atomic.Bool
	var wg sync.WaitGroup
	for range 2 { // registries of their own, in this process
		wg.Go(func() { procRead(t, dir, stop.Load) })
	}
	procWait(t, procStart(t, "register", dir), procStart(t, "promote", dir), procStart(t, "promote", dir), procStart(t, "register", dir))
	stop.Store(true)
	wg.Wait()
	if err := os.WriteFile(filepath.Join(dir, "stop"), nil, 0o666); err != nil {
		t.Fatal(err)
	}
	if err := reader.Wait(); err != nil {
		t.Errorf("%v\n%s", err, out.Bytes())
	}
	procCheck(t, dir, 51)
	procProductions(t, dir)
}

// procProductions replays the history line by line: no event leaves two
// versions in production, or gives one back that was archived with it.
func procProductions(t *testing.T, dir string) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, procName.UseCase, procName.Model, "history.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	stages := map[string]string{}
	for line := range bytes.Lines(data) {
		var e struct {
			Event int64 `json:"event"`
			After map[string]struct {
				Stage string `json:"stage"`
			} `json:"after"`
		}
		if err := json.Unmarshal(pyjson.Finite(nil, bytes.TrimSpace(line)), &e); err != nil {
			t.Fatal(err)
		}
		for v, entry := range e.After {
			stages[v] = entry.Stage
		}
		productions := 0
		for _, stage := range stages {
			if stage == "production" {
				productions++
			}
		}
		if productions > 1 {
			t.Fatalf("event %d leaves %d versions in production", e.Event, productions)
		}
	}
}

func TestGoroutinesShareARegistry(t *testing.T) {
	t.Parallel()
	for _, shared := range []bool{true, false} {
		t.Run(fmt.Sprintf("shared=%t", shared), func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			one := procOpen(t, dir)
			if _, err := one.Register(t.Context(), procName, procArtifact("first"), nil); err != nil {
				t.Fatal(err)
			}
			const writers, each = 16, 5
			var stop atomic.Bool
			var readers, wg sync.WaitGroup
			for range 2 {
				readers.Go(func() { procRead(t, dir, stop.Load) })
			}
			numbers := make(chan string, writers*each)
			for w := range writers {
				r := one
				if !shared {
					r = procOpen(t, dir)
				}
				wg.Go(func() {
					for i := range each {
						v, err := r.Register(t.Context(), procName, procArtifact(fmt.Sprint(w, i)), nil)
						if err != nil {
							t.Error(err)
							return
						}
						numbers <- v.Version
						p, err := r.Promote(t.Context(), procName.At(v.Version), modelregistry.Production, nil)
						if err != nil || p.Stage != modelregistry.Production || p.Version != v.Version {
							t.Errorf("promoted %s: it is %s in %s, %v", v.Version, p.Version, p.Stage, err)
							return
						}
						// One's own change shows at once.
						got, err := r.GetVersion(t.Context(), procName.At(v.Version))
						if err != nil || got.PromotedToProduction.IsZero() {
							t.Errorf("own promotion of %s does not show: %+v, %v", v.Version, got, err)
						}
					}
				})
			}
			wg.Wait()
			stop.Store(true)
			readers.Wait()
			close(numbers)
			seen := map[string]bool{}
			for v := range numbers {
				if seen[v] {
					t.Errorf("%s was given out twice", v)
				}
				seen[v] = true
			}
			procCheck(t, dir, writers*each+1)
			procProductions(t, dir)
		})
	}
}

// procHold has another process hold the model's lock until release is called.
func procHold(t *testing.T, dir string) (release func()) {
	t.Helper()
	cmd := procStart(t, "hold", dir)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	release = sync.OnceFunc(func() {
		stdin.Close()
		io.Copy(io.Discard, stdout)
		cmd.Wait()
	})
	t.Cleanup(release)
	if line, err := bufio.NewReader(stdout).ReadString('\n'); err != nil || line != "held\n" {
		t.Fatalf("%q, %v", line, err)
	}
	return release
}

// procTree lists all there is below a folder, with sizes, but for the staging
// folder itself, which may stay when it is empty.
func procTree(t *testing.T, dir string) []string {
	t.Helper()
	var list []string
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		size := int64(0)
		if !d.IsDir() {
			size = info.Size()
		}
		if d.Name() != ".staging" {
			list = append(list, fmt.Sprintf("%s %d", strings.TrimPrefix(name, dir), size))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestProcessesLockHeldElsewhere(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r := procOpen(t, dir)
	if _, err := r.Register(t.Context(), procName, procArtifact("first"), nil); err != nil {
		t.Fatal(err)
	}
	before := procTree(t, dir)
	release := procHold(t, dir)
	ops := map[string]func(ctx context.Context) error{
		"register": func(ctx context.Context) error {
			_, err := r.Register(ctx, procName, procArtifact("second"), nil)
			return err
		},
		"promote": func(ctx context.Context) error {
			_, err := r.Promote(ctx, procName.At("1.0.0"), modelregistry.Production, nil)
			return err
		},
		"archive": func(ctx context.Context) error {
			_, err := r.Archive(ctx, procName.At("1.0.0"), nil)
			return err
		},
	}
	for name, op := range ops {
		for round := range 3 {
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			start := time.Now()
			err := op(ctx)
			cancel()
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%s %d: %v", name, round, err)
			}
			if took := time.Since(start); took > 5*time.Second {
				t.Errorf("%s %d took %v", name, round, took)
			}
		}
	}
	// Several at once, given up one after the other.
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), time.Duration(20+i*10)*time.Millisecond)
			defer cancel()
			if _, err := r.Register(ctx, procName, procArtifact("many"), nil); !errors.Is(err, context.DeadlineExceeded) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	// Reading goes on meanwhile.
	if list, err := r.ListVersions(t.Context(), procName); err != nil || len(list) != 1 {
		t.Errorf("%d versions, %v", len(list), err)
	}
	if after := procTree(t, dir); !slices.Equal(before, after) {
		t.Errorf("something was left behind:\n%q\nwas\n%q", after, before)
	}
	// And what nobody waited for to the end did not happen afterwards.
	done := make(chan error, 1)
	go func() {
		_, err := r.Register(t.Context(), procName, procArtifact("second"), nil)
		done <- err
	}()
	release()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	procCheck(t, dir, 2)
}

// procLateContext is not done when it is first asked, and done when it is
// waited for.
type procLateContext struct {
	context.Context
	asked atomic.Bool
	done  chan struct{}
}

func (c *procLateContext) Done() <-chan struct{} { c.asked.Store(true); return c.done }

func (c *procLateContext) Err() error {
	if c.asked.Load() {
		return context.Canceled
	}
	return nil
}

// A context that ends at the very moment when the change is handed over ends
// the call, and nothing else.
func TestContextEndsAsTheChangeBegins(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r := procOpen(t, dir)
	if _, err := r.Register(t.Context(), procName, procArtifact("first"), nil); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	close(ended)
	for range 200 {
		func() {
			defer func() {
				if p := recover(); p != nil {
					t.Fatalf("panic: %v", p)
				}
			}()
			_, err := r.Archive(&procLateContext{Context: t.Context(), done: ended}, procName.At("1.0.0"), nil)
			if err != nil && !errors.Is(err, context.Canceled) {
				t.Fatal(err)
			}
		}()
	}
	if _, err := r.Register(t.Context(), procName, procArtifact("second"), nil); err != nil {
		t.Fatal(err)
	}
	procCheck(t, dir, 2)
}

// procQueuedContext tells when it is waited for: its change is in the queue
// then.
type procQueuedContext struct {
	context.Context
	queued func()
}

func (c *procQueuedContext) Done() <-chan struct{} { c.queued(); return c.Context.Done() }

// procFailingDisk fails to open the history for writing.
type procFailingDisk struct {
	fsstore.Disk
	fail *atomic.Bool
}

var errProcDisk = errors.New("no space left")

func (d procFailingDisk) Open(name string) (fsstore.File, error) {
	if d.fail.Load() && strings.HasSuffix(name, "history.jsonl") {
		return nil, errProcDisk
	}
	return d.Disk.Open(name)
}

// Changes that share an append see what those before them did. If the append
// fails, none of it happened: one that found its work done already, or in its
// way, must not report that.
func TestFailedAppendFailsAllThatBuiltOnIt(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var fail atomic.Bool
	r, err := modelregistry.OpenOn(dir, nil, func(d fsstore.Disk) fsstore.Disk { return procFailingDisk{d, &fail} })
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := r.Register(t.Context(), procName, procArtifact("first"), nil); err != nil {
		t.Fatal(err)
	}
	lock := flock.New(filepath.Join(dir, procName.UseCase, procName.Model, ".lock"))
	if err := lock.Lock(); err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	fail.Store(true)
	pinned := &modelregistry.RegisterOptions{Version: "3.0.0"}
	ops := []func(ctx context.Context) error{
		func(ctx context.Context) error { _, err := r.Archive(ctx, procName.At("1.0.0"), nil); return err },
		func(ctx context.Context) error { _, err := r.Archive(ctx, procName.At("1.0.0"), nil); return err },
		func(ctx context.Context) error {
			_, err := r.Register(ctx, procName, procArtifact("a"), pinned)
			return err
		},
		func(ctx context.Context) error {
			_, err := r.Register(ctx, procName, procArtifact("b"), pinned)
			return err
		},
	}
	results := make([]chan error, len(ops))
	for i, op := range ops {
		var armed atomic.Bool
		queued := make(chan struct{})
		once := sync.OnceFunc(func() { close(queued) })
		results[i] = make(chan error, 1)
		ctx := &procQueuedContext{t.Context(), func() {
			if armed.Load() {
				once()
			}
		}}
		if i < 2 {
			armed.Store(true)
		}
		go func() { results[i] <- op(ctx) }()
		if i < 2 {
			<-queued
			continue
		}
		// A registration asks for the end of its context while it hashes, too;
		// it is in the queue once its tree is sealed and the staging stands
		// still.
		armed.Store(true)
		staging := filepath.Join(dir, procName.UseCase, procName.Model, ".staging")
		deadline := time.Now().Add(10 * time.Second)
		for {
			if sealed, _ := filepath.Glob(filepath.Join(staging, "*", "tree", "manifest.json")); len(sealed) == i-1 {
				break
			}
			if time.Now().After(deadline) {
				t.Fatal("waited in vain for the tree")
			}
			runtime.Gosched()
		}
		<-queued
	}
	if err := lock.Unlock(); err != nil {
		t.Fatal(err)
	}
	for i, result := range results {
		if err := <-result; !errors.Is(err, errProcDisk) {
			t.Errorf("change %d: %v", i, err)
		}
	}
	fail.Store(false)
	v, err := procOpen(t, dir).GetVersion(t.Context(), procName.At("1.0.0"))
	if err != nil || v.Stage != modelregistry.Development {
		t.Errorf("it is in %s, %v", v.Stage, err)
	}
	procCheck(t, dir, 1)
}

func TestReadOnlyStoreIsReadable(t *testing.T) {
	t.Parallel()
	if os.Geteuid() == 0 {
		t.Skip("root writes to read-only folders all the same")
	}
	dir := t.TempDir()
	procRegister(t, dir, 2)
	w := procOpen(t, dir)
	if _, err := w.Promote(t.Context(), procName.At("1.0.0"), modelregistry.Production, nil); err != nil {
		t.Fatal(err)
	}
	chmod := func(folders, files fs.FileMode) {
		var names []string
		filepath.WalkDir(dir, func(name string, d fs.DirEntry, _ error) error { names = append(names, name); return nil })
		for _, name := range names {
			mode := files
			if info, err := os.Stat(name); err == nil && info.IsDir() {
				mode = folders
			}
			if err := os.Chmod(name, mode); err != nil {
				t.Fatal(err)
			}
		}
	}
	chmod(0o555, 0o444)
	t.Cleanup(func() { chmod(0o755, 0o644) })
	before := procTree(t, dir)
	r := procOpen(t, dir)
	procWhole(t, r, "1.0.1")
	m, err := r.GetModel(t.Context(), procName.In(modelregistry.Production), nil)
	if err != nil || m.Version.Version != "1.0.0" {
		t.Fatalf("production is %v, %v", m, err)
	}
	for range r.Models(t.Context()) {
	}
	if _, err := r.Register(t.Context(), procName, procArtifact("x"), nil); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("registering: %v", err)
	}
	if _, err := r.Promote(t.Context(), procName.At("1.0.1"), modelregistry.Production, nil); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("promoting: %v", err)
	}
	if after := procTree(t, dir); !slices.Equal(before, after) {
		t.Errorf("reading left something: %q", after)
	}
}
