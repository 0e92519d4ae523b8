//go:build !unix

package fsroot

import (
	"io/fs"
	"os"
)

// Identity returns the device and the inode of a file. They are zero on systems
// that do not report them.
func Identity(fs.FileInfo) (device, inode uint64) { return 0, 0 }

// Links returns how many names a file has. It is 1 on systems that do not
// report it.
func Links(fs.FileInfo) uint64 { return 1 }

func setGroup(*os.Root, string, fs.FileInfo, fs.FileInfo) {}
