package modelregistry

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/Masterminds/semver/v3"

	"github.com/ubunye-go/modelregistry/internal/document"
	"github.com/ubunye-go/modelregistry/internal/index"
	"github.com/ubunye-go/modelregistry/internal/pathname"
)

// A ModelVersion describes one version, as it was when it was read. Later
// changes do not affect it.
type ModelVersion struct {
	Name    ModelName
	Version string
	Stage   ModelStage // an entry that another program wrote may have a stage that is unknown here

	// The time of the registration, and when the version last entered each
	// stage; zero for never.
	RegisteredAt         time.Time
	PromotedToStaging    time.Time
	PromotedToProduction time.Time
	ArchivedAt           time.Time

	Metrics  Values
	Metadata Values

	LineageRunID   string // the run that produced the version
	ConfigHash     string // the hash of that run's configuration
	SourceRevision string // the source revision of the program that registered it, with "+dirty" if that was modified
	RegisteredBy   string // the person or program that registered it
	PromotedBy     string // the person or program that last promoted it or rolled back to it

	Gates          PromotionGate // stored with the version; they apply to each of its promotions
	ModelGates     PromotionGate // stored with the model by another program; they apply to all of its versions
	ManifestSHA256 string        // digest of manifest.json, in hex; empty if another program registered the version

	// Problems lists what could not be read in the version's entry. It is empty
	// if everything was. A version with problems is listed like any other.
	Problems []string
}

// textOrNull returns a string for JSON: null if it is empty.
func textOrNull(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// timeOrNull returns a time for JSON: null if it is zero.
func timeOrNull(t time.Time) *string {
	if t.IsZero() {
		return nil
	}
	return textOrNull(index.FormatTime(t))
}

// MarshalJSON returns the version with the member names of registry.json,
// followed by those that only this package uses.
func (v ModelVersion) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		UseCase        string         `json:"use_case"`
		Model          string         `json:"model_name"`
		Version        string         `json:"version"`
		Stage          ModelStage     `json:"stage"`
		RegisteredAt   *string        `json:"registered_at"`
		Staging        *string        `json:"promoted_to_staging"`
		Production     *string        `json:"promoted_to_prod"`
		ArchivedAt     *string        `json:"archived_at"`
		Metrics        Values         `json:"metrics"`
		Metadata       Values         `json:"metadata"`
		LineageRunID   *string        `json:"lineage_run_id"`
		ConfigHash     *string        `json:"config_hash"`
		PromotedBy     *string        `json:"promoted_by"`
		RegisteredBy   *string        `json:"registered_by"`
		SourceRevision *string        `json:"source_revision"`
		Gates          *PromotionGate `json:"promotion_gates,omitempty"`
		ModelGates     *PromotionGate `json:"model_gates,omitempty"`
		Manifest       *string        `json:"manifest_sha256"`
		Problems       []string       `json:"problems,omitempty"`
	}{
		v.Name.UseCase, v.Name.Model, v.Version, v.Stage,
		timeOrNull(v.RegisteredAt), timeOrNull(v.PromotedToStaging), timeOrNull(v.PromotedToProduction), timeOrNull(v.ArchivedAt),
		v.Metrics, v.Metadata, textOrNull(v.LineageRunID), textOrNull(v.ConfigHash), textOrNull(v.PromotedBy), textOrNull(v.RegisteredBy),
		textOrNull(v.SourceRevision), gatesOrNil(v.Gates), gatesOrNil(v.ModelGates), textOrNull(v.ManifestSHA256), v.Problems,
	})
}

func gatesOrNil(g PromotionGate) *PromotionGate {
	if g = g.storable(); g.Len() == 0 {
		return nil // ModelVersion.Problems names a gate that can't be read
	}
	return &g
}

// decodeVersion returns the version that an entry describes. The version is
// shared: the caller must not change it.
func decodeVersion(name ModelName, e *index.Entry) *ModelVersion {
	if v, ok := e.Decoded.Load().(*ModelVersion); ok {
		return v
	}
	v := decodeEntry(name, e.Version, e.Raw)
	x, err := index.ReadExtra(e.Extra)
	gates := storedGates("gates", x.Gates)
	if err != nil { // what can't be read may contain gates
		gates = PromotionGate{rules: []rule{unreadable(document.Key, e.Extra, err)}}
	}
	for _, p := range gates.unreadable() {
		v.problem("%s: %s", document.Key, p)
	}
	v.RegisteredBy, v.SourceRevision, v.ManifestSHA256 = string(x.RegisteredBy), string(x.SourceRevision), string(x.Manifest)
	v.Gates = Gates(gates, v.Gates)
	e.Decoded.Store(&v)
	return &v
}

// decodeEntry decodes an entry of the index. A member that can't be read is
// listed in Problems and left zero.
func decodeEntry(name ModelName, version string, raw []byte) ModelVersion {
	f := index.ReadFields(version, raw)
	v := ModelVersion{
		Name: name, Version: version, Stage: ModelStage(f.Stage),
		RegisteredAt: f.RegisteredAt, PromotedToStaging: f.PromotedToStaging,
		PromotedToProduction: f.PromotedToProduction, ArchivedAt: f.ArchivedAt,
		Metrics: Values{f.Metrics}, Metadata: Values{f.Metadata},
		LineageRunID: f.LineageRunID, ConfigHash: f.ConfigHash, PromotedBy: f.PromotedBy,
		Gates: storedGates(index.GatesKey, f.Gates), Problems: f.Problems,
	}
	for _, p := range v.Gates.unreadable() {
		v.problem("%s: %s", index.GatesKey, p)
	}
	return v
}

func (v *ModelVersion) problem(format string, args ...any) {
	v.Problems = append(v.Problems, fmt.Sprintf(format, args...))
}

// checkVersion parses a version number, which must be a strict SemVer that can
// name a folder.
func checkVersion(version string) (*semver.Version, error) {
	sv, err := semver.StrictNewVersion(version)
	if err != nil {
		return nil, invalid("version %q: want %s", version, wantedVersion(version))
	}
	if err := pathname.Check(version); err != nil {
		return nil, invalid("version %q: %v", version, err)
	}
	return sv, nil
}

// wantedVersion returns the number that the caller of an invalid one probably
// means, such as 1.2.0 for v1.2, or what a number looks like.
func wantedVersion(version string) string {
	if v, err := semver.NewVersion(version); err == nil {
		return v.String()
	}
	return "three numbers like 1.2.3"
}

// String returns "use_case/model@version".
func (v ModelVersion) String() string { return v.Ref().String() }

// Ref returns the reference to exactly this version.
func (v ModelVersion) Ref() Ref { return v.Name.At(v.Version) }
