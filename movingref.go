package modelregistry

import (
	"github.com/ubunye-go/modelregistry/internal/index"
)

// validate checks the reference of the move as far as that is possible without
// reading the model.
func (mv move) validate() error {
	switch {
	case mv.previous:
		return nil
	case mv.to == Archived && mv.ref.Range != "":
		return invalid("reference: a range never matches an archived version, so it can't say which to archive; give a version or a stage")
	}
	return mv.ref.check()
}

// moves reports whether the reference may mean another version at another time:
// a stage, an alias, a range, or the previous production version.
func (mv move) moves() bool { return mv.previous || mv.ref.Version == "" }

// find returns the entry of the version to move, with the earlier changes of
// the batch applied. If the reference names a version and a stage, find ignores
// the stage; the caller checks it.
func (mv move) find(t *txn) (*index.Entry, error) {
	switch {
	case t.Empty():
		return nil, notFound("model %s", mv.ref.Name)
	case mv.previous:
		version, ok := t.PreviousProduction()
		if !ok {
			return nil, notFound("an earlier production version")
		}
		return t.Get(version), nil
	case mv.ref.Stage != "" && mv.ref.Version == "":
		if e := t.LastIn(string(mv.ref.Stage), string(mv.to)); e != nil {
			return e, nil
		}
		return nil, notFound("a version in %s", mv.ref.Stage)
	}
	ref := mv.ref
	if ref.Version != "" {
		ref.Stage = ""
	}
	return t.find(ref)
}

// find returns the entry that a reference means, with the earlier changes of
// the batch applied.
func (t *txn) find(ref Ref) (*index.Entry, error) {
	switch {
	case t.Empty():
		return nil, notFound("model %s", ref.Name)
	case len(t.Events) == 0:
		return ref.find(state{t.State, t.derived})
	}
	return ref.among(t.Txn.Txn, t.Facts(), func() (*index.Entry, error) {
		return ref.highest(t.Entries(), func(e *index.Entry) bool { return t.Stage(e) == index.Archived })
	})
}
