package modelregistry

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/ubunye-go/modelregistry/internal/document"
	"github.com/ubunye-go/modelregistry/internal/gate"
	"github.com/ubunye-go/modelregistry/internal/index"
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

	// Aliases name the version, sorted; see SetAliases. Tags and Description
	// are its note; see Annotate. The caller must not change them.
	Aliases     []string
	Tags        map[string]string
	Description string // Markdown

	Hold *VersionHold // why the version must not be deleted; nil if it may be

	Gates          PromotionGate // stored with the version; they apply to each of its promotions
	ModelGates     PromotionGate // stored with the model; they apply to all of its versions
	ManifestSHA256 string        // digest of manifest.json, in hex; empty if another program registered the version

	// Existing is true in the result of a Register whose RegisterOptions.Once
	// found this version, so that nothing was registered.
	Existing bool

	// Problems lists what could not be read in the version's entry. It is empty
	// if everything was. A version with problems is listed like any other.
	Problems []string
}

// A VersionHold says who forbade the deletion of a version; see Hold.
type VersionHold struct {
	By     string
	At     time.Time
	Reason string
}

// MarshalJSON returns the hold, with a time as in a version's other members.
func (h VersionHold) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		By     string  `json:"by,omitempty"`
		At     *string `json:"at"`
		Reason string  `json:"reason,omitempty"`
	}{h.By, timeOrNull(h.At), h.Reason})
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
		UseCase        string            `json:"use_case"`
		Model          string            `json:"model_name"`
		Version        string            `json:"version"`
		Stage          ModelStage        `json:"stage"`
		RegisteredAt   *string           `json:"registered_at"`
		Staging        *string           `json:"promoted_to_staging"`
		Production     *string           `json:"promoted_to_prod"`
		ArchivedAt     *string           `json:"archived_at"`
		Metrics        Values            `json:"metrics"`
		Metadata       Values            `json:"metadata"`
		LineageRunID   *string           `json:"lineage_run_id"`
		ConfigHash     *string           `json:"config_hash"`
		PromotedBy     *string           `json:"promoted_by"`
		RegisteredBy   *string           `json:"registered_by"`
		SourceRevision *string           `json:"source_revision"`
		Aliases        []string          `json:"aliases,omitempty"`
		Hold           *VersionHold      `json:"hold,omitempty"`
		Tags           map[string]string `json:"tags,omitempty"`
		Description    string            `json:"description,omitempty"`
		Gates          *PromotionGate    `json:"promotion_gates,omitempty"`
		ModelGates     *PromotionGate    `json:"model_gates,omitempty"`
		Manifest       *string           `json:"manifest_sha256"`
		Existing       bool              `json:"existing,omitempty"`
		Problems       []string          `json:"problems,omitempty"`
	}{
		v.Name.UseCase, v.Name.Model, v.Version, v.Stage,
		timeOrNull(v.RegisteredAt), timeOrNull(v.PromotedToStaging), timeOrNull(v.PromotedToProduction), timeOrNull(v.ArchivedAt),
		v.Metrics, v.Metadata, textOrNull(v.LineageRunID), textOrNull(v.ConfigHash), textOrNull(v.PromotedBy), textOrNull(v.RegisteredBy),
		textOrNull(v.SourceRevision), v.Aliases, v.Hold, v.Tags, v.Description, gatesOrNil(v.Gates), gatesOrNil(v.ModelGates), textOrNull(v.ManifestSHA256), v.Existing, v.Problems,
	})
}

func gatesOrNil(g PromotionGate) *PromotionGate {
	storable := PromotionGate{g.set.Storable()}
	if storable.Len() == 0 {
		return nil // ModelVersion.Problems names a gate that can't be read
	}
	return &storable
}

// decodeVersion returns the version that an entry describes. The version is
// shared: the caller must not change it.
func decodeVersion(name ModelName, e *index.Entry) *ModelVersion {
	if v, ok := e.Decoded.Load().(*ModelVersion); ok {
		return v
	}
	v := newVersion(name, e)
	e.Decoded.Store(&v)
	return &v
}

// newVersion is decodeVersion that does not keep the version with the entry.
func newVersion(name ModelName, e *index.Entry) ModelVersion {
	v := decodeEntry(name, e.Version, e.Raw)
	x, err := index.ReadExtra(e.Extra)
	gates := gate.Stored("gates", x.Gates)
	if err != nil { // what can't be read may contain gates
		gates = gate.Unreadable(document.Key, e.Extra, err)
	}
	for _, p := range gates.Problems() {
		v.problem("%s: %s", document.Key, p)
	}
	v.RegisteredBy, v.SourceRevision, v.ManifestSHA256 = string(x.RegisteredBy), string(x.SourceRevision), string(x.Manifest)
	note := x.Annotation()
	v.Tags, v.Description = note.Tags, note.Description
	if h, held := e.Held(); held {
		at, _ := time.Parse(time.RFC3339Nano, h.At)
		v.Hold = &VersionHold{h.By, at.UTC(), h.Reason}
	}
	v.Gates.set = gate.Join(gates, v.Gates.set)
	return v
}

// decodeEntry decodes an entry of registry.json. A member that can't be read is
// listed in Problems and left zero.
func decodeEntry(name ModelName, version string, raw []byte) ModelVersion {
	f := index.ReadFields(version, raw)
	v := ModelVersion{
		Name: name, Version: version, Stage: ModelStage(f.Stage),
		RegisteredAt: f.RegisteredAt, PromotedToStaging: f.PromotedToStaging,
		PromotedToProduction: f.PromotedToProduction, ArchivedAt: f.ArchivedAt,
		Metrics: Values{f.Metrics}, Metadata: Values{f.Metadata},
		LineageRunID: f.LineageRunID, ConfigHash: f.ConfigHash, PromotedBy: f.PromotedBy,
		Gates: PromotionGate{gate.Stored(index.GatesKey, f.Gates)}, Problems: f.Problems,
	}
	for _, p := range v.Gates.set.Problems() {
		v.problem("%s: %s", index.GatesKey, p)
	}
	return v
}

func (v *ModelVersion) problem(format string, args ...any) {
	v.Problems = append(v.Problems, fmt.Sprintf(format, args...))
}

// checkVersion returns nil if a text can be a version's number.
func checkVersion(version string) error {
	if err := index.CheckVersion(version); err != nil {
		return invalid("version %q: %v", version, err)
	}
	return nil
}

// String returns "use_case/model@version".
func (v ModelVersion) String() string { return v.Ref().String() }

// Ref returns the reference to exactly this version.
func (v ModelVersion) Ref() Ref { return v.Name.At(v.Version) }
