package modelregistry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"path"
	"strings"

	"github.com/ubunye-go/modelregistry/driver"
	"github.com/ubunye-go/modelregistry/internal/artifact"
	"github.com/ubunye-go/modelregistry/internal/check"
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
	EntryUnreadable    FindingKind = "entry unreadable"                    // a field of a version's entry, or a gate of a version or of the model, can't be read
	ArtifactMissing    FindingKind = "artifact missing"                    // the files of a version are missing
	ArtifactDamaged    FindingKind = "artifact damaged"                    // a file of a version was changed, removed or added
	ManifestDamaged    FindingKind = "manifest damaged"                    // manifest.json is not the one that was registered
	StoreUnreadable    FindingKind = FindingKind(check.StoreUnreadable)    // a read failed, or a permission is missing
	UnlistedVersion    FindingKind = FindingKind(check.UnlistedVersion)    // files of a version that neither the history nor registry.json has
	ExternalChange     FindingKind = FindingKind(check.ExternalChange)     // another program or an editor changed registry.json; the next change records it
	ExternalDoubt      FindingKind = FindingKind(check.ExternalDoubt)      // an external change is ambiguous; see Doubt
	NoHistory          FindingKind = FindingKind(check.NoHistory)          // another program made the model, and the registry has not changed it yet
	NewerFormat        FindingKind = FindingKind(check.NewerFormat)        // this release can read the model but must not change it; see ErrFormat
	NoDigests          FindingKind = "no digests"                          // another program registered the version, without a manifest
	Debris             FindingKind = FindingKind(check.Debris)             // the harmless remains of a crash
	SetAside           FindingKind = FindingKind(check.SetAside)           // files of a change that did not happen, files that Repair replaced, or a bucket's changes that history.jsonl has
	NotShared          FindingKind = FindingKind(check.NotShared)          // a file or folder that lacks rights which its folder gives to other users
	ForeignFile        FindingKind = FindingKind(check.ForeignFile)        // a file that the registry did not make
)

// Notice reports whether findings of the kind are mere notices: everything that
// was acknowledged is there and can be read.
func (k FindingKind) Notice() bool {
	switch k {
	case ExternalChange, ExternalDoubt, NoHistory, NewerFormat, NoDigests, Debris, SetAside, NotShared, ForeignFile, UnlistedVersion:
		return true
	}
	return false
}

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
	Models   int // how many models were checked
	Versions int // how many versions were checked
	Findings []Finding
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
// everything.
type VerifyOptions struct {
	UseCase string // only models of this use case; empty for all
	Model   string // only models of this name; empty for all

	// WithoutArtifacts skips the files of versions. Verify then checks the
	// history and registry.json only.
	WithoutArtifacts bool

	// Progress is called about ten times a second while files are read, and
	// once at the end of each version. Calls do not overlap.
	Progress func(VerifyProgress)
}

// A VerifyProgress reports how far Verify is.
type VerifyProgress struct {
	Version  ModelVersion `json:"version"`  // the version whose files are being read
	Number   int          `json:"number"`   // the position of that version in its model, from 1
	Versions int          `json:"versions"` // the number of versions of the model
	Files    Progress     `json:"files"`    // the progress within the version
}

// Verify checks a store and changes nothing. It checks every line of each
// history, each registry.json against its history, every manifest against the
// digest in the history, and every file against its manifest. It reads every
// byte of every artifact.
//
// Verify returns all findings in the report. The error matches ErrNotFound if
// opts selects no model, and is otherwise that of the context or ErrClosed.
//
// Other processes may change the store meanwhile. If a problem could be a
// change in progress, Verify checks the model again under the model's lock. If
// it can't take that, it reads the model until two looks agree.
func (r *ModelRegistry) Verify(ctx context.Context, opts *VerifyOptions) (*VerifyReport, error) {
	var o VerifyOptions
	if opts != nil {
		o = *opts
	}
	if !r.engine.Start() {
		return nil, &Error{Op: "verify", Err: ErrClosed}
	}
	defer r.engine.Stop()
	report := &VerifyReport{}
	matched := false
	for name, err := range r.places(ctx) {
		if o.UseCase != "" && name.UseCase != o.UseCase || o.Model != "" && name.Model != o.Model {
			continue
		}
		if err == nil {
			matched = true
			err = r.verifyModel(ctx, name, o, report)
		}
		if ctxErr := ctx.Err(); ctxErr != nil {
			return report, opError("verify", name.all(), ctxErr)
		}
		if err != nil {
			report.add(Finding{Name: name, Kind: StoreUnreadable, Err: err})
		}
	}
	if named := (ModelName{o.UseCase, o.Model}); !matched && len(report.Findings) == 0 && named != (ModelName{}) {
		return report, opError("verify", named.all(), notFound("a model with this name"))
	}
	return report, nil
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

func (r *VerifyReport) add(f Finding) { r.Findings = append(r.Findings, f) }

func (r *ModelRegistry) verifyModel(ctx context.Context, name ModelName, o VerifyOptions, report *VerifyReport) error {
	m, err := r.model(name)
	if err != nil {
		return err
	}
	x, err := check.Read(ctx, m.Model)
	if err != nil {
		return err
	}
	report.Models++
	for _, f := range x.Findings() {
		report.add(Finding{Name: name, Kind: FindingKind(f.Kind), Version: f.Version, Event: f.Event, Path: f.Path, Err: f.Err})
	}
	if problems := factsGates(x.Facts()).unreadable(); len(problems) > 0 {
		report.add(Finding{Name: name, Kind: EntryUnreadable, Err: fmt.Errorf("%s: %s", index.GatesKey, strings.Join(problems, "; "))})
	}
	if x.State == nil {
		return nil
	}
	for i, e := range x.State.Entries {
		v := viewEntry(x.State.State, e)
		report.Versions++
		if problems := decodeVersion(name, e).Problems; len(problems) > 0 { // without the problem that viewEntry adds for a second version in production
			report.add(Finding{Name: name, Version: e.Version, Kind: EntryUnreadable, Err: errors.New(strings.Join(problems, "; "))})
		}
		if o.WithoutArtifacts {
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		var progress *artifact.Meter
		if o.Progress != nil {
			progress = newMeter(func(p Progress) { o.Progress(VerifyProgress{v, i + 1, len(x.State.Entries), p}) })
		}
		r.verifyFiles(ctx, v, progress, report)
		progress.Done()
	}
	return nil
}

func (r *ModelRegistry) verifyFiles(ctx context.Context, v ModelVersion, progress *artifact.Meter, report *VerifyReport) {
	bySystem, err := r.manifests.VerifyStored(ctx, r.store, driver.Name(v.Name), v.Version, v.ManifestSHA256, progress)
	for _, name := range bySystem {
		report.add(Finding{Name: v.Name, Version: v.Version, Kind: ForeignFile, Path: path.Join(v.Name.UseCase, v.Name.Model, "versions", v.Version, name)})
	}
	f := Finding{Name: v.Name, Version: v.Version, Kind: ArtifactDamaged, Err: err}
	switch {
	case ctx.Err() != nil:
		return
	case err == nil && v.ManifestSHA256 == "":
		f.Kind = NoDigests
	case err == nil:
		return
	case errors.Is(err, artifact.ErrManifest):
		f.Kind = ManifestDamaged
	case errors.Is(err, artifact.ErrNoTree):
		f.Kind = ArtifactMissing
	case errors.Is(err, fs.ErrPermission) || !errors.Is(err, ErrArtifact):
		f.Kind = StoreUnreadable
	}
	report.add(f)
}
