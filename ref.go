package modelregistry

import (
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/ubunye-go/modelregistry/internal/index"
)

// A Ref refers to one version of a model: by its number, by its stage, by both,
// which must then agree, by an alias, or by a range of numbers, which means the
// highest match.
//
// Its text form is for configuration files and flags:
//
//	fraud_detection/FraudRiskModel@1.3.0        this version
//	fraud_detection/FraudRiskModel@production   the version in production
//	fraud_detection/FraudRiskModel@staging      the version in staging that entered it last
//	fraud_detection/FraudRiskModel@1.3.0,staging   this version, as long as it is in staging
//	fraud_detection/FraudRiskModel@champion     the version that this alias names; see SetAliases
//	fraud_detection/FraudRiskModel@latest       the highest release
//	fraud_detection/FraudRiskModel@~1.2         the highest of 1.2.x; also ^1, >=1.2 <2, 1.x || 3.x
//
// A range never means an archived version, because that is no longer in use. A
// range ignores all other stages, and therefore gates: to serve an approved
// version, name production. A pre-release matches only a constraint that
// contains one, such as ">=2.0.0-rc.1". A version that is not a strict SemVer
// matches no range.
//
// *Ref implements flag.Value and encoding.TextUnmarshaler, and Ref implements
// encoding.TextMarshaler. Refs can be compared with ==.
type Ref struct {
	Name    ModelName
	Version string
	Stage   ModelStage
	// Alias is an alias. The other fields but Name must then be empty.
	Alias string
	// Range is Latest or a SemVer constraint. Version and Stage must then be
	// empty. The constraints are those of Masterminds/semver: comparisons, ~,
	// ^, x and hyphen ranges; a space or comma is "and", || is "or".
	Range string
}

// Latest is the range of all releases.
const Latest = "latest"

// At returns a reference to one version of the model.
func (n ModelName) At(version string) Ref { return Ref{Name: n, Version: version} }

// In returns a reference to the version of the model that is in a stage. If
// several are, it means the version that entered the stage last.
func (n ModelName) In(stage ModelStage) Ref { return Ref{Name: n, Stage: stage} }

// Aliased returns a reference to the version of the model that an alias names.
func (n ModelName) Aliased(alias string) Ref { return Ref{Name: n, Alias: alias} }

// Matching returns a reference to the highest version of the model that matches
// a range: Latest, or a SemVer constraint.
func (n ModelName) Matching(constraint string) Ref { return Ref{Name: n, Range: constraint} }

// ParseRef parses the text form of a reference, as [Ref] describes it. It does
// no I/O. The error matches ErrInvalid. A model whose name ends like a
// reference, such as in "@production" or "@1.0.0", has no text form; use a Ref
// for it.
func ParseRef(s string) (Ref, error) {
	i := strings.LastIndexByte(s, '@')
	if i < 0 {
		return Ref{}, invalid("reference %q: want use_case/model@what, where what is a version, a stage, an alias, latest or a range like ~1.2", s)
	}
	name, err := ParseModelName(s[:i])
	if err != nil {
		return Ref{}, fmt.Errorf("reference %q: %w", s, err)
	}
	if j := strings.LastIndexByte(name.Model, '@'); j >= 0 && namesOne(name.Model[j+1:]) {
		return Ref{}, invalid("reference %q: it says twice what is meant", s)
	}
	r := name.which(s[i+1:])
	if err := r.Validate(); err != nil {
		return Ref{}, fmt.Errorf("reference %q: %w", s, err)
	}
	return r, nil
}

// namesOne reports whether the text after an @ is surely a version, a stage or
// latest, and not the end of a name.
func namesOne(s string) bool {
	r := ModelName{}.which(s)
	return s == Latest || r.Range == "" && r.Alias == ""
}

// which returns the reference for the text after the @.
func (n ModelName) which(s string) Ref {
	version, stage, both := strings.Cut(s, ",")
	switch {
	case ModelStage(s).known():
		return n.In(ModelStage(s))
	case both && ModelStage(stage).known() && index.ParseVersion(version) != nil:
		return Ref{Name: n, Version: version, Stage: ModelStage(stage)}
	case index.ParseVersion(s) != nil:
		return n.At(s)
	case index.CheckAlias(s) == nil:
		return n.Aliased(s)
	}
	return n.Matching(s)
}

// Validate returns nil if the reference can be resolved in principle. Otherwise
// it returns an error that matches ErrInvalid and gives the reason.
func (r Ref) Validate() error {
	if err := r.Name.Validate(); err != nil {
		return err
	}
	return r.check()
}

// check is Validate without the check of the name.
func (r Ref) check() error {
	switch {
	case r.Alias != "" && r != r.Name.Aliased(r.Alias):
		return invalid("reference: an alias goes with nothing else")
	case r.Alias != "":
		return checkAlias(r.Alias)
	case r.Range != "" && (r.Version != "" || r.Stage != ""):
		return invalid("reference: a range goes with neither a version nor a stage")
	case r.Range != "":
		_, err := r.versionRange()
		return err
	case r.Version == "" && r.Stage == "":
		return invalid("reference: it names neither a version, a stage, an alias nor a range")
	}
	if r.Stage != "" && !r.Stage.known() {
		_, err := ParseStage(string(r.Stage))
		return err
	}
	return nil
}

// String returns the reference as ParseRef reads it. One that names no version
// is the model's name, and the zero Ref is the empty string.
func (r Ref) String() string {
	switch what := r.what(); {
	case r == (Ref{}):
		return ""
	case what == "":
		return r.Name.String()
	default:
		return r.Name.String() + "@" + what
	}
}

func (r Ref) what() string {
	switch {
	case r.Alias != "":
		return r.Alias
	case r.Range != "":
		return r.Range
	}
	return strings.Trim(r.Version+","+string(r.Stage), ",")
}

// MarshalText returns the text form, and "" for the zero Ref. It returns an
// error if ParseRef would not return the same reference.
func (r Ref) MarshalText() ([]byte, error) {
	if r == (Ref{}) {
		return nil, nil
	}
	if back, err := ParseRef(r.String()); err != nil {
		return nil, err
	} else if back != r {
		return nil, invalid("reference %q: it reads as another one", r.String())
	}
	return []byte(r.String()), nil
}

// UnmarshalText sets the reference as ParseRef does. The empty text gives the
// zero Ref, which refers to no version.
func (r *Ref) UnmarshalText(text []byte) (err error) {
	if len(text) == 0 {
		*r = Ref{}
		return nil
	}
	*r, err = ParseRef(string(text))
	return err
}

// Set sets the reference as ParseRef does. It implements flag.Value.
func (r *Ref) Set(s string) (err error) {
	*r, err = ParseRef(s)
	return err
}

// versionRange returns the reference's range.
func (r Ref) versionRange() (index.Range, error) {
	in, err := index.ReadRange(r.Range)
	if err != nil {
		return nil, invalid("%v", err)
	}
	return in, nil
}

// in returns the version that the reference means, as readers see it.
func (r Ref) in(s state) (v ModelVersion, err error) {
	e, err := r.find(s)
	if err != nil {
		return v, err
	}
	return s.view(e), nil
}

// find returns the entry that the reference means, and the error that says why
// there is none. The highest version in a range is looked up again only after
// the model changed.
func (r Ref) find(s state) (*index.Entry, error) {
	if s.Empty() {
		return nil, notFound("model %s", r.Name)
	}
	return r.among(s.State.State, s.Facts, func() (*index.Entry, error) {
		return s.derived.Highest(s.State.State, r.Range, func() (*index.Entry, error) {
			return r.highest(slices.Values(s.Entries), s.Withdrawn)
		})
	})
}

// among finds the entry that the reference means.
func (r Ref) among(versions index.Versions, f index.Facts, highest func() (*index.Entry, error)) (*index.Entry, error) {
	e, err := index.Reference{Version: r.Version, Stage: string(r.Stage), Alias: r.Alias, Range: r.Range}.Find(versions, f, highest)
	return e, indexError(err)
}

// highest returns the highest version in the range, or nil.
func (r Ref) highest(entries iter.Seq[*index.Entry], withdrawn func(*index.Entry) bool) (*index.Entry, error) {
	in, err := r.versionRange()
	if err != nil {
		return nil, err
	}
	return in.Highest(entries, withdrawn), nil
}
