package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"testing"

	"github.com/ubunye-go/modelregistry"
)

// processVariable names the role of a process that a test started: the server,
// or a writer of the registry. The process runs the test's own program, so that
// the test need not build one.
const (
	processVariable = "MODELREGISTRY_SERVE_PROCESS"
	asServer        = "server"
	asWriter        = "writer"
)

func process(as string, args ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), processVariable+"="+as)
	return cmd
}

func TestMain(m *testing.M) {
	switch os.Getenv(processVariable) {
	case asServer:
		main()
	case asWriter:
		if err := write(context.Background(), os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	default:
		os.Exit(m.Run())
	}
}

// write changes a registry. STORE promote VERSION ACTOR promotes without the
// version's gates. STORE rollback VERSION ACTOR rolls back to a version or, if
// it is empty, to the version before. STORE register FOLDER ACTOR registers.
func write(ctx context.Context, args []string) (err error) {
	if len(args) != 4 {
		return fmt.Errorf("%d arguments, want 4", len(args))
	}
	r, err := modelregistry.Open(args[0], nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	options := &modelregistry.MoveOptions{Actor: args[3], SkipGates: true}
	switch args[1] {
	case "promote":
		_, err = r.Promote(ctx, tumours.At(args[2]), modelregistry.Production, options)
	case "rollback":
		if args[2] == "" {
			_, err = r.Rollback(ctx, tumours, options)
		} else {
			_, err = r.RollbackTo(ctx, tumours.At(args[2]), options)
		}
	case "register":
		_, err = r.Register(ctx, tumours, modelregistry.FromDir(args[2]), &modelregistry.RegisterOptions{Actor: args[3]})
	default:
		err = fmt.Errorf("unknown change %q", args[1])
	}
	return err
}
