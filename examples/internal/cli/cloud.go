package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/ubunye-go/modelregistry"
)

// A Cloud opens the stores that are in buckets.
type Cloud struct {
	// Open opens the store that a URL names. It keeps the files that it
	// downloads in a folder, which is empty for the user's own.
	Open func(ctx context.Context, url, cacheDir string, logger *slog.Logger) (Bucket, error)
	// CacheFailed reports whether an error is about the folder for downloaded
	// files.
	CacheFailed func(error) bool
}

// A Bucket is a store in a bucket.
type Bucket interface {
	modelregistry.Store
	Sweep(context.Context, modelregistry.ModelName, SweepOptions) ([]Swept, error)
	SweepAll(context.Context, SweepOptions) ([]Swept, error)
}

// SweepOptions are options of Sweep.
type SweepOptions struct {
	OlderThan time.Duration
	Apply     bool
}

// Swept is the work of Sweep on one upload, done or to be done.
type Swept struct {
	Name    modelregistry.ModelName
	Version string // empty if the files are removed
	Upload  string
	Objects int

	Unfinished string // the key of a large file whose upload was never finished
	Bytes      int64
	Newest     time.Time
}

// cloudProgram is the program that has a Cloud.
const cloudProgram = "ubunye-cloud"

// handedOver is the environment variable that tells the other program that its
// arguments were handed over.
const handedOver = "UBUNYE_HANDED_OVER"

// handOver runs ubunye-cloud with the arguments of this process. On Unix it
// returns only if that fails.
func (a *app) handOver() error {
	path, err := findCloudProgram()
	if err != nil {
		return fmt.Errorf("store %q: %w: a bucket needs the program %s, which is neither beside this one nor in PATH; "+
			"install it with: go install github.com/ubunye-go/modelregistry/examples/%[3]s@%s, or in a clone: go build -o . ./examples/%[3]s",
			a.store, errors.ErrUnsupported, cloudProgram, installVersion())
	}
	if os.Getenv(handedOver) != "" { // it would run itself for ever
		return fmt.Errorf("store %q: %w: a bucket needs the program %s, and %s is a program for folders",
			a.store, errors.ErrUnsupported, cloudProgram, path)
	}
	if err := os.Setenv(handedOver, "1"); err != nil {
		return err
	}
	return replaceProcess(path, a.args)
}

// findCloudProgram prefers the program beside this one, because the two are
// installed together.
func findCloudProgram() (string, error) {
	if self, err := os.Executable(); err == nil {
		if path, err := exec.LookPath(filepath.Join(filepath.Dir(self), cloudProgram)); err == nil {
			return path, nil
		}
	}
	return exec.LookPath(cloudProgram)
}

// installVersion is the version of this program for go install.
func installVersion() string {
	if v := buildVersion(); v != develVersion {
		return v
	}
	return "latest"
}
