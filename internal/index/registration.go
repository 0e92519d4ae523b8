package index

import (
	"time"

	"github.com/ubunye-go/modelregistry/internal/document"
	"github.com/ubunye-go/modelregistry/internal/pyjson"
)

// A Registration has the values of a new version's entry.
type Registration struct {
	Metrics, Metadata []byte // JSON objects
	RunID, ConfigHash string // empty for null
}

// Entry returns the entry of a version in development, registered at a time.
func (r Registration) Entry(version string, at time.Time) []byte {
	orNull := func(s string) []byte {
		if s == "" {
			return []byte("null")
		}
		return pyjson.Quote(s)
	}
	return document.Set([]byte("{}"), []pyjson.Member{
		{Key: "version", Value: pyjson.Quote(version)},
		{Key: "stage", Value: pyjson.Quote(Development)},
		{Key: "registered_at", Value: pyjson.Quote(FormatTime(at))},
		{Key: "metrics", Value: document.Lay(r.Metrics)},
		{Key: "metadata", Value: document.Lay(r.Metadata)},
		{Key: "lineage_run_id", Value: orNull(r.RunID)},
		{Key: "config_hash", Value: orNull(r.ConfigHash)},
	})
}
