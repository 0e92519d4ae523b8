package processes

import (
	"bytes"
	"os"
	"os/exec"
	"testing"
)

// Variables in the environment of a process: its task and its store.
const (
	taskVariable  = "MODELREGISTRY_PROCESSES_TASK"
	storeVariable = "MODELREGISTRY_PROCESSES_STORE"
)

// tasks maps names to what a process can do in a store.
var tasks = map[string]func(t *testing.T, dir string){
	"register 25":        func(t *testing.T, dir string) { registerMany(t, dir, 25) },
	"promote 25":         func(t *testing.T, dir string) { promoteNewest(t, dir, 25) },
	"read until stopped": func(t *testing.T, dir string) { read(t, dir, func() bool { return exists(stopFile(dir)) }) },
	"hold the lock":      holdLock,
}

// TestChild runs a task in the processes that the other tests start. It does
// nothing otherwise.
func TestChild(t *testing.T) {
	name := os.Getenv(taskVariable)
	if name == "" {
		return
	}
	task := tasks[name]
	if task == nil {
		t.Fatalf("unknown task %q", name)
	}
	task(t, os.Getenv(storeVariable))
}

// command returns a process that runs a task.
func command(task, dir string, env ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], "-test.run=^TestChild$", "-test.timeout=5m")
	cmd.Env = append(append(os.Environ(), taskVariable+"="+task, storeVariable+"="+dir), env...)
	return cmd
}

// runTogether runs processes at the same time, and waits until all have ended.
func runTogether(t *testing.T, cmds ...*exec.Cmd) {
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
