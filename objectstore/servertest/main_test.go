package servertest

import (
	"fmt"
	"os"
	"testing"
)

// TestMain runs the tests, or is the process of an S3 server or of a worker
// that a test started.
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
