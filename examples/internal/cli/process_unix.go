//go:build unix

package cli

import (
	"os"
	"path/filepath"
	"syscall"
)

// replaceProcess runs another program in place of this process. Signals, the
// exit status and open files need no care then.
func replaceProcess(path string, args []string) error {
	path, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	return &os.PathError{Op: "exec", Path: path, Err: syscall.Exec(path, append([]string{path}, args...), os.Environ())}
}
