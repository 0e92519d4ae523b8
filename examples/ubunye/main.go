// Command ubunye manages the versions of models in a folder from the command
// line. If the store is in a bucket, it hands its arguments to ubunye-cloud,
// which has the client libraries of the clouds.
package main

import (
	"os"

	"github.com/ubunye-go/modelregistry/examples/internal/cli"
)

func main() { os.Exit(cli.Main(nil)) }
