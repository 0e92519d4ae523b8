//go:build unix

package processes

import (
	"bufio"
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/ubunye-go/modelregistry/internal/ledger"
)

// A killed is a process that the test kills.
type killed struct {
	task  string
	cmd   *exec.Cmd
	out   bytes.Buffer
	notes sync.WaitGroup
	ended chan struct{}
}

// A killRun is a store and all processes that write to it.
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
	// The room is more than the number of processes that end in one round.
	return &killRun{dir: filepath.Join(t.TempDir(), "store"), acked: make(chan struct{}), died: make(chan *killed, 10_000)}
}

// start starts process i of a round. The first 8 are writers, the last 4
// readers.
func (k *killRun) start(t *testing.T, i int) *killed {
	t.Helper()
	k.count++
	p := &killed{task: "write until killed", ended: make(chan struct{})}
	if i >= 8 {
		p.task = "read until killed"
	}
	p.cmd = command(p.task, k.dir, fmt.Sprintf("%s=p%d", workerVariable, k.count))
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

// read collects the lines that a process writes to its notebook.
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

// check fails the test if the process ended other than by SIGKILL.
func (p *killed) check(t *testing.T) {
	t.Helper()
	<-p.ended
	if status, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || !status.Signaled() || status.Signal() != syscall.SIGKILL {
		t.Fatalf("the process %q ended with %v, want it killed\n%s", p.task, p.cmd.ProcessState, p.out.Bytes())
	}
}

// round runs 8 writers and 4 readers. It kills them one by one at random, and
// progress starts them again. At the end it kills all at once.
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

// progress waits until n operations have returned. Meanwhile it starts killed
// processes again. The other processes must go on, even if the killed one held
// a lock.
func (k *killRun) progress(t *testing.T, n int) {
	t.Helper()
	for stuck := time.After(3 * time.Minute); n > 0; {
		select {
		case <-k.acked:
			n--
		case p := <-k.died:
			p.check(t)
			if i := slices.Index(k.processes, p); i >= 0 {
				k.processes[i] = k.start(t, i)
			}
		case <-stuck:
			t.Fatalf("after three minutes %d operations have not returned, want all", n)
		}
	}
}

// acknowledged counts the operations that returned no error, by their kind.
func (k *killRun) acknowledged() map[string]int {
	n := map[string]int{}
	for _, l := range k.lines {
		if l.Phase == ledger.Done {
			n[l.Op]++
		}
	}
	return n
}
