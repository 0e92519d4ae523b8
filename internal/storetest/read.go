package storetest

import (
	"os"
	"path/filepath"
)

// ReadFile reads a file of a store that a registry is writing to. On Windows,
// os.ReadFile can fail while a file is being replaced, and can keep it from
// being replaced. A file that is opened by an os.Root does neither.
func ReadFile(name string) ([]byte, error) {
	root, err := os.OpenRoot(filepath.Dir(name))
	if err != nil {
		return nil, err
	}
	defer root.Close()
	return root.ReadFile(filepath.Base(name))
}
