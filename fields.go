package modelregistry

import (
	"fmt"
	"time"

	"github.com/ubunye-go/modelregistry/internal/document"
	"github.com/ubunye-go/modelregistry/internal/pyjson"
)

// fields are what an entry says, as far as it can be read. What can't be read is
// zero, and noted in problems.
type fields struct {
	stage string // development if the entry names none

	registeredAt         time.Time
	promotedToStaging    time.Time
	promotedToProduction time.Time
	archivedAt           time.Time

	metrics  []byte // an object, nil for none
	metadata []byte // an object, nil for none
	gates    []byte // any value, nil for none

	lineageRunID string
	configHash   string
	promotedBy   string

	problems []string
}

// readFields reads the raw entry of a version.
func readFields(version string, raw []byte) (f fields) {
	cut, err := document.Cut(raw)
	if err != nil {
		f.problem("the entry is not an object")
		return f
	}
	f.stage = stageNamed(f.bytes(&cut, "stage"))
	if f.stage == "" {
		f.stage = stageDevelopment // the format's default
	}
	if !knownStage(f.stage) {
		f.problem("unknown stage %q", f.stage)
	}
	if own := f.bytes(&cut, "version"); len(own) > 0 && string(own) != version {
		f.problem("the entry calls itself version %q", own)
	}
	f.registeredAt = f.time(&cut, "registered_at")
	f.promotedToStaging = f.time(&cut, "promoted_to_staging")
	f.promotedToProduction = f.time(&cut, "promoted_to_prod")
	f.archivedAt = f.time(&cut, "archived_at")
	f.metrics = f.object(&cut, "metrics")
	f.metadata = f.object(&cut, "metadata")
	f.lineageRunID = f.text(&cut, "lineage_run_id")
	f.configHash = f.text(&cut, "config_hash")
	f.promotedBy = f.text(&cut, "promoted_by")
	f.gates = cut.Get(topGates)
	return f
}

func (f *fields) problem(format string, args ...any) {
	f.problems = append(f.problems, fmt.Sprintf(format, args...))
}

// text returns a string, empty for null, for a missing value, and for a value
// that is no string.
func (f *fields) text(cut *document.Fields, key string) string { return string(f.bytes(cut, key)) }

// bytes is text without a copy.
func (f *fields) bytes(cut *document.Fields, key string) []byte {
	raw := cut.Get(key)
	switch {
	case raw == nil || string(raw) == "null":
		return nil
	case raw[0] != '"':
		f.problem("%s is no string", key)
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
		f.problem("%s: %q is no RFC 3339 time", key, s)
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
