package modelregistry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"

	"github.com/ubunye-go/modelregistry/driver"
	"github.com/ubunye-go/modelregistry/internal/check"
	"github.com/ubunye-go/modelregistry/internal/derived"
	"github.com/ubunye-go/modelregistry/internal/index"
)

// A FindingKind is a kind of Finding.
type FindingKind string

// The kinds of findings of Verify. Notice says which of them are no problems.
const (
	HistoryDamaged     FindingKind = FindingKind(check.HistoryDamaged)     // a line is unreadable, missing or changed
	HistoryLost        FindingKind = FindingKind(check.HistoryLost)        // registry.json refers to an event that the history does not have, or both files are lost
	DocumentDamaged    FindingKind = FindingKind(check.DocumentDamaged)    // registry.json can't be read
	DocumentMissing    FindingKind = FindingKind(check.DocumentMissing)    // there is a history but no registry.json
	DocumentDiffers    FindingKind = FindingKind(check.DocumentDiffers)    // registry.json differs from what the history says
	MultipleProduction FindingKind = FindingKind(check.MultipleProduction) // another program left several versions in production; readers see the one promoted last
	EntryUnreadable    FindingKind = FindingKind(check.EntryUnreadable)    // a field of a version's entry, or a gate of a version or of the model, can't be read
	ArtifactMissing    FindingKind = FindingKind(check.ArtifactMissing)    // the files of a version are missing
	ArtifactDamaged    FindingKind = FindingKind(check.ArtifactDamaged)    // a file of a version was changed, removed or added
	ManifestDamaged    FindingKind = FindingKind(check.ManifestDamaged)    // manifest.json is not the one that was registered
	StoreUnreadable    FindingKind = FindingKind(check.StoreUnreadable)    // a read failed, or a permission is missing
	UnlistedVersion    FindingKind = FindingKind(check.UnlistedVersion)    // files of a version that neither the history nor registry.json has
	ExternalChange     FindingKind = FindingKind(check.ExternalChange)     // another program or an editor changed registry.json; the next change records it
	ExternalDoubt      FindingKind = FindingKind(check.ExternalDoubt)      // an external change is ambiguous; see Doubt
	NoHistory          FindingKind = FindingKind(check.NoHistory)          // another program made the model, and the registry has not changed it yet
	NewerFormat        FindingKind = FindingKind(check.NewerFormat)        // this release can read the model but must not change it; see ErrFormat
	NoDigests          FindingKind = FindingKind(check.NoDigests)          // another program registered the version, without a manifest
	GatesMissed        FindingKind = FindingKind(check.GatesMissed)        // another program promoted the version in production past stored gates; see Change.MissedGates
	Debris             FindingKind = FindingKind(check.Debris)             // the harmless remains of a crash
	SetAside           FindingKind = FindingKind(check.SetAside)           // files of a change that did not happen, files that Repair replaced, or a bucket's changes that history.jsonl has
	PurgeUnfinished    FindingKind = FindingKind(check.PurgeUnfinished)    // files of a deleted version that a purge gave up and did not remove; Purge removes them
	NotShared          FindingKind = FindingKind(check.NotShared)          // a file or folder that lacks rights which its folder gives to other users
	SeveralMachines    FindingKind = FindingKind(check.SeveralMachines)    // two machines wrote to the model, as the store's record of it says
	ForeignFile        FindingKind = FindingKind(check.ForeignFile)        // a file that the registry did not make
)

// Notice reports whether findings of the kind are mere notices: everything that
// was acknowledged is there and can be read.
func (k FindingKind) Notice() bool { return check.Kind(k).Notice() }

// A Finding is one thing that Verify found in a model.
type Finding struct {
	Name    ModelName
	Kind    FindingKind
	Version string // the version, if the finding is about one
	Event   int64  // the first event concerned, if the finding is about the history
	Path    string // the file or folder, if the finding is about one; relative to the store
	Err     error  // the cause; nil if the kind is enough
}

// String returns "kind: use_case/model@version: cause", with the path in place
// of the name if there is one.
func (f Finding) String() string {
	subject := f.Name.String()
	var corrupt *CorruptError
	switch {
	case errors.As(f.Err, &corrupt):
		return fmt.Sprintf("%s: %v", f.Kind, f.Err) // which names the path
	case f.Path != "":
		subject = f.Path
	case f.Version != "":
		subject += "@" + f.Version
	}
	if f.Err == nil {
		return fmt.Sprintf("%s: %s", f.Kind, subject)
	}
	return fmt.Sprintf("%s: %s: %v", f.Kind, subject, f.Err)
}

// MarshalJSON returns the finding with its error as text.
func (f Finding) MarshalJSON() ([]byte, error) {
	text := ""
	if f.Err != nil {
		text = f.Err.Error()
	}
	return json.Marshal(struct {
		Kind    FindingKind `json:"kind"`
		Notice  bool        `json:"notice"`
		UseCase string      `json:"use_case"`
		Model   string      `json:"model_name"`
		Version string      `json:"version,omitempty"`
		Event   int64       `json:"event,omitempty"`
		Path    string      `json:"path,omitempty"`
		Error   string      `json:"error,omitempty"`
	}{f.Kind, f.Kind.Notice(), f.Name.UseCase, f.Name.Model, f.Version, f.Event, f.Path, text})
}

// A VerifyReport is the result of Verify.
type VerifyReport struct {
	Models   []ModelName // the models that were checked to the end, in the order of their findings
	Versions int         // how many versions were checked, also of a model that was not checked to the end
	Findings []Finding   // by model, and then by version in the order of registration
}

// Problems returns the findings that are not mere notices.
func (r *VerifyReport) Problems() []Finding {
	var list []Finding
	for _, f := range r.Findings {
		if !f.Kind.Notice() {
			list = append(list, f)
		}
	}
	return list
}

// VerifyOptions selects what Verify reads. The zero value and nil select
// everything. Whatever versions are selected, Verify checks the whole history
// and registry.json of their model.
type VerifyOptions struct {
	UseCase string // only models of this use case; empty for all
	Model   string // only models of this name; empty for all

	// Ref selects one version. The fields above must be empty, or name its
	// model.
	Ref Ref

	// After selects the versions of one model that events with a higher number
	// changed, or an external change that is not recorded yet. UseCase and
	// Model must name the model. If its history is damaged or lost, all
	// versions are selected. The error matches ErrNotFound if the history ends
	// before this event. 0 selects all versions.
	After int64

	// WithoutArtifacts skips the files of versions. Verify then checks the
	// history and registry.json only.
	WithoutArtifacts bool

	// Progress is called about ten times a second while files are read, and
	// once at the end of each version. Calls do not overlap.
	Progress func(VerifyProgress)
}

// validate returns an error if the selection contradicts itself. It sets the
// model of Ref.
func (o *VerifyOptions) validate() error {
	if o.Ref == (Ref{}) {
		switch {
		case o.After < 0:
			return invalid("options: After is negative")
		case o.After > 0 && (o.UseCase == "" || o.Model == ""):
			return invalid("options: After needs UseCase and Model, because each model counts its own events")
		}
		return nil
	}
	name := o.Ref.Name
	if o.UseCase != "" && o.UseCase != name.UseCase || o.Model != "" && o.Model != name.Model || o.After != 0 {
		return invalid("options: Ref selects one version, so it goes with no other selection")
	}
	o.UseCase, o.Model = name.UseCase, name.Model
	return o.Ref.Validate()
}

// selects reports whether a model is selected.
func (o *VerifyOptions) selects(name ModelName) bool {
	return (o.UseCase == "" || o.UseCase == name.UseCase) && (o.Model == "" || o.Model == name.Model)
}

// selected returns the selected versions of a model.
func (o *VerifyOptions) selected(x *check.Check) ([]*index.Entry, error) {
	switch {
	case o.Ref != (Ref{}):
		e, err := o.Ref.find(state{x.State, &derived.Cache[ModelVersion]{}})
		return []*index.Entry{e}, opError("verify", o.Ref, err)
	case o.After > 0:
		list, err := x.ChangedAfter(o.After)
		if errors.Is(err, check.ErrNoEvent) {
			err = notFound("event %d", o.After)
		}
		return list, err
	}
	return x.State.Entries, nil
}

// Verify checks a store and changes nothing. It checks every line of each
// history, each registry.json against its history, every manifest against the
// digest in the history, and every file against its manifest. It reads every
// byte of every artifact. It checks as many versions of a model at once as
// there are cores.
//
// Verify returns all findings in the report. The error matches ErrNotFound if
// opts selects no model or version, and ErrInvalid if opts contradicts itself.
// It is otherwise that of the context or ErrClosed. If the context ends, the
// report says what was checked until then.
//
// Other processes may change the store meanwhile. If a problem could be a
// change in progress, Verify checks the model again under the model's lock. If
// it can't take that, it reads the model until two looks agree.
func (r *ModelRegistry) Verify(ctx context.Context, opts *VerifyOptions) (*VerifyReport, error) {
	report := &VerifyReport{}
	var o VerifyOptions
	if opts != nil {
		o = *opts
	}
	if !r.engine.Start() {
		return nil, &Error{Op: "verify", Err: ErrClosed}
	}
	defer r.engine.Stop()
	if err := o.validate(); err != nil {
		return report, opError("verify", o.Ref, err)
	}
	return report, r.verify(ctx, o, report)
}

// places yields the name of every model that has any file in the store.
func (r *ModelRegistry) places(ctx context.Context) iter.Seq2[ModelName, error] {
	if s, ok := r.store.(driver.Inspector); ok {
		return modelNames(s.Places(ctx))
	}
	return modelNames(r.store.Models(ctx))
}

// modelNames converts a store's names of models to the public type.
func modelNames(names iter.Seq2[driver.Name, error]) iter.Seq2[ModelName, error] {
	return func(yield func(ModelName, error) bool) {
		for name, err := range names {
			if !yield(ModelName(name), err) {
				return
			}
		}
	}
}
