package index

import (
	"fmt"
	"time"

	"github.com/ubunye-go/modelregistry/internal/document"
	"github.com/ubunye-go/modelregistry/internal/pyjson"
)

// fields are the values of an entry. A value that can't be read is zero, and
// problems says why.
type fields struct {
	Stage string // development if the entry has no stage

	RegisteredAt         time.Time
	PromotedToStaging    time.Time
	PromotedToProduction time.Time
	ArchivedAt           time.Time

	Metrics  []byte // an object; nil for none
	Metadata []byte // an object, nil for none
	Gates    []byte // any value, nil for none

	LineageRunID string
	ConfigHash   string
	PromotedBy   string

	Problems []string
}

// ReadFields reads the raw entry of a version.
func ReadFields(version string, raw []byte) (f fields) {
	cut, err := document.Cut(raw)
	if err != nil {
		f.problem("the entry is not an object")
		return f
	}
	f.Stage = stageNamed(f.bytes(&cut, "stage"))
	if f.Stage == "" {
		f.Stage = Development // the format's default
	}
	if !knownStage(f.Stage) {
		f.problem("unknown stage %q", f.Stage)
	}
	if own := f.bytes(&cut, "version"); len(own) > 0 && string(own) != version {
		f.problem("the entry calls itself version %q", own)
	}
	f.RegisteredAt = f.time(&cut, "registered_at")
	f.PromotedToStaging = f.time(&cut, "promoted_to_staging")
	f.PromotedToProduction = f.time(&cut, "promoted_to_prod")
	f.ArchivedAt = f.time(&cut, "archived_at")
	f.Metrics = f.object(&cut, "metrics")
	f.Metadata = f.object(&cut, "metadata")
	f.LineageRunID = f.text(&cut, "lineage_run_id")
	f.ConfigHash = f.text(&cut, "config_hash")
	f.PromotedBy = f.text(&cut, "promoted_by")
	f.Gates = cut.Get(GatesKey)
	return f
}

func (f *fields) problem(format string, args ...any) {
	f.Problems = append(f.Problems, fmt.Sprintf(format, args...))
}

// text returns a string. It is empty for null, for a missing value, and for a
// value that is not a string.
func (f *fields) text(cut *document.Fields, key string) string { return string(f.bytes(cut, key)) }

// bytes is text without a copy.
func (f *fields) bytes(cut *document.Fields, key string) []byte {
	raw := cut.Get(key)
	switch {
	case raw == nil || string(raw) == "null":
		return nil
	case raw[0] != '"':
		f.problem("%s is not a string", key)
		return nil
	}
	return pyjson.Text(raw)
}

func (f *fields) time(cut *document.Fields, key string) time.Time {
	s := f.bytes(cut, key)
	if len(s) == 0 {
		return time.Time{}
	}
	t, err := parseTime(s)
	if err != nil {
		f.problem("%s: %q is not an RFC 3339 time", key, s)
		return time.Time{}
	}
	return t
}

func (f *fields) object(cut *document.Fields, key string) []byte {
	raw := cut.Get(key)
	if raw == nil || string(raw) == "null" {
		return nil
	}
	if raw[0] != '{' {
		f.problem("%s is not an object", key)
		return nil
	}
	return raw
}
