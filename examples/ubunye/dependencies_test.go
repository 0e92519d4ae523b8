package main

import (
	"os/exec"
	"strings"
	"testing"
)

// The program for folders starts and builds fast because it has few packages.
// Cloud SDKs have hundreds; they belong into ubunye-cloud.
func TestDependenciesAreFew(t *testing.T) {
	list := func(format string) []string {
		out, err := exec.Command("go", "list", "-deps", "-f", format, ".").Output()
		if err != nil {
			t.Fatal(err)
		}
		return strings.Fields(string(out))
	}
	if all := list("{{.ImportPath}}"); len(all) > 200 {
		t.Errorf("ubunye has %d packages, want at most 200", len(all))
	}
	var others []string
	for _, path := range list("{{if not .Standard}}{{.ImportPath}}{{end}}") {
		if !strings.HasPrefix(path, "github.com/ubunye-go/modelregistry") {
			others = append(others, path)
		}
	}
	if len(others) > 10 {
		t.Errorf("ubunye has %d packages of other modules, want at most 10:\n%s", len(others), strings.Join(others, "\n"))
	}
}
