// Train is a training pipeline that uses a model registry. It trains a
// classifier of tumours on real cases, registers it, lets it through the gates
// of its configuration to staging, and promotes it to production. Then it
// trains a weaker model, which the gates refuse, and lists the versions.
//
//	go run ./examples/train [-config FILE] [-store DIR] [-actor NAME]
//
// Run it again, and the versions count on. The predict example uses the result.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
)

// The exit codes.
const (
	exitOK    = 0
	exitError = 1
	exitUsage = 2
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run is the program; it returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("train", flag.ContinueOnError)
	flags.SetOutput(stderr)
	file := flags.String("config", "", "read the pipeline's configuration from `FILE` (default: the one built in)")
	store := flags.String("store", "", "keep the models in `DIR` (default: the store of the configuration)")
	actor := flags.String("actor", "training pipeline", "register and promote in the name of `NAME`")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return exitOK
	} else if err != nil {
		return exitUsage
	}
	if flags.NArg() > 0 {
		fmt.Fprintf(stderr, "train: unexpected argument %q\n", flags.Arg(0))
		flags.Usage()
		return exitUsage
	}
	if err := trainAll(ctx, *file, *store, *actor, stdout); err != nil {
		fmt.Fprintf(stderr, "train: %v\n", err)
		return exitError
	}
	return exitOK
}
