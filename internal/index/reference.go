package index

import "fmt"

// A Reference says which version of a model is meant: by its number, by its
// stage, by both, which must then agree, by an alias, or by a range.
type Reference struct{ Version, Stage, Alias, Range string }

// Versions are the versions of a State, or of a Txn after its events so far.
type Versions interface {
	Get(version string) *Entry
	Holder(stage string) *Entry
	Stage(*Entry) string
	Deletion(version string) (Deletion, bool)
}

// An AbsentError says that a model does not have what a reference means.
type AbsentError struct{ What string }

func (e *AbsentError) Error() string { return e.What + " is missing" }

// A DeletedError says that a reference means a version that was deleted.
type DeletedError struct {
	Deletion
	Alias string // the alias that names it; empty if the reference has its number
}

func (e *DeletedError) Error() string { return "version " + e.Version + " was deleted" }

// A StageError says that a version is in another stage than its reference says.
type StageError struct{ Stage, Want string }

func (e *StageError) Error() string { return fmt.Sprintf("it is in %s, not in %s", e.Stage, e.Want) }

// Find returns the version that the reference means. highest returns the
// highest version in the reference's range, or nil. The error is an
// *AbsentError, a *StageError, or that of highest.
func (r Reference) Find(in Versions, f Facts, highest func() (*Entry, error)) (*Entry, error) {
	switch {
	case r.Alias != "":
		return r.aliased(in, f)
	case r.Range != "":
		return r.matched(highest())
	case r.Version == "":
		if e := in.Holder(r.Stage); e != nil {
			return e, nil
		}
		return nil, &AbsentError{"a version in " + r.Stage}
	}
	e := in.Get(r.Version)
	if e == nil {
		if d, ok := in.Deletion(r.Version); ok {
			return nil, &DeletedError{d, ""}
		}
		return nil, &AbsentError{"version " + r.Version}
	}
	if stage := in.Stage(e); r.Stage != "" && stage != r.Stage {
		return nil, &StageError{stage, r.Stage}
	}
	return e, nil
}

// aliased returns the version that the alias names. The deletion of a version
// leaves its aliases.
func (r Reference) aliased(in Versions, f Facts) (*Entry, error) {
	version, ok := f.Alias(r.Alias)
	if !ok {
		return nil, &AbsentError{"alias " + r.Alias}
	}
	e := in.Get(version)
	if e == nil {
		if d, ok := in.Deletion(version); ok {
			return nil, &DeletedError{d, r.Alias}
		}
		return nil, &AbsentError{fmt.Sprintf("version %s, which alias %s names,", version, r.Alias)}
	}
	return e, nil
}

// matched returns an error if no version is in the range.
func (r Reference) matched(best *Entry, err error) (*Entry, error) {
	switch {
	case best != nil || err != nil:
		return best, err
	case r.Range == latest:
		return nil, &AbsentError{"a release that is not archived"}
	}
	return nil, &AbsentError{"a version that matches " + r.Range + " and is not archived"}
}
