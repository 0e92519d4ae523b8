package check

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/ubunye-go/modelregistry/driver"
	"github.com/ubunye-go/modelregistry/internal/engine"
	"github.com/ubunye-go/modelregistry/internal/index"
)

// A Kind is a kind of Finding.
type Kind string

// The kinds of findings of a check.
const (
	HistoryDamaged     Kind = "history damaged"     // a line is unreadable, missing or changed
	HistoryLost        Kind = "history lost"        // registry.json refers to an event that the history does not have, or both files are lost
	DocumentDamaged    Kind = "document damaged"    // registry.json can't be read
	DocumentMissing    Kind = "document missing"    // there is a history but no registry.json
	DocumentDiffers    Kind = "document differs"    // registry.json differs from what the history says
	MultipleProduction Kind = "multiple production" // another program left several versions in production; readers see the one promoted last
	EntryUnreadable    Kind = "entry unreadable"    // a field of a version's entry, or a gate of a version or of the model, can't be read
	ArtifactMissing    Kind = "artifact missing"    // the files of a version are missing
	ArtifactDamaged    Kind = "artifact damaged"    // a file of a version was changed, removed or added
	ManifestDamaged    Kind = "manifest damaged"    // manifest.json is not the one that was registered
	NoDigests          Kind = "no digests"          // another program registered the version, without a manifest
	StoreUnreadable    Kind = "unreadable"          // a read failed, or a permission is missing
	UnlistedVersion    Kind = "version not listed"  // files of a version that neither the history nor registry.json has
	ExternalChange     Kind = "external change"     // another program or an editor changed registry.json; the next change records it
	ExternalDoubt      Kind = "external doubt"      // an external change is ambiguous; see index.Doubt
	NoHistory          Kind = "no history"          // another program made the model, and the registry has not changed it yet
	NewerFormat        Kind = "newer format"        // this release can read the model but must not change it; see driver.ErrFormat
	GatesMissed        Kind = "gates missed"        // another program promoted the version in production past stored gates
	Debris             Kind = "debris"              // the harmless remains of a crash
	SetAside           Kind = "set aside"           // files of a change that did not happen, files that Repair replaced, or a bucket's changes that history.jsonl has
	PurgeUnfinished    Kind = "purge unfinished"    // files of a deleted version that a purge gave up and did not remove
	NotShared          Kind = "not shared"          // a file or folder that lacks rights which its folder gives to other users
	SeveralMachines    Kind = "several machines"    // the store has a record that two machines wrote to the model
	ForeignFile        Kind = "foreign file"        // a file that the registry did not make
)

// Notice reports whether findings of the kind are no problems: everything that
// was acknowledged is there and can be read.
func (k Kind) Notice() bool {
	switch k {
	case ExternalChange, ExternalDoubt, NoHistory, NewerFormat, NoDigests, GatesMissed, Debris, SetAside, PurgeUnfinished, NotShared, SeveralMachines, ForeignFile, UnlistedVersion:
		return true
	}
	return false
}

// removable reports whether an item of the kind is no longer in use and may be
// removed.
func removable(k driver.ItemKind) bool {
	return k == driver.ItemStaging || k == driver.ItemTorn || k == driver.ItemTemp
}

// A Finding is one thing that a check found.
type Finding struct {
	Kind    Kind
	Version string // the version, if the finding is about one
	Event   int64  // the first event concerned, if the finding is about the history
	Path    string // the file or folder, if the finding is about one; relative to the store
	Err     error  // the cause; nil if the kind is enough
}

// Findings returns the findings about the history, the document and other files
// in the model's folder. It does not check the files of versions.
func (x *Check) Findings() (list []Finding) {
	add := func(f Finding) { list = append(list, f) }
	file := func(f string) string { return x.Name.String() + "/" + f }
	damage := x.log.Damage
	if x.originalLog != nil {
		damage = damage[:1] // the others are of the same kind
	}
	for _, d := range damage {
		add(Finding{Kind: HistoryDamaged, Event: d.Event, Path: file(engine.LogFile),
			Err: &driver.CorruptError{Path: file(engine.LogFile), Offset: d.At, Err: d.Err}})
	}
	if f, found := x.documentFinding(); found {
		add(f)
	}
	if err := engine.Writable(x.Facts()); err != nil {
		add(Finding{Kind: NewerFormat, Err: err})
	}
	if x.indexLost() {
		add(Finding{Kind: HistoryLost, Path: file(engine.LogFile), Err: errors.New("registry.json is lost, too, but files of versions are there" + x.cause)})
	}
	if x.err != nil && len(x.log.Damage) == 0 && x.docErr == nil {
		add(Finding{Kind: StoreUnreadable, Err: x.err})
	}
	if s := x.State; s != nil && len(s.Productive) > 1 {
		add(Finding{Kind: MultipleProduction, Version: s.Holder(index.Production).Version,
			Err: fmt.Errorf("%s are stored as in production; this one was promoted last, and the next change archives the other", some(slices.SortedFunc(maps.Keys(s.Productive), index.CompareVersions), " and "))})
	}
	for _, d := range x.doubts() {
		add(Finding{Version: d.Version, Event: d.event, Kind: ExternalDoubt, Err: errors.New(d.Reason)})
	}
	for _, it := range x.items {
		f := Finding{Version: it.Version, Path: it.Path}
		switch {
		case removable(it.Kind):
			f.Kind = Debris
		case it.Kind == driver.ItemOrphan || it.Kind == driver.ItemKept:
			f.Kind = SetAside
		case it.Kind == driver.ItemClosed:
			f.Kind, f.Err = NotShared, errors.New("other users of the folder may be locked out; give it the rights of its folder with chmod")
		case it.Kind == driver.ItemMachines:
			f.Kind, f.Err = SeveralMachines, severalMachines(it.Text)
		case x.purged(it):
			f.Kind, f.Err = PurgeUnfinished, errors.New("a purge gave these files up, and is under way or was interrupted; the next Purge removes them, unless another program saved them since")
		case it.Kind == driver.ItemTree && x.State != nil && x.unlisted(it):
			f.Kind = UnlistedVersion
		case it.Kind == driver.ItemBare && x.State != nil && x.unlisted(it):
			f.Kind, f.Err = ForeignFile, errors.New("another program left these files without an entry; repair puts them aside once they are an hour old")
		case it.Kind == driver.ItemStrange:
			f.Kind = ForeignFile
		default:
			continue
		}
		add(f)
	}
	return list
}

// severalMachines says what a record of a second machine means.
func severalMachines(record string) error {
	return fmt.Errorf("%s: changes may be lost unless file locks work between these machines or they took turns; remove the file when that is settled", cmp.Or(record, "two machines wrote to this model"))
}

// documentFinding returns the finding about the document, if there is one.
func (x *Check) documentFinding() (f Finding, found bool) {
	f.Path = x.Name.String() + "/" + engine.DocumentFile
	switch d := x.doc; {
	case x.docErr != nil:
		f.Kind, f.Err = DocumentDamaged, x.docErr
	case x.docRewritten != nil:
		f.Kind, f.Err = ExternalChange, x.docRewritten
	case !x.hasDoc && len(x.log.Lines) > 0:
		f.Kind = DocumentMissing
	case !x.hasDoc:
		return f, false
	case x.lost():
		f.Kind, f.Path, f.Event = HistoryLost, x.Name.String()+"/"+engine.LogFile, d.Mark.Event
		f.Err = fmt.Errorf("registry.json refers to event %d, which the history does not have%s", d.Mark.Event, x.cause)
	case len(x.log.Damage) > 0:
		return f, false // the document can't be compared with a damaged history
	case x.owns():
		what := x.documentDiffers()
		switch {
		case what != "":
			f.Kind, f.Err = DocumentDiffers, errors.New(what)
		case x.changed():
			f.Kind, f.Err = ExternalChange, errors.New(x.externalChanges())
		default:
			return f, false
		}
	case len(x.log.Lines) == 0:
		f.Kind = NoHistory
	default:
		f.Kind = ExternalChange
		if what := x.externalChanges(); what != "" {
			f.Err = errors.New(what)
		}
	}
	return f, true
}
