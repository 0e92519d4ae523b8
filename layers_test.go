package modelregistry_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// layers are the packages of this module from the bottom to the top, by their
// path below the root. A package imports packages of lower layers only. An
// internal package that no layer names belongs to the layer parts.
var layers = []layer{
	{"leaves", []string{
		"internal/decimal", "internal/filestat", "internal/fsroot", "internal/logformat", "internal/mounts", "internal/pyjson", "internal/refcount", "internal/pathname", "internal/spelling", "internal/stagedfiles", "internal/testfetch", "internal/testmount",
	}},
	{"contract", []string{"driver"}},
	{"format", []string{"internal/format"}},
	{"document", []string{"internal/document"}},
	{"stores", []string{"internal/fsstore"}},
	{"parts", nil},
	{"engine", []string{"internal/engine"}},
	{"check and history", []string{"internal/check", "internal/derived", "internal/removal", "internal/search", "internal/timeline"}},
	{"registry", []string{"."}},
	// For tests. Ledger writes through a registry as its users do. Crashtest
	// and foldtest wrap the folder store's disk.
	{"tests", []string{"registrytest", "internal/crashtest", "internal/foldtest", "internal/ledger", "internal/storetest"}},
	{"Python's store", []string{"internal/pythonstore"}}, // for tests, on top of storetest
}

type layer struct {
	name     string
	packages []string
}

// only has the packages that may import some of the lower layers only.
var only = map[string][]string{
	"driver":             {"leaves"},
	"internal/fsstore":   {"leaves", "contract"},
	"internal/gate":      {"leaves"},
	"internal/condition": {"leaves"},
	"internal/follow":    {"leaves", "contract"},
	"internal/index":     {"leaves", "format", "document"},
	"internal/engine":    {"leaves", "contract", "format", "document", "parts"},
	"internal/check":     {"leaves", "contract", "document", "parts", "engine"},
	"internal/derived":   {"parts"},
	"internal/removal":   {"contract", "parts", "engine"},
	"internal/search":    {"leaves", "parts"},
	"internal/timeline":  {"contract", "parts", "engine"},
}

// layerOf returns the position of a package in layers, or -1.
func layerOf(pkg string) int {
	at := slices.IndexFunc(layers, func(l layer) bool { return slices.Contains(l.packages, pkg) })
	if at < 0 && strings.HasPrefix(pkg, "internal/") {
		at = slices.IndexFunc(layers, func(l layer) bool { return l.name == "parts" })
	}
	return at
}

func TestLayers(t *testing.T) {
	t.Parallel()
	imports := moduleImports(t)
	for _, l := range layers {
		for _, pkg := range l.packages {
			if imports[pkg] == nil {
				t.Errorf("the layer %s names the package %s, which does not exist", l.name, pkg)
			}
		}
	}
	for _, pkg := range slices.Sorted(maps.Keys(imports)) {
		at := layerOf(pkg)
		if at < 0 {
			t.Errorf("no layer names the package %s", pkg)
			continue
		}
		for imported, file := range imports[pkg] {
			below := layerOf(imported)
			if below >= at {
				t.Errorf("%s: a package of the layer %s imports %s, want packages of lower layers only", file, layers[at].name, imported)
			} else if allowed := only[pkg]; allowed != nil && !slices.Contains(allowed, layers[below].name) {
				t.Errorf("%s: %s imports %s, want only packages of the layers %q", file, pkg, imported, allowed)
			}
		}
	}
}

// moduleImports returns the packages of this module that each package of it
// imports outside its tests, with a file that does.
func moduleImports(t *testing.T) map[string]map[string]string {
	t.Helper()
	const module = "github.com/ubunye-go/modelregistry"
	found := map[string]map[string]string{}
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			_, err := os.Stat(filepath.Join(name, "go.mod"))
			if name != "." && (err == nil || d.Name() == "testdata" || strings.HasPrefix(d.Name(), ".")) {
				return fs.SkipDir // another module, or no package
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return nil
		}
		pkg := path.Dir(filepath.ToSlash(name))
		if found[pkg] == nil {
			found[pkg] = map[string]string{}
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, spec := range f.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			if imported == module {
				found[pkg]["."] = name
			} else if below, ok := strings.CutPrefix(imported, module+"/"); ok {
				found[pkg][below] = name
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}
