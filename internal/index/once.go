package index

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/ubunye-go/modelregistry/internal/pyjson"
)

// onceKey is the member of an extra, and of the record of a deleted version,
// that holds its Once.
const onceKey = "once"

// A Once identifies a registration that may be repeated.
type Once struct {
	Key   string `json:"key"`   // the caller's
	Files string `json:"files"` // the digest of the artifact's files, hex
}

// A OnceError says that a registration with the same key has other files, or
// that its version was deleted.
type OnceError struct {
	Key, Version string
	Files, Were  string // digests: of this registration, and of that version
	Deleted      bool
}

func (e *OnceError) Error() string {
	if e.Deleted {
		return fmt.Sprintf("version %s was registered with the key %q, and is deleted", e.Version, e.Key)
	}
	return fmt.Sprintf("version %s was registered with the key %q and other files: their digest is %s, not %s", e.Version, e.Key, e.Were, e.Files)
}

// Registered returns the version that was registered with the key of a Once, or
// "" if there is none. It returns a *OnceError if that version has other files
// or was deleted.
func (t *Txn) Registered(o Once) (version string, err error) {
	for e := range t.Entries() {
		if was, ok := onceOf(e.Extra); ok && was.Key == o.Key {
			if was.Files != o.Files {
				return e.Version, &OnceError{Key: o.Key, Version: e.Version, Files: o.Files, Were: was.Files}
			}
			return e.Version, nil
		}
	}
	deleted := t.Base.deleted.object()
	for _, ev := range t.Events {
		deleted = WithMembers(deleted, ev.Deleted)
	}
	if deleted == nil {
		return "", nil
	}
	stones, _ := pyjson.Object(deleted)
	for _, stone := range stones {
		if was, ok := onceOf(stone.Value); ok && was.Key == o.Key {
			return stone.Key, &OnceError{Key: o.Key, Version: stone.Key, Deleted: true}
		}
	}
	return "", nil
}

// onceOf returns the Once in an object. Nearly all objects have none, and are
// not decoded.
func onceOf(raw []byte) (o Once, ok bool) {
	if !bytes.Contains(raw, []byte(`"`+onceKey+`"`)) {
		return o, false
	}
	value := Value(raw, onceKey)
	return o, value != nil && json.Unmarshal(value, &o) == nil
}
