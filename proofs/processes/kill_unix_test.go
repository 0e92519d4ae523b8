//go:build unix

package processes

import (
	"bufio"
	"context"
	"flag"
	"os"
	"strings"
	"syscall"
	"testing"
)

var killRounds = flag.Int("kill.rounds", 3, "rounds of TestKilledProcesses, of two dozen kills or more each")

// Invariants 1, 2, 3, 4, 5, 8 and 11, with processes killed at any moment.
// Acknowledged changes are in the history in their order, refused ones are not.
// No reader sees half of a change. The next writer succeeds, and removes what
// the killed processes left.
func TestKilledProcesses(t *testing.T) {
	t.Parallel()
	var k *killRun
	processes, operations := 0, 0
	for round := range *killRounds {
		if round%10 == 0 { // so a store is recovered and then written and killed again, ten times
			k = newKillRun(t)
		}
		before, lines := k.count, len(k.lines)
		k.round(t)
		processes, operations = processes+k.count-before, operations+(len(k.lines)-lines)/2
		k.check(t)
		if t.Failed() {
			t.Fatalf("round %d failed, as reported above", round+1)
		}
	}
	t.Logf("killed %d processes, in about %d operations; of the last store's, %v were acknowledged", processes, operations, k.acknowledged())
}

// Invariant 8: the staging folder of a stopped process is kept, because the
// process is still alive.
func TestStoppedProcessKeepsItsStaging(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	registerMany(t, dir, 1)
	cmd := command("save and wait", dir)
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
	registerMany(t, dir, 1) // a new registry removes the staging folders of dead processes
	if !exists(strings.TrimSpace(tree)) {
		t.Error("the staging folder of the stopped process was removed, want it kept")
	}
	if err := cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	stdin.Write([]byte("\n"))
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	if list, err := openStore(t, dir, nil).ListVersions(context.Background(), fraud); err != nil || len(list) != 3 {
		t.Errorf("got %d versions, %v, want 3", len(list), err)
	}
}
