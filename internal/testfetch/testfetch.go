// Package testfetch keeps what tests download (an emulator, another program) in
// the user's cache folder, so that a machine downloads each once.
package testfetch

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/gofrs/flock"
)

// Dir returns the folder {cache}/modelregistry-test/{name}-{digest of key},
// where cache is [os.UserCacheDir]. The key is what the content is made from,
// for instance a lock file, so that another key gives another folder.
//
// If the folder is missing, fill makes its content in a temporary folder beside
// it, which is renamed when fill returns without an error. So an existing
// folder is always complete. Processes that need one folder at the same time
// wait for each other on a file lock, and one of them fills it.
func Dir(name string, key []byte, fill func(dir string) error) (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("fetch %s: %w", name, err)
	}
	return dirIn(filepath.Join(cache, "modelregistry-test"), name, key, fill)
}

func dirIn(root, name string, key []byte, fill func(dir string) error) (string, error) {
	fail := func(err error) (string, error) { return "", fmt.Errorf("fetch %s: %w", name, err) }
	sum := sha256.Sum256(key)
	dir := filepath.Join(root, name+"-"+hex.EncodeToString(sum[:8]))
	if err := os.MkdirAll(root, 0o777); err != nil {
		return fail(err)
	}
	lock := flock.New(dir + ".lock")
	if err := lock.Lock(); err != nil {
		return fail(err)
	}
	defer lock.Close() // releases the lock
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		return dir, err
	}
	partial := dir + ".partial" // a killed process may have left it; the lock makes it ours
	if err := os.RemoveAll(partial); err != nil {
		return fail(err)
	}
	if err := os.Mkdir(partial, 0o777); err != nil {
		return fail(err)
	}
	if err := fill(partial); err != nil {
		return fail(errors.Join(err, os.RemoveAll(partial)))
	}
	if err := os.Rename(partial, dir); err != nil {
		return fail(err)
	}
	return dir, nil
}
