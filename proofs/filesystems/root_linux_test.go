//go:build !race

package filesystems

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// elsewhere are the tests of the root package that say nothing more on another
// file system: they simulate the disk, mount one of their own, count
// calls or allocations, need a machine that is not busy, or take minutes.
const elsewhere = `^Test(Every|RepairOfAnyDamage|FailuresLeakNothing|Allocations|CountsDoNotGrow|Live|Ranges|CallerLeaves|CloseUnderLoad|HistoryFollows|PythonTornRead|CatchUpRecords)` +
	`|Disk|Mount|Exfat|Ext4|Coarse|Folding`

// rootTests builds the tests of the root package.
func rootTests(t *testing.T) (program string) {
	t.Helper()
	program = filepath.Join(t.TempDir(), "root.test")
	build := exec.Command("go", "test", "-c", "-o", program, "github.com/ubunye-go/modelregistry")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building the tests of the root package: %v\n%s", err, out)
	}
	return program
}

// runRootTests runs the tests of the root package with their temporary folders
// below a folder.
func runRootTests(t *testing.T, program, dir string) {
	t.Helper()
	limit := time.Duration(0) // none
	if deadline, ok := t.Deadline(); ok {
		limit = time.Until(deadline) - time.Minute // so that the file system is unmounted
	}
	cmd := exec.CommandContext(t.Context(), program, "-test.skip", elsewhere, "-test.timeout", limit.String())
	cmd.Dir = filepath.Join("..", "..")
	cmd.Env = append(os.Environ(), "TMPDIR="+dir)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("the tests of the root package: %v\n%s", err, out)
	}
	t.Logf("%v of processor time", cmd.ProcessState.UserTime()+cmd.ProcessState.SystemTime())
}
