package servertest

import (
	"fmt"
	"os"
	"testing"
)

// TestMain runs the tests. In a process that a test started it is an S3 server
// or a worker.
func TestMain(m *testing.M) {
	if addr := os.Getenv(gatewayAddr); addr != "" {
		if err := runGateway(addr, os.Getenv(gatewayFolder)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	stores.Main()
	code := m.Run()
	if programDir != "" {
		os.RemoveAll(programDir)
	}
	os.Exit(code)
}
