//go:build !race

package filesystems

import (
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"testing"
	"time"
)

// elsewhere matches the tests of these packages that prove nothing more on
// another file system. They simulate the disk, mount a file system of their
// own, count calls or allocations, need a machine that is not busy, or take
// minutes.
const elsewhere = `^Test(Every|RepairOfAnyDamage|FailuresLeakNothing|Allocations|CountsDoNotGrow|Live|Ranges|CallerLeaves|CloseUnderLoad|HistoryFollows|PythonTornRead|CatchUpRecords)` +
	`|Disk|Mount|Exfat|Ext4|Coarse|Folding`

// buildTests builds the tests of a package, given its path below the root.
func buildTests(t *testing.T, pkg string) (program string) {
	t.Helper()
	program = filepath.Join(t.TempDir(), "package.test")
	build := exec.Command("go", "test", "-c", "-o", program, path.Join("github.com/ubunye-go/modelregistry", pkg))
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building the tests of %s: %v\n%s", pkg, err, out)
	}
	return program
}

// runTests runs the tests of a package, in its folder, with their temporary
// folders below dir.
func runTests(t *testing.T, program, pkg, dir string) {
	t.Helper()
	limit := time.Duration(0) // none
	if deadline, ok := t.Deadline(); ok {
		limit = time.Until(deadline) - time.Minute // so that the file system is unmounted
	}
	cmd := exec.CommandContext(t.Context(), program, "-test.skip", elsewhere, "-test.timeout", limit.String())
	cmd.Dir = filepath.Join("..", "..", pkg)
	cmd.Env = append(os.Environ(), "TMPDIR="+dir)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("the tests of %s: %v\n%s", pkg, err, out)
	}
	t.Logf("%v of processor time", cmd.ProcessState.UserTime()+cmd.ProcessState.SystemTime())
}
