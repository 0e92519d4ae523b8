package index

import (
	"time"

	"github.com/ubunye-go/modelregistry/internal/document"
	"github.com/ubunye-go/modelregistry/internal/pyjson"
)

// A Registration has the values of a new version.
type Registration struct {
	Version           string // empty to let the registry choose the number
	Metrics, Metadata []byte // JSON objects
	RunID, ConfigHash string // empty for null

	Extra       Extra
	Note        AnnotationChange
	Description string // of the note
	Reason      string
}

// Decide appends the event of a registration, unless a version was registered
// with its key before. existing is then true, and that version may have another
// number than the registration asks for. A number that the registry chooses is
// none of skip. The error is a *OnceError, a *TakenError or an *ExhaustedError,
// or that of Txn.Emit.
func (r Registration) Decide(t *Txn, skip map[string]bool) (version string, existing bool, err error) {
	if r.Extra.Once != nil {
		version, err = t.Registered(*r.Extra.Once)
		if err != nil || version != "" {
			return version, err == nil, err
		}
	}
	if version = r.Version; version == "" {
		version, err = t.NextNumber(skip)
	} else {
		err = t.Free(version)
	}
	if err != nil {
		return version, false, err
	}
	x, err := r.Extra.Encode()
	if err != nil {
		return version, false, err
	}
	return version, false, t.Register(version, r.Entry(version, t.Now), r.Note.Apply(x, r.Description), r.Extra.RegisteredBy, r.Reason)
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
