//go:build !unix

package fsroot

import (
	"io/fs"
	"os"
)

// Identity returns the device and the inode of a file. They are zero on systems
// that do not report them.
func Identity(fs.FileInfo) (device, inode uint64) { return 0, 0 }

func setGroup(*os.Root, string, fs.FileInfo, fs.FileInfo) {}
