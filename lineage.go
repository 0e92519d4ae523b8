package modelregistry

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"runtime/debug"
	"slices"
	"sync"
)

type runIDKey struct{}

// WithRunID returns a context under which every version is registered with this
// lineage run id.
func WithRunID(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, runIDKey{}, id)
}

func runID(ctx context.Context) string {
	id, _ := ctx.Value(runIDKey{}).(string)
	return id
}

// ConfigHash returns the SHA-256 of a configuration's bytes, in hex, for
// RegisterOptions.
func ConfigHash(config []byte) string {
	sum := sha256.Sum256(config)
	return hex.EncodeToString(sum[:])
}

// sourceRevision returns the revision of the source that the running program
// was built from, or "".
var sourceRevision = sync.OnceValue(func() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	revision, dirty := "", ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			revision = s.Value
		case s.Key == "vcs.modified" && s.Value == "true":
			dirty = "+dirty"
		}
	}
	if revision == "" {
		return ""
	}
	return revision + dirty
})

// VersionsOfRun returns the versions that a run produced, in all models of the
// store, in order of use case and model, newest first. It reads every model's
// index. None is not an error. Models that can't be read are in the error, and
// do not hide those that can.
func (r *ModelRegistry) VersionsOfRun(ctx context.Context, runID string) ([]ModelVersion, error) {
	if runID == "" {
		return nil, &Error{Op: "lineage", Err: invalid("run id: it is empty")}
	}
	var found []ModelVersion
	var unread []error
	for name, err := range r.Models(ctx) {
		var list []ModelVersion
		if err == nil {
			list, err = r.ListVersions(ctx, name)
		}
		if err != nil {
			unread = append(unread, err)
			if ctx.Err() != nil {
				break
			}
			continue
		}
		found = append(found, slices.DeleteFunc(list, func(v ModelVersion) bool { return v.LineageRunID != runID })...)
	}
	return found, errors.Join(unread...)
}
