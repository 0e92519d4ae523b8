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
	"io"

	"github.com/ubunye-go/modelregistry/examples/internal/program"
)

func main() { program.Main(run) }

// run is the program; it returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	flags := program.Flags("train", stderr)
	file := flags.String("config", "", "read the pipeline's configuration from `FILE` (default: the one built in)")
	store := flags.String("store", "", "keep the models in `DIR` (default: the store of the configuration)")
	actor := flags.String("actor", "training pipeline", "register and promote in the name of `NAME`")
	return program.Run(flags, args, func() error { return trainAll(ctx, *file, *store, *actor, stdout) })
}
