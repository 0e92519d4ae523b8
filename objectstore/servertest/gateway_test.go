package servertest

import (
	"context"
	"os"
	"os/exec"

	"github.com/versity/versitygw/backend/meta"
	"github.com/versity/versitygw/backend/posix"
	"github.com/versity/versitygw/embedgw"
)

// The environment of a process that is the S3 server: its address, and the
// folder with its buckets.
const (
	gatewayAddr   = "MODELREGISTRY_SERVERTEST_GATEWAY_ADDR"
	gatewayFolder = "MODELREGISTRY_SERVERTEST_GATEWAY_FOLDER"
)

// gateway returns the command that starts the S3 server. The command is this
// test's own program, so that no other program must be built.
func gateway(addr, folder string) *exec.Cmd {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), gatewayAddr+"="+addr, gatewayFolder+"="+folder)
	return cmd
}

// runGateway runs the S3 server until the process is killed. The numbers are
// the defaults of the versitygw command.
func runGateway(addr, folder string) error {
	store, err := posix.New(folder, meta.XattrMeta{}, posix.PosixOpts{Concurrency: 5000, CopyObjectThreshold: 5 << 30})
	if err != nil {
		return err
	}
	defer store.Shutdown()
	return embedgw.RunVersityGW(context.Background(), store, &embedgw.Config{
		RootUserAccess: accessKey, RootUserSecret: secretKey, Region: region,
		Ports:          []string{addr},
		MaxConnections: 250_000, MaxRequests: 100_000, MultipartMaxParts: 10_000,
		Quiet: true, KeepAlive: true,
	})
}
