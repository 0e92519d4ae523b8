package main

import (
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/ubunye-go/modelregistry/examples/internal/cli"
	"github.com/ubunye-go/modelregistry/examples/internal/clitest"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"ubunye": func() { os.Exit(cli.Main(nil)) }, "ubunye-cloud": main})
}

func TestScripts(t *testing.T) { clitest.Run(t, "testdata/script") }
