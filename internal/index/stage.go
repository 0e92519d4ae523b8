package index

import (
	"github.com/ubunye-go/modelregistry/internal/document"
	"github.com/ubunye-go/modelregistry/internal/pyjson"
)

// The stages of a version, by their names in entries and events.
const (
	Development = "development"
	Staging     = "staging"
	Production  = "production"
	Archived    = "archived"
)

// Stages are all stages.
var Stages = []string{Development, Staging, Production, Archived}

// stageTimeKeys maps a stage to the key with the time at which a version
// entered it.
var stageTimeKeys = map[string]string{Staging: "promoted_to_staging", Production: "promoted_to_prod", Archived: "archived_at"}

// knownStage reports whether a name is one of the four stages. An entry that
// another program wrote may have another stage.
func knownStage(name string) bool {
	switch name {
	case Development, Staging, Production, Archived:
		return true
	}
	return false
}

// stageNamed returns a name as a string. It copies only a name that is not one
// of the four stages.
func stageNamed(name []byte) string {
	for _, s := range Stages {
		if string(name) == s {
			return s
		}
	}
	return string(name)
}

// stageOf returns the stage of a raw entry.
func stageOf(raw []byte) string {
	if len(raw) == 0 || raw[0] != '{' {
		return ""
	}
	_, stage, err := document.SkipEntry(raw, 0, 0)
	if err != nil {
		stage = nil
	}
	return entryStage(raw, stage)
}

// entryStage returns the stage of a raw entry, given its member of that name.
func entryStage(raw, stage []byte) string {
	switch {
	case len(raw) == 0 || raw[0] != '{':
		return ""
	case len(stage) > len(`""`) && stage[0] == '"':
		return stageNamed(pyjson.Text(stage))
	}
	return Development // the format's default
}
