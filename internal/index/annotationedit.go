package index

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"unicode/utf8"
)

// An AnnotationEdit is a change of a note that a caller asks for.
type AnnotationEdit struct {
	Set         map[string]string
	Remove      []string // a key without a tag is ignored
	Description *string  // nil to leave it as it is
}

// AnnotationLimits bound a note.
type AnnotationLimits struct {
	Tags     int // how many
	TagValue int // the bytes of a value
	Bytes    int // of the tags and the description together
}

// Check returns an error if the edit is wrong whatever the present note is.
func (n AnnotationEdit) Check(limits AnnotationLimits) error {
	for _, key := range slices.Concat(slices.Sorted(maps.Keys(n.Set)), n.Remove) {
		if err := CheckName(key); err != nil {
			return fmt.Errorf("tag %q: %w", key, err)
		}
	}
	for key, value := range n.Set {
		switch {
		case len(value) > limits.TagValue:
			return fmt.Errorf("tag %s: its value has %d bytes, more than %d", key, len(value), limits.TagValue)
		case !utf8.ValidString(value):
			return fmt.Errorf("tag %s: its value is not UTF-8", key)
		case slices.Contains(n.Remove, key):
			return fmt.Errorf("tag %s: it is both set and removed", key)
		}
	}
	if n.Description != nil && !utf8.ValidString(*n.Description) {
		return errors.New("description: it is not UTF-8")
	}
	return nil
}

// Clone returns a copy that shares nothing with the edit.
func (n AnnotationEdit) Clone() AnnotationEdit {
	n.Set, n.Remove = maps.Clone(n.Set), slices.Clone(n.Remove)
	if n.Description != nil {
		text := *n.Description
		n.Description = &text
	}
	return n
}

// Of returns a note after the edit, and what changed. It returns an error if
// the edit makes the note larger than the limits.
func (n AnnotationEdit) Of(before Annotation, limits AnnotationLimits) (after Annotation, c AnnotationChange, err error) {
	after, c = n.of(before)
	size := len(after.Description)
	for key, value := range after.Tags {
		size += len(key) + len(value)
	}
	switch {
	case c.Empty():
	case len(after.Tags) > limits.Tags:
		err = fmt.Errorf("note: it would have %d tags, more than %d", len(after.Tags), limits.Tags)
	case size > limits.Bytes:
		err = fmt.Errorf("note: it would have %d bytes, more than %d; keep a longer card as a file of the artifact", size, limits.Bytes)
	}
	return after, c, err
}

// of is Of without limits.
func (n AnnotationEdit) of(before Annotation) (after Annotation, c AnnotationChange) {
	after = Annotation{maps.Clone(before.Tags), before.Description}
	for key, value := range n.Set {
		if old, ok := before.Tags[key]; ok && old == value {
			continue
		}
		if after.Tags == nil {
			after.Tags = map[string]string{}
		}
		if c.Set == nil {
			c.Set = map[string]string{}
		}
		after.Tags[key], c.Set[key] = value, value
	}
	for _, key := range n.Remove {
		if _, ok := after.Tags[key]; ok {
			delete(after.Tags, key)
			c.Removed = append(c.Removed, key)
		}
	}
	if slices.Sort(c.Removed); n.Description != nil && *n.Description != before.Description {
		after.Description, c.Description = *n.Description, true
	}
	return after, c
}

// Unmet returns an error that names a tag that does not have the value that it
// should have, or nil. A tag that should be missing has the empty value.
func (n Annotation) Unmet(want map[string]string) error {
	for _, key := range slices.Sorted(maps.Keys(want)) {
		switch now, set := n.Tags[key]; {
		case set && want[key] == "":
			return fmt.Errorf("tag %s is %q, and should not be set", key, now)
		case !set && want[key] != "":
			return fmt.Errorf("tag %s is not set, and should be %q", key, want[key])
		case now != want[key]:
			return fmt.Errorf("tag %s is %q, not %q", key, now, want[key])
		}
	}
	return nil
}
