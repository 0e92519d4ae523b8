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

// A FindingKind is a kind of finding of Verify.
type FindingKind string

// What is wrong.
const (
	HistoryDamaged     FindingKind = FindingKind(check.HistoryDamaged)     // a line is unreadable, missing, or not as it was written
	HistoryLost        FindingKind = FindingKind(check.HistoryLost)        // the document stands at an event that the history does not have, or both are gone
	DocumentDamaged    FindingKind = FindingKind(check.DocumentDamaged)    // registry.json can't be read
	DocumentMissing    FindingKind = FindingKind(check.DocumentMissing)    // there is a history, and no registry.json
	DocumentDiffers    FindingKind = FindingKind(check.DocumentDiffers)    // it is not what the history makes of it
	MultipleProduction FindingKind = FindingKind(check.MultipleProduction) // another program's doing; readers see the one promoted last
	EntryUnreadable    FindingKind = "entry unreadable"                    // something in a version's entry, or a gate of the version or the model
	ArtifactMissing    FindingKind = "artifact missing"                    // a version without its files
	ArtifactDamaged    FindingKind = "artifact damaged"                    // a file is changed, missing or added
	ManifestDamaged    FindingKind = "manifest damaged"                    // it is not the one that was registered
	StoreUnreadable    FindingKind = FindingKind(check.StoreUnreadable)    // the disk failed, or a right is missing
	UnlistedVersion    FindingKind = FindingKind(check.UnlistedVersion)    // a tree that is neither in the history nor in the document
	ExternalChange     FindingKind = FindingKind(check.ExternalChange)     // another program or an editor wrote registry.json; the next change records it
	ExternalDoubt      FindingKind = FindingKind(check.ExternalDoubt)      // something of an external change can't be told; the history says what was made of it
	NoHistory          FindingKind = FindingKind(check.NoHistory)          // another program's store, not written to by this one yet
	NewerFormat        FindingKind = FindingKind(check.NewerFormat)        // a later release wrote what this one must not change; it reads the model
	NoDigests          FindingKind = "no digests"                          // registered by another program, without a manifest
	Debris             FindingKind = FindingKind(check.Debris)             // what a crash left; harmless
	SetAside           FindingKind = FindingKind(check.SetAside)           // a tree of a change that never happened, files that a repair replaced, or a bucket's changes that history.jsonl has
	ForeignFile        FindingKind = FindingKind(check.ForeignFile)        // a file that the registry did not make, where only its own should be; it is never touched
)

// Notice reports whether the kind is worth knowing and nothing is wrong: all
// that was acknowledged is there and can be read.
func (k FindingKind) Notice() bool {
	switch k {
	case ExternalChange, ExternalDoubt, NoHistory, NewerFormat, NoDigests, Debris, SetAside, ForeignFile, UnlistedVersion:
		return true
	}
	return false
}

// A Finding is one thing that Verify has to say.
type Finding struct {
	Name    ModelName
	Kind    FindingKind
	Version string // if it is about one
	Event   int64  // the first event that is not right, if it is about the history
	Path    string // relative to the store, if it is about one file or folder
	Err     error  // what is wrong with it; nil if the kind says it all
}

// String returns "kind: use_case/model@version: what", or the path where there
// is one.
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

// A VerifyReport has what Verify read and found.
type VerifyReport struct {
	Models   int
	Versions int
	Findings []Finding
}

// Problems returns the findings that are no mere notices.
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
	UseCase string // all, if empty
	Model   string // all, if empty

	// WithoutArtifacts leaves the files of versions alone, and checks the
	// history and the document only.
	WithoutArtifacts bool

	// Progress is told how far the reading is, some ten times a second and at
	// the end of each version, by one goroutine at a time.
	Progress func(VerifyProgress)
}

// A VerifyProgress says how far Verify is.
type VerifyProgress struct {
	Version  ModelVersion `json:"version"`  // the version whose files are being read
	Number   int          `json:"number"`   // of that version in its model, from 1
	Versions int          `json:"versions"` // of the model
	Files    Progress     `json:"files"`    // of the version
}

// Verify checks a store: every line of each history, the document against a
// replay of the history, every manifest against the event that named it, and
// every file against its digest. It reports all findings and changes nothing;
// an error means that it could not read the store. It reads every byte of every
// artifact, and takes as long as that takes.
//
// If a problem could be a change under way, it checks the model again under the
// model's lock, if it can take that.
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
		return report, opError("verify", named.all(), notFound("a model of that name"))
	}
	return report, nil
}

// places yields every model of which anything is there.
func (r *ModelRegistry) places(ctx context.Context) iter.Seq2[ModelName, error] {
	if s, ok := r.store.(driver.Inspector); ok {
		return modelNames(s.Places(ctx))
	}
	return modelNames(r.store.Models(ctx))
}

// modelNames returns a store's names of models as the registry's.
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
		if problems := decodeVersion(name, e).Problems; len(problems) > 0 { // without what a view adds of a second production
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
	bySystem, err := r.verifyTree(ctx, v, progress)
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
	case errors.Is(err, fs.ErrPermission):
		f.Kind = StoreUnreadable
	}
	report.add(f)
}
