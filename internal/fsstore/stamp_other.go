//go:build !linux || (!amd64 && !arm64)

package fsstore

func lstat(dir, name string) (Stamp, error) { return slowStamp(dir, name) }
