package modelregistry

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/ubunye-go/modelregistry/internal/index"
)

// The limits of notes.
const (
	// MaxTags is how many tags a version or a model has at most.
	MaxTags = 32
	// MaxTagValue is the length of the longest value of a tag in bytes.
	MaxTagValue = 256
	// MaxNote is how many bytes the tags and the description of a version have
	// together at most, because every event of the version repeats them. Keep a
	// longer card as a file of the artifact.
	MaxNote = 4 << 10
	// MaxModelNote is MaxNote for a model.
	MaxModelNote = 16 << 10
)

// A Note changes the tags and the description of a version or of a model.
type Note struct {
	// Set has tags by key. A key is spelled like an alias. A value is UTF-8 and
	// has at most MaxTagValue bytes.
	Set map[string]string `json:"set,omitempty"`
	// Remove lists the keys of tags to remove. A key without a tag is ignored.
	Remove []string `json:"remove,omitempty"`
	// Description, if not nil, replaces the description: Markdown, empty for
	// none.
	Description *string `json:"description,omitempty"`
}

// NoteOptions go with Annotate and AnnotateModel. The zero value and nil are
// valid.
type NoteOptions struct {
	Actor  string // the person or program that makes the note; by default Options.Actor
	Reason string // the reason, for the history
	// If makes the call conditional: each of these tags must have this value,
	// and must be missing where the value is empty.
	If map[string]string
}

// Annotate changes the note of the version that ref means. If the note stays
// the same, Annotate records nothing. The error matches ErrInvalid for a note
// that is too long, and ErrConflict if a condition of NoteOptions.If does not
// hold.
func (r *ModelRegistry) Annotate(ctx context.Context, ref Ref, note Note, opts *NoteOptions) (err error) {
	subject := ref
	defer func() { err = opError("annotate", subject, err) }()
	if err := ref.check(); err != nil {
		return err
	}
	m, edit, o, err := r.beginNote(ref.Name, note, opts)
	if err != nil {
		return err
	}
	_, err = m.change(ctx, func(t *txn) (string, error) {
		e, err := t.find(ref)
		if err != nil {
			return "", err
		}
		subject = ref.Name.At(e.Version)
		x, err := index.ReadExtra(e.Extra)
		if err != nil {
			return e.Version, err
		}
		after, changed, err := editNote(edit, x.Annotation(), o.If, MaxNote)
		if err != nil || changed.Empty() {
			return e.Version, err
		}
		return e.Version, t.Txn.Annotate(e, changed, after.Description, o.Actor, o.Reason)
	}, nil)
	return err
}

// AnnotateModel changes the note of a model. It is otherwise like Annotate.
func (r *ModelRegistry) AnnotateModel(ctx context.Context, name ModelName, note Note, opts *NoteOptions) (err error) {
	defer func() { err = opError("annotate", name.all(), err) }()
	m, edit, o, err := r.beginNote(name, note, opts)
	if err != nil {
		return err
	}
	return m.changeExisting(ctx, func(t *txn) error {
		after, changed, err := editNote(edit, t.Facts().Annotation(), o.If, MaxModelNote)
		if err != nil || changed.Empty() {
			return err
		}
		return t.Txn.AnnotateModel(changed, after.Description, o.Actor, o.Reason)
	})
}

// beginNote checks the arguments of a change of a note, and copies them,
// because the caller may change them.
func (r *ModelRegistry) beginNote(name ModelName, note Note, opts *NoteOptions) (m *model, edit index.AnnotationEdit, o NoteOptions, err error) {
	if opts != nil {
		o = *opts
	}
	o.Actor, o.If = firstOf(o.Actor, r.opts.Actor), maps.Clone(o.If)
	if err := note.check(); err != nil {
		return nil, edit, o, err
	}
	if err := checkTags(slices.Sorted(maps.Keys(o.If))); err != nil {
		return nil, edit, o, err
	}
	m, err = r.model(name)
	return m, index.AnnotationEdit(note).Clone(), o, err
}

// checkTags returns an error if one of the keys can't be the key of a tag.
func checkTags(keys []string) error {
	for _, key := range keys {
		if err := index.CheckName(key); err != nil {
			return invalid("tag %q: %v", key, err)
		}
	}
	return nil
}

// noteLimits returns the limits of a note with at most so many bytes.
func noteLimits(bytes int) index.AnnotationLimits {
	return index.AnnotationLimits{Tags: MaxTags, TagValue: MaxTagValue, Bytes: bytes}
}

// check returns an error if the note is wrong whatever the present note is.
func (n Note) check() error {
	if err := index.AnnotationEdit(n).Check(noteLimits(MaxNote)); err != nil {
		return invalid("%v", err)
	}
	return nil
}

// editNote returns a note after an edit, and what changed, if the tags are as
// the caller wants them before.
func editNote(edit index.AnnotationEdit, before index.Annotation, want map[string]string, limit int) (after index.Annotation, changed index.AnnotationChange, err error) {
	if err := before.Unmet(want); err != nil {
		return after, changed, fmt.Errorf("%w: %w", ErrConflict, err)
	}
	after, changed, err = edit.Of(before, noteLimits(limit))
	if err != nil {
		return after, changed, invalid("%v", err)
	}
	return after, changed, nil
}
