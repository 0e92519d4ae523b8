// Package clitest runs the test scripts of command lines. It knows no command.
package clitest

import (
	"encoding/json"
	"errors"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// Run runs the scripts in a folder. They find the programs that the test's
// TestMain made, by name.
func Run(t *testing.T, dir string) {
	testscript.Run(t, testscript.Params{
		Dir:                 dir,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Cmds:                map[string]func(*testscript.TestScript, bool, []string){"exits": exits, "json": jsonIs},
		Setup: func(env *testscript.Env) error {
			env.Setenv("NO_COLOR", "")
			env.Setenv("TERM", "xterm")
			// Without this the race detector makes every command sleep for a
			// second.
			env.Setenv("GORACE", "atexit_sleep_ms=0")
			ubunye, err := exec.LookPath("ubunye")
			env.Setenv("PROGRAMS", filepath.Dir(ubunye)) // ubunye and no other program
			return err
		},
	})
}

// exits runs a command that must exit with the given status: exits 2 ubunye …
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits STATUS COMMAND …")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			ts.Fatalf("%v", err)
		}
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("exit status %d, not %d", got, want)
	}
}

// jsonIs compares a value in the JSON that the last command printed: json
// metrics.auc 0.93
func jsonIs(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: json PATH VALUE")
	}
	var at any
	d := json.NewDecoder(strings.NewReader(ts.ReadFile("stdout")))
	d.UseNumber()
	ts.Check(d.Decode(&at))
	for _, key := range strings.Split(args[0], ".") {
		switch v := at.(type) {
		case map[string]any:
			at = v[key]
		case []any:
			i, err := strconv.Atoi(key)
			ts.Check(err)
			if i >= len(v) {
				ts.Fatalf("%s: only %d elements", args[0], len(v))
			}
			at = v[i]
		default:
			ts.Fatalf("%s: nothing at %s", args[0], key)
		}
	}
	got, isString := at.(string)
	if !isString {
		raw, err := json.Marshal(at)
		ts.Check(err)
		got = string(raw)
	}
	if (got == args[1]) == neg {
		ts.Fatalf("%s is %s", args[0], got)
	}
}
