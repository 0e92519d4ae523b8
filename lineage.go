package modelregistry

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"runtime/debug"
	"sync"
)

type runIDKey struct{}

// WithRunID returns a context that carries a lineage run id. Register stores it
// with the version, unless RegisterOptions.LineageRunID is set.
func WithRunID(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, runIDKey{}, id)
}

func runID(ctx context.Context) string {
	id, _ := ctx.Value(runIDKey{}).(string)
	return id
}

// ConfigHash returns the SHA-256 of a configuration's bytes, in hex, for
// RegisterOptions.ConfigHash.
func ConfigHash(config []byte) string {
	sum := sha256.Sum256(config)
	return hex.EncodeToString(sum[:])
}

// sourceRevision returns the source revision that the running program was built
// from, or "" if it is not known.
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
// store. They are ordered by use case and model, then the newest registration
// first. VersionsOfRun reads every model. If the run produced no version, the
// list is empty and the error nil. The error joins those of the models that
// can't be read; the list has the versions of the others.
func (r *ModelRegistry) VersionsOfRun(ctx context.Context, runID string) ([]ModelVersion, error) {
	if runID == "" {
		return nil, &Error{Op: "lineage", Err: invalid("run id: it is empty")}
	}
	var found []ModelVersion
	var unread []error
	for v, err := range r.Find(ctx, &Query{RunID: runID}) {
		if err != nil {
			unread = append(unread, err)
			continue
		}
		found = append(found, v)
	}
	return found, errors.Join(unread...)
}
