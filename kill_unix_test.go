//go:build unix

package modelregistry_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/internal/crashtest"
	"github.com/ubunye-go/modelregistry/internal/fsstore"
	"github.com/ubunye-go/modelregistry/internal/ledger"
)

var killRounds = flag.Int("kill.rounds", 3, "rounds of TestKilledProcesses, of two dozen kills or more each")

// The environment of a child: its name, beside its task and folder.
const killName = "MODELREGISTRY_TEST_NAME"

// A killed process runs this test; it is none of its own.
func TestKillChild(t *testing.T) {
	dir, name := os.Getenv(procDir), os.Getenv(killName)
	switch task := os.Getenv(procTask); task {
	case "kill writer":
		killWrite(t, dir, name)
	case "kill reader":
		killRead(t, dir)
	case "save and wait":
		r := procOpen(t, dir)
		_, err := r.Register(t.Context(), procName, mr.FromFunc(func(dir string) error {
			notes := os.NewFile(3, "notes")
			defer notes.Close()
			err := os.WriteFile(filepath.Join(dir, "a.bin"), []byte("half of it"), 0o666)
			fmt.Fprintln(notes, filepath.Dir(dir))
			_, readErr := os.Stdin.Read(make([]byte, 1))
			return errors.Join(err, readErr)
		}), nil)
		if err != nil {
			t.Fatal(err)
		}
	}
}

// killWrite writes until it is killed: two workers on one registry, so that
// changes share appends. Half of the writers choose the operation of their disk
// at which they die, so that every step of a change is hit, and not only the
// long ones. A kill takes nothing from the system's caches, so nothing is
// synced.
func killWrite(t *testing.T, dir, name string) {
	faulty := &crashtest.Faulty{}
	r, err := mr.OpenOn(dir, nil, func(d fsstore.Disk) fsstore.Disk { return faulty.Wrap(crashtest.NoSync{Disk: d}) })
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if rand.IntN(2) == 0 {
		faulty.Fail(crashtest.Fault{At: 1 + rand.IntN(400), Kills: true})
	}
	notes := ledger.NewNotebook(os.NewFile(3, "notes"))
	var wg sync.WaitGroup
	for i := range 2 {
		w := &ledger.Worker{Name: fmt.Sprintf("%s.%d", name, i), Registry: r, Model: procName, Notes: notes}
		wg.Go(func() { t.Error(w.Run(t.Context())) })
	}
	wg.Wait()
}

// killRead reads until it is killed, and compares digests of versions at
// random.
func killRead(t *testing.T, dir string) {
	r := procOpen(t, dir)
	procRead(t, dir, func() bool {
		list, err := r.ListVersions(t.Context(), procName)
		if errors.Is(err, mr.ErrNotFound) {
			return false
		}
		if err != nil {
			t.Fatal(err)
		}
		v := list[rand.IntN(len(list))]
		if err := ledger.Whole(killModel(dir), v.Version, v.ManifestSHA256); err != nil {
			t.Fatal(err)
		}
		return false
	})
}

func killModel(dir string) string { return filepath.Join(dir, procName.UseCase, procName.Model) }

// A killed is a process that is going to be.
type killed struct {
	task  string
	cmd   *exec.Cmd
	out   bytes.Buffer
	notes sync.WaitGroup
	ended chan struct{}
}

// A killRun is a store and all who ever wrote to it.
type killRun struct {
	dir       string
	count     int // processes so far
	processes []*killed

	mu    sync.Mutex
	lines []ledger.Line
	acked chan struct{} // an operation returned
	died  chan *killed  // a process ended
}

func newKillRun(t *testing.T) *killRun {
	// More processes than that do not die in one round.
	return &killRun{dir: filepath.Join(t.TempDir(), "store"), acked: make(chan struct{}), died: make(chan *killed, 10_000)}
}

// start starts the ith process: 8 writers, then 4 readers.
func (k *killRun) start(t *testing.T, i int) *killed {
	t.Helper()
	k.count++
	p := &killed{task: "kill writer", ended: make(chan struct{})}
	if i >= 8 {
		p.task = "kill reader"
	}
	p.cmd = exec.Command(os.Args[0], "-test.run=^TestKillChild$", "-test.timeout=5m")
	p.cmd.Env = append(os.Environ(), procTask+"="+p.task, procDir+"="+k.dir, fmt.Sprintf("%s=p%d", killName, k.count))
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.out
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	p.cmd.ExtraFiles = []*os.File{w}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	w.Close()
	t.Cleanup(func() { p.cmd.Process.Kill() })
	p.notes.Go(func() { k.read(r) })
	go func() {
		p.cmd.Wait()
		p.notes.Wait()
		close(p.ended)
		k.died <- p
	}()
	return p
}

// read keeps what a process notes.
func (k *killRun) read(r *os.File) {
	defer r.Close()
	for in := bufio.NewScanner(r); in.Scan(); {
		l, ok := ledger.Parse(in.Bytes())
		if !ok {
			continue // killed in the middle of a write
		}
		k.mu.Lock()
		k.lines = append(k.lines, l)
		k.mu.Unlock()
		if l.Phase != ledger.Intent {
			select {
			case k.acked <- struct{}{}:
			default:
			}
		}
	}
}

// check reports a process that ended by anything else than a kill.
func (p *killed) check(t *testing.T) {
	t.Helper()
	<-p.ended
	if status, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || !status.Signaled() || status.Signal() != syscall.SIGKILL {
		t.Fatalf("a %s was not killed, but ended: %v\n%s", strings.TrimPrefix(p.task, "kill "), p.cmd.ProcessState, p.out.Bytes())
	}
}

// round has 8 writers and 4 readers killed one by one at random and started
// again, then all at once.
func (k *killRun) round(t *testing.T) {
	t.Helper()
	k.processes = nil
	for i := range 12 {
		k.processes = append(k.processes, k.start(t, i))
	}
	for range 12 {
		k.progress(t, 1+rand.IntN(20))
		k.processes[rand.IntN(len(k.processes))].cmd.Process.Kill()
	}
	k.progress(t, 20)
	for _, p := range k.processes {
		p.cmd.Process.Kill()
	}
	for _, p := range k.processes {
		p.check(t)
	}
	for len(k.died) > 0 {
		<-k.died
	}
}

// progress waits until n operations returned, and meanwhile starts anew whoever
// was killed: holding a lock or not, the others go on.
func (k *killRun) progress(t *testing.T, n int) {
	t.Helper()
	for stuck := time.After(time.Minute); n > 0; {
		select {
		case <-k.acked:
			n--
		case p := <-k.died:
			p.check(t)
			if i := slices.Index(k.processes, p); i >= 0 {
				k.processes[i] = k.start(t, i)
			}
		case <-stuck:
			t.Fatal("the writers stand still")
		}
	}
}

// check looks at what the killed left: first as a reader, then as the next
// writer, then at the files themselves.
func (k *killRun) check(t *testing.T) {
	t.Helper()
	k.debris(t)
	r := procOpen(t, k.dir)
	before := killStages(t, r)
	// What was killed between placing its trees and its append left them for
	// later numbers.
	for range 10 {
		k.count++
		l := ledger.Line{Phase: ledger.Intent, Worker: fmt.Sprintf("next%d", k.count), Token: fmt.Sprintf("next%d", k.count), Op: "register"}
		v, err := r.Register(t.Context(), procName, procArtifact(l.Token), &mr.RegisterOptions{Reason: l.Token})
		if err != nil {
			t.Fatal(err)
		}
		k.lines = append(k.lines, l)
		l.Phase, l.Version, l.To, l.Wrote = ledger.Done, v.Version, string(v.Stage), true
		k.lines = append(k.lines, l)
		before[v.Version] = string(v.Stage)
		if folders := killNames(t, "versions", k.dir); len(folders) == len(before) {
			break
		}
	}
	if left := killNames(t, ".staging", k.dir); len(left) > 0 {
		t.Errorf("dead processes' stagings are left: %q", left)
	}
	if diff := cmp.Diff(slices.Sorted(maps.Keys(before)), killNames(t, "versions", k.dir)); diff != "" {
		t.Errorf("versions and their folders (-listed +folders):\n%s", diff)
	}
	events, err := ledger.History(killModel(k.dir))
	if err != nil {
		t.Fatal(err)
	}
	replayed, err := ledger.Replay(events)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(replayed, before); diff != "" {
		t.Errorf("stages (-replayed +read, and registered):\n%s", diff)
	}
	if diff := cmp.Diff(replayed, killStages(t, procOpen(t, k.dir))); diff != "" {
		t.Errorf("stages (-replayed +read afresh):\n%s", diff)
	}
	if err := ledger.Check(events, k.lines); err != nil {
		t.Error(err)
	}
	for version, digest := range ledger.Manifests(events) {
		if err := ledger.Whole(killModel(k.dir), version, digest); err != nil {
			t.Error(err)
		}
	}
}

// debris checks that the killed left nothing in the model's folder but what
// belongs there, what the next writer clears away, and trees put aside.
func (k *killRun) debris(t *testing.T) {
	t.Helper()
	known := []string{".lock", ".orphans", ".registry.json.tmp", ".staging", "history.jsonl", "registry.json", "versions"}
	for _, name := range killNames(t, "", k.dir) {
		if !slices.Contains(known, name) {
			t.Errorf("%s is left in the model's folder", name)
		}
	}
	for _, name := range killNames(t, ".staging", k.dir) {
		if b, err := hex.DecodeString(name); err != nil || len(b) != 16 {
			t.Errorf("%s is left among the stagings", name)
		}
	}
}

func killNames(t *testing.T, sub, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(killModel(dir), sub))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func killStages(t *testing.T, r *mr.ModelRegistry) map[string]string {
	t.Helper()
	list, err := r.ListVersions(t.Context(), procName)
	if err != nil && !errors.Is(err, mr.ErrNotFound) {
		t.Fatal(err)
	}
	m := map[string]string{}
	for _, v := range list {
		m[v.Version] = string(v.Stage)
	}
	if len(m) != len(list) {
		t.Errorf("%d versions have %d numbers", len(list), len(m))
	}
	return m
}

// Invariants 1, 2, 3, 4, 5, 8 and 11: whatever processes are killed at, what
// was acknowledged is there in the order in which it was, what was refused is
// not, no reader sees anything half done, and the next writer writes and clears
// away what the dead left.
func TestKilledProcesses(t *testing.T) {
	t.Parallel()
	var k *killRun
	processes, operations := 0, 0
	for round := range *killRounds {
		if round%10 == 0 { // a store goes through some rounds: what was recovered is killed again
			k = newKillRun(t)
		}
		before, lines := k.count, len(k.lines)
		k.round(t)
		processes, operations = processes+k.count-before, operations+(len(k.lines)-lines)/2
		k.check(t)
		if t.Failed() {
			t.Fatalf("in round %d", round+1)
		}
	}
	t.Logf("%d processes killed, some %d operations", processes, operations)
}

// Invariant 8: the staging of a process that is stopped, for however long, is
// not taken for a dead one's.
func TestStoppedProcessKeepsItsStaging(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	procRegister(t, dir, 1)
	cmd := exec.Command(os.Args[0], "-test.run=^TestKillChild$", "-test.timeout=2m")
	cmd.Env = append(os.Environ(), procTask+"=save and wait", procDir+"="+dir)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	cmd.ExtraFiles = []*os.File{w}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	w.Close()
	t.Cleanup(func() { cmd.Process.Kill() })
	tree, err := bufio.NewReader(r).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	procRegister(t, dir, 1) // a fresh store looks through the stagings
	if !procExists(strings.TrimSpace(tree)) {
		t.Error("the staging of a stopped process is gone")
	}
	if err := cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	stdin.Write([]byte("\n"))
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	if list, err := procOpen(t, dir).ListVersions(context.Background(), procName); err != nil || len(list) != 3 {
		t.Errorf("%d versions, %v", len(list), err)
	}
}
