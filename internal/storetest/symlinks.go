package storetest

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// NeedSymlinks skips a test on a system that makes no symbolic links, or does
// not show them. On Windows to make one takes a privilege. Wine makes links
// that Windows programs don't see.
func NeedSymlinks(t testing.TB) {
	t.Helper()
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink("file", link); err != nil {
		Unavailable(t, "no symbolic link can be made here: "+err.Error())
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&fs.ModeSymlink == 0 {
		Unavailable(t, "symbolic links do not show here")
	}
}
