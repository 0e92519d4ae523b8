package modelregistry_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/ubunye-go/modelregistry/internal/pythonstore"
	"github.com/ubunye-go/modelregistry/internal/testmount"
)

// mountCoarse mounts an ext4 whose inodes have no room for fractions of a
// second, until the test ends.
func mountCoarse(t *testing.T) (dir string) {
	t.Helper()
	if os.Geteuid() != 0 {
		unavailable(t, "mounting takes root")
	}
	image := filepath.Join(t.TempDir(), "image")
	if err := os.WriteFile(image, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(image, 64<<20); err != nil {
		t.Fatal(err)
	}
	dir = t.TempDir()
	for _, args := range [][]string{{"mkfs.ext4", "-q", "-F", "-I", "128", image}, {"mount", "-o", "loop", image, dir}} {
		if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
			unavailable(t, string(out)+err.Error())
		}
	}
	testmount.UnmountAfter(t, dir)
	return dir
}

// TestEditWithinACoarseTick on a real file system with such times.
func TestEditWithinASecondOfExt4WithSmallInodes(t *testing.T) {
	t.Parallel()
	s := pythonstore.At(t, mountCoarse(t))
	r := s.Open()
	s.Register(r, "1.0.0")
	stamp := func() time.Time {
		info, err := os.Stat(s.Path("registry.json"))
		if err != nil {
			t.Fatal(err)
		}
		return info.ModTime()
	}
	change := func() {
		if _, err := r.Register(t.Context(), fraud, pythonstore.Artifact("x"), nil); err != nil {
			t.Fatal(err)
		}
	}
	now, within := "0.5", 0
	for try := 0; within < 5 && try < 50; try++ {
		next := map[string]string{"0.5": "0.7", "0.7": "0.5"}[now]
		change()
		before := stamp()
		editAuc(s, now, next)
		after := stamp()
		change()
		now = next
		if wantAuc(s, r, now); t.Failed() {
			t.Fatalf("an edit is lost that left the stamp %v, of %v", after, before)
		}
		if before.Nanosecond() != 0 {
			t.Fatalf("it stamps %v", before)
		}
		if after.Equal(before) {
			within++
		}
	}
	if within < 5 {
		t.Errorf("only %d edits came within a second", within)
	}
}
