package index

import (
	"encoding/json"
	"maps"
	"slices"

	"github.com/ubunye-go/modelregistry/internal/pyjson"
)

// The members of an extra, and of the facts, that hold a note.
const (
	tagsKey        = "tags" // an object from key to text
	descriptionKey = "description"
)

// An Annotation is the tags and the description of a version or of a model.
type Annotation struct {
	Tags        map[string]string
	Description string
}

// An AnnotationChange is what an event did to a note. The after-image of the
// event has the description.
type AnnotationChange struct {
	Set         map[string]string
	Removed     []string
	Description bool // it changed
}

// readAnnotation reads the members of a note. It ignores a value that is not a
// string: a later release may keep more.
func readAnnotation(tags, description []byte) (n Annotation) {
	if len(tags) > 0 {
		members, _ := pyjson.Object(tags)
		for _, m := range members {
			if m.Value[0] == '"' {
				if n.Tags == nil {
					n.Tags = make(map[string]string, len(members))
				}
				n.Tags[m.Key] = string(pyjson.Text(m.Value))
			}
		}
	}
	if len(description) > 0 && description[0] == '"' {
		n.Description = string(pyjson.Text(description))
	}
	return n
}

// Annotation returns the note of the model.
func (f Facts) Annotation() Annotation { return readAnnotation(f.Get(tagsKey), f.Get(descriptionKey)) }

// Annotation returns the note of the version.
func (x RawExtra) Annotation() Annotation { return readAnnotation(x.Tags, x.Description) }

// Empty reports whether nothing changed.
func (c AnnotationChange) Empty() bool { return c.Set == nil && c.Removed == nil && !c.Description }

// Apply returns an object with the members of a note changed. Members that this
// release does not know stay as they are.
func (c AnnotationChange) Apply(raw []byte, description string) []byte {
	if c.Set != nil || c.Removed != nil {
		var tags []byte
		if len(raw) > 0 {
			tags = Value(raw, tagsKey)
		}
		for _, key := range slices.Sorted(maps.Keys(c.Set)) {
			tags = withMember(tags, key, pyjson.Quote(c.Set[key]))
		}
		for _, key := range c.Removed {
			tags = withMember(tags, key, nil)
		}
		raw = withMember(raw, tagsKey, tags)
	}
	if c.Description {
		var text []byte
		if description != "" {
			text = pyjson.Quote(description)
		}
		raw = withMember(raw, descriptionKey, text)
	}
	return raw
}

// Annotate appends the event that changes the note of a version. Everything
// else that is kept of the version stays.
func (t *Txn) Annotate(e *Entry, c AnnotationChange, description, actor, reason string) error {
	return t.Emit(&Event{Op: OpAnnotate, Version: e.Version, Actor: actor, Reason: reason, Note: &c,
		After: []Image{{Version: e.Version, Raw: e.layOut(), Extra: c.Apply(e.Extra, description), stageRead: e.Stage}}})
}

// AnnotateModel appends the event that changes the note of the model.
func (t *Txn) AnnotateModel(c AnnotationChange, description, actor, reason string) error {
	return t.Emit(&Event{Op: OpAnnotate, Actor: actor, Reason: reason, Note: &c,
		Model: ReadFacts(c.Apply(t.Facts().raw, description)).image()})
}

// AnnotationAfter returns the note that the event left, if it changed one.
func (e *Event) AnnotationAfter() (n Annotation, ok bool) {
	switch {
	case e.Note == nil:
		return n, false
	case e.Version == "":
		return ReadFacts(e.Model).Annotation(), true
	}
	for _, im := range e.After {
		if im.Version == e.Version {
			x, err := ReadExtra(im.Extra)
			return x.Annotation(), err == nil
		}
	}
	return n, false
}

// appendAnnotation appends the member of an event that says what changed in a
// note.
func appendAnnotation(b []byte, c *AnnotationChange) []byte {
	if c == nil {
		return b
	}
	members := map[string]any{}
	if c.Set != nil {
		members["set"] = c.Set
	}
	if c.Removed != nil {
		members["removed"] = c.Removed
	}
	if c.Description {
		members["description"] = true
	}
	raw, err := pyjson.Marshal(members, true)
	if err != nil {
		panic(err) // texts always have a JSON form
	}
	return append(append(b, `,"note":`...), raw...)
}

// annotationChange reads that member.
func (d *eventDecoder) annotationChange(raw []byte) *AnnotationChange {
	if raw = d.object("note", raw); raw == nil || d.effect {
		return nil
	}
	c := &AnnotationChange{}
	d.fail("note", json.Unmarshal(raw, c))
	return c
}
