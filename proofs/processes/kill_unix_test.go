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
	registerMany(t, dir, 1) // a fresh store looks through the stagings
	if !exists(strings.TrimSpace(tree)) {
		t.Error("the staging of a stopped process is gone")
	}
	if err := cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	stdin.Write([]byte("\n"))
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	if list, err := openStore(t, dir, nil).ListVersions(context.Background(), fraud); err != nil || len(list) != 3 {
		t.Errorf("%d versions, %v", len(list), err)
	}
}
