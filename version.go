package modelregistry

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/Masterminds/semver/v3"

	"github.com/ubunye-go/modelregistry/internal/document"
	"github.com/ubunye-go/modelregistry/internal/pathname"
	"github.com/ubunye-go/modelregistry/internal/pyjson"
)

// A ModelVersion is what the registry knows of one version: a copy, which later
// changes do not reach.
type ModelVersion struct {
	Name    ModelName
	Version string
	Stage   ModelStage // as the store has it: an entry of another program's may hold a stage unknown here

	// When it was registered, and when it last entered a stage; zero for never.
	RegisteredAt         time.Time
	PromotedToStaging    time.Time
	PromotedToProduction time.Time
	ArchivedAt           time.Time

	Metrics  Values
	Metadata Values

	LineageRunID   string // the run that produced it
	ConfigHash     string // the configuration of that run
	SourceRevision string // the revision of the program that registered it, "+dirty" if it had been edited
	RegisteredBy   string
	PromotedBy     string // who last moved it up, or rolled back to it

	Gates          PromotionGate // kept with the version, apply to every promotion of it
	ModelGates     PromotionGate // kept with the model by another program, apply to every promotion of every version
	ManifestSHA256 string        // digest of its manifest.json, hex; empty for one that another program registered

	// Problems says what in the entry could not be read; empty for an entry in
	// order. Such a version is listed all the same.
	Problems []string
}

// timeFormat is the format's own: microseconds, always with an offset.
const timeFormat = "2006-01-02T15:04:05.000000+00:00"

func formatTime(t time.Time) string { return t.UTC().Format(timeFormat) }

// textOrNull is a string in JSON, null if it is empty.
func textOrNull(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// timeOrNull is a time in JSON, null if it is zero.
func timeOrNull(t time.Time) *string {
	if t.IsZero() {
		return nil
	}
	return textOrNull(formatTime(t))
}

// parseTime reads a time that formatTime, Python or anybody else wrote.
func parseTime(text []byte) (t time.Time, err error) {
	if t.UnmarshalText(text) != nil { // which is stricter, and takes no memory
		t, err = time.Parse(time.RFC3339Nano, string(text))
	}
	return t.UTC(), err
}

// MarshalJSON returns the version under the format's names, ours behind them.
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
		return nil // one that can't be read is among the problems
	}
	return &g
}

// decodeEntry reads an entry as it stands in the index. What can't be read is
// noted in Problems and left zero.
func decodeEntry(name ModelName, version string, raw []byte) ModelVersion {
	v := ModelVersion{Name: name, Version: version}
	f, err := document.Cut(raw)
	if err != nil {
		v.problem("the entry is not an object")
		return v
	}
	v.Stage = stageNamed(v.bytes(&f, "stage"))
	if v.Stage == "" {
		v.Stage = Development // the format's default
	}
	if !v.Stage.known() {
		v.problem("unknown stage %q", string(v.Stage))
	}
	if own := v.bytes(&f, "version"); len(own) > 0 && string(own) != version {
		v.problem("the entry calls itself version %q", own)
	}
	v.RegisteredAt = v.time(&f, "registered_at")
	v.PromotedToStaging = v.time(&f, "promoted_to_staging")
	v.PromotedToProduction = v.time(&f, "promoted_to_prod")
	v.ArchivedAt = v.time(&f, "archived_at")
	v.Metrics = v.values(&f, "metrics")
	v.Metadata = v.values(&f, "metadata")
	v.LineageRunID = v.text(&f, "lineage_run_id")
	v.ConfigHash = v.text(&f, "config_hash")
	v.PromotedBy = v.text(&f, "promoted_by")
	v.Gates = storedGates(topGates, f.Get(topGates))
	for _, p := range v.Gates.unreadable() {
		v.problem("%s: %s", topGates, p)
	}
	return v
}

func (v *ModelVersion) problem(format string, args ...any) {
	v.Problems = append(v.Problems, fmt.Sprintf(format, args...))
}

// text returns a string, empty for null, for what is not there, and for what is no string.
func (v *ModelVersion) text(f *document.Fields, key string) string { return string(v.bytes(f, key)) }

// bytes is text without a copy.
func (v *ModelVersion) bytes(f *document.Fields, key string) []byte {
	raw := f.Get(key)
	switch {
	case raw == nil || string(raw) == "null":
		return nil
	case raw[0] != '"':
		v.problem("%s is no string", key)
		return nil
	}
	return pyjson.Text(raw)
}

func (v *ModelVersion) time(f *document.Fields, key string) time.Time {
	s := v.bytes(f, key)
	if len(s) == 0 {
		return time.Time{}
	}
	t, err := parseTime(s)
	if err != nil {
		v.problem("%s: %q is no RFC 3339 time", key, s)
		return time.Time{}
	}
	return t
}

func (v *ModelVersion) values(f *document.Fields, key string) Values {
	raw := f.Get(key)
	if raw == nil || string(raw) == "null" {
		return Values{}
	}
	if raw[0] != '{' {
		v.problem("%s is not an object", key)
		return Values{}
	}
	return Values{raw}
}

// checkVersion accepts a strict SemVer that can name a folder.
func checkVersion(version string) (*semver.Version, error) {
	sv, err := semver.StrictNewVersion(version)
	if err != nil {
		return nil, invalid("version %q: %v", version, err)
	}
	if err := pathname.Check(version); err != nil {
		return nil, invalid("version %q: %v", version, err)
	}
	return sv, nil
}

// parseVersion returns nil for an entry that is no strict SemVer.
func parseVersion(version string) *semver.Version {
	sv, err := semver.StrictNewVersion(version)
	if err != nil {
		return nil
	}
	return sv
}

// highest keeps the highest version seen, by SemVer precedence, releases before
// pre-releases: a pre-release counts only until there is a release.
func highest(a, b *semver.Version) *semver.Version {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	case (a.Prerelease() == "") != (b.Prerelease() == ""):
		if a.Prerelease() == "" {
			return a
		}
		return b
	case b.GreaterThan(a):
		return b
	}
	return a
}

// nextVersion is the lowest release above the highest version: 1.2.3 gives
// 1.2.4; 2.0.0-rc.1, if there is no release at all, gives 2.0.0; none gives
// 1.0.0.
func nextVersion(highest *semver.Version) (string, error) {
	if highest == nil {
		return "1.0.0", nil
	}
	if highest.Patch() == math.MaxUint64 && highest.Prerelease() == "" {
		return "", invalid("auto version: the patch number of %s can't grow; give a version", highest)
	}
	next := highest.IncPatch()
	return next.String(), nil
}

// compareVersions orders by SemVer precedence; those that are none come below,
// by text.
func compareVersions(a, b string) int {
	if x, ok := document.ParseRelease(a); ok {
		if y, ok := document.ParseRelease(b); ok {
			return x.Compare(y)
		}
	}
	x, y := parseVersion(a), parseVersion(b)
	switch {
	case x == nil && y == nil:
		return strings.Compare(a, b)
	case x == nil:
		return -1
	case y == nil:
		return 1
	}
	return cmp.Or(x.Compare(y), strings.Compare(a, b))
}

// String returns "use_case/model@version".
func (v ModelVersion) String() string { return v.Ref().String() }

// Ref refers to exactly this version.
func (v ModelVersion) Ref() Ref { return v.Name.At(v.Version) }
