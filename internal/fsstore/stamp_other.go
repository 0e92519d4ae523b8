//go:build !linux || (!amd64 && !arm64)

package fsstore

import "io/fs"

func lstat(dir, name string) (Stamp, error) { return slowStamp(dir, name) }

func gone(path string, was fs.FileInfo) bool { return slowGone(path, was) }
