package modelregistry_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	markdownLink = regexp.MustCompile(`\]\(([^)#]+)(?:#[^)]*)?\)`)
	testInText   = regexp.MustCompile(`\b(?:Test|Fuzz)[A-Z]\w+`)
	testInCode   = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)[A-Z]\w*)\(`)
	goFile       = regexp.MustCompile("`([a-z]+(?:/[a-z_]+)*\\.go)`")
)

// The pages send a reader to other pages, to Go files and to tests. All of them
// exist.
func TestPagesNameWhatExists(t *testing.T) {
	t.Parallel()
	if !exists("objectstore/go.mod") {
		unavailable(t, "the pages name tests of modules that are not here")
	}
	tests := testNames(t)
	pages, err := filepath.Glob("docs/*.md")
	if err != nil || len(pages) == 0 {
		t.Fatalf("no pages in docs: %v", err)
	}
	for _, page := range append(pages, "README.md", "CONTRIBUTING.md", "CHANGELOG.md", "doc.go") {
		data, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		text := string(data)
		for _, m := range markdownLink.FindAllStringSubmatch(text, -1) {
			if target := m[1]; !strings.Contains(target, "://") && !exists(filepath.Join(filepath.Dir(page), target)) {
				t.Errorf("%s links to %s, which does not exist", page, target)
			}
		}
		for _, name := range testInText.FindAllString(text, -1) {
			if !tests[name] && name != "TestStore" && name != "TestEvery" { // an exported function, and a pattern
				t.Errorf("%s names the test %s, which does not exist", page, name)
			}
		}
		for _, m := range goFile.FindAllStringSubmatch(text, -1) {
			if !exists(m[1]) && !exists(filepath.Join("internal/fsstore", m[1])) && !exists(filepath.Join("internal/index", m[1])) {
				t.Errorf("%s names the file %s, which does not exist", page, m[1])
			}
		}
	}
}

// The page about recovery has a row for each kind of finding and of repair.
func TestRecoveryPageHasEachKind(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("docs/recovery.md")
	if err != nil {
		t.Fatal(err)
	}
	kind := regexp.MustCompile(`(?m)^\t(\w+) +(?:Finding|Repair)Kind = `)
	found := 0
	for _, file := range []string{"verify.go", "repair.go"} {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range kind.FindAllStringSubmatch(string(data), -1) {
			found++
			if !strings.Contains(string(page), "\n| `"+m[1]+"` | ") {
				t.Errorf("docs/recovery.md has no row for %s of %s", m[1], file)
			}
		}
	}
	if found < 25 {
		t.Errorf("the test found %d kinds", found)
	}
}

// testNames returns the names of the tests of all modules.
func testNames(t *testing.T) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		data, err := os.ReadFile(path)
		for _, m := range testInCode.FindAllSubmatch(data, -1) {
			names[string(m[1])] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func exists(name string) bool {
	_, err := os.Lstat(name)
	return err == nil
}
