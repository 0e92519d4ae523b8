package cli

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
)

var shellBlock = regexp.MustCompile("(?s)\n```sh\n(.*?)```\n")

// The commands of the page about daily work run as they are written.
func TestDailyPageRuns(t *testing.T) {
	wantOutput(t, runPage(t, "daily.md", 4),
		"fraud/Risk@1.0.0 was registered before", "fraud/Risk@champion: 1.0.1", "fraud/Risk@1.0.1: development → production",
		"fraud/Risk@1.0.1: risk=high\n", "fraud/Risk@1.0.1: auc=0.93 (production)")
}

// So do those of the page about gates.
func TestGatesPageRuns(t *testing.T) {
	wantOutput(t, runPage(t, "gates.md", 7),
		"fraud/Risk@1.0.1: development → production would be allowed",
		"  not_below_production auc: 0.87 < 0.90 (production 1.0.0: 0.91, margin 0.01)\n", "1.0.1 stays in development\n",
		"0.905 >= 0.90 (production 1.0.0: 0.91, margin 0.01)", "0.203 <= 0.204 (production 1.0.0: 0.20, margin 2%)",
		"refused again\n", "fraud/Risk@1.0.2: development → production",
		"  not_below_production auc/region=us: 0.84 < 0.88 (production 1.0.3: 0.90, margin 0.02)\n", "1.0.4 is worse in the US\n",
		"fraud/Risk@1.0.4: development → staging")
}

// runPage runs the shell commands of a page in an empty folder, and returns
// their output. The page must have at least so many blocks of commands.
func runPage(t *testing.T, name string, least int) string {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("the page is for a Unix shell")
	}
	page, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", name))
	if err != nil {
		t.Fatal(err)
	}
	var script strings.Builder
	blocks := shellBlock.FindAllSubmatch(page, -1)
	for _, block := range blocks {
		script.Write(block[1])
	}
	if len(blocks) < least {
		t.Fatalf("the page has %d blocks of commands", len(blocks))
	}
	sh := exec.Command("sh", "-eux", "-c", script.String())
	sh.Dir = t.TempDir()
	sh.Env = append(os.Environ(), "NO_COLOR=1", "UBUNYE_STORE=")
	out, err := sh.CombinedOutput()
	if err != nil {
		t.Fatalf("%v:\n%s", err, out)
	}
	return string(out)
}

func wantOutput(t *testing.T, out string, all ...string) {
	t.Helper()
	for _, want := range all {
		if !strings.Contains(out, want) {
			t.Errorf("the output lacks %q:\n%s", want, out)
		}
	}
}
