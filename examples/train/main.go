// Train is a training pipeline that uses a model registry. It trains a
// classifier of tumours on real cases, registers it, promotes it to staging
// through the gates of its configuration, and promotes it to production. Then
// it trains a weaker model, which the gates refuse, and lists the versions.
//
//	go run ./examples/train [-config FILE] [-store DIR] [-actor NAME]
//
// Each run adds two versions. The predict example uses the result.
package main

import (
	"context"
	"io"

	"github.com/ubunye-go/modelregistry/examples/internal/program"
)

func main() { program.Main(run) }

// run runs the program and returns its exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	flags := program.Flags("train", stderr)
	file := flags.String("config", "", "read the configuration of the pipeline from `FILE` (default: the built-in one)")
	store := flags.String("store", "", "keep the models in `DIR` (default: the store of the configuration)")
	actor := flags.String("actor", "training pipeline", "record `NAME` as the actor")
	return program.Run(flags, args, func() error { return trainAll(ctx, *file, *store, *actor, stdout) })
}
