//go:build !linux || (!amd64 && !arm64)

package fsstore

import (
	"errors"
	"os"
)

// A wholeFS syncs nothing where no call of the system does it and tells of errors.
type wholeFS struct{}

func (*wholeFS) sync(func() (*os.File, error)) error { return errors.ErrUnsupported }
func (*wholeFS) close()                              {}
