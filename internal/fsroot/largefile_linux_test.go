package fsroot_test

import (
	"os"
	"testing"

	"github.com/ubunye-go/modelregistry/internal/fsroot"
)

// A file may be larger than 2 GB, also where an int has 32 bits.
func TestLargeFile(t *testing.T) {
	t.Parallel()
	root, err := os.OpenRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	const size = 3 << 30 // a hole
	f, _, err := fsroot.OpenFile(root, "large", os.O_WRONLY|os.O_CREATE, 0o666)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Truncate(size); err != nil {
		t.Error(err)
	}
	if _, err := f.WriteAt([]byte("end"), size-3); err != nil {
		t.Error(err)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	f, info, err := fsroot.OpenFile(root, "large", os.O_RDONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	end := make([]byte, 3)
	if _, err := f.ReadAt(end, size-3); err != nil || string(end) != "end" || info.Size() != size {
		t.Errorf("a file of %d bytes ends with %q, %v; want %d bytes and %q", info.Size(), end, err, int64(size), "end")
	}
}
