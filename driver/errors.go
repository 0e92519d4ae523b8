package driver

import (
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
)

// These are the errors of stores that a registry or a program distinguishes
// with errors.Is. Package modelregistry has all but ErrInUse and ErrStaleView
// under the same names.
var (
	// ErrInvalid says that an argument can never be accepted. It matches
	// fs.ErrInvalid.
	ErrInvalid error = invalidError{}
	// ErrConflict says that a precondition does not hold: another program made
	// a change in between.
	ErrConflict = errors.New("precondition does not hold")
	// ErrArtifact says that the files of a tree are missing, or do not match
	// the digests of its manifest.
	ErrArtifact = errors.New("bad artifact")
	// ErrUncertain says that a change may or may not have happened.
	ErrUncertain = errors.New("outcome uncertain")
	// ErrOvertaken says one of two things. Either a document was put in place
	// while another writer appended, so that it may have replaced a newer
	// document. Or it was not put in place, because another program wrote the
	// document meanwhile.
	ErrOvertaken = errors.New("the model was changed meanwhile")
	// ErrFormat says that a later release wrote a model, and that this release
	// may not write it. The error is a *[FormatError].
	ErrFormat = errors.New("written by a later release")
	// ErrIndexLost says that a model has neither a log nor a document, but
	// trees that a registry made.
	ErrIndexLost = errors.New("history and registry.json are lost")
	// ErrInUse says that a document was not replaced, because another program
	// has it open and the system does not permit it then.
	ErrInUse = errors.New("another program has the file open")
	// ErrStaleView says that a view of a [Looker] may not show what the store
	// holds now, and that Read does.
	ErrStaleView = errors.New("the view may be stale")
)

type invalidError struct{}

func (invalidError) Error() string        { return "invalid" }
func (invalidError) Is(target error) bool { return target == fs.ErrInvalid }

// A NameError says that a file system may confuse a model's name with another
// name: the two differ in case only, or this store's file system finds one by
// the other. It matches ErrInvalid.
type NameError struct {
	Name  Name // the name that the caller gave
	Other Name // the store's spelling, or the model that exists
}

func (e *NameError) Error() string {
	other := e.Other.String()
	if !strings.EqualFold(e.Name.String(), other) { // two normal forms of Unicode look alike
		other = strconv.QuoteToASCII(other)
	}
	return fmt.Sprintf("%v model name: not every file system distinguishes it from %s", ErrInvalid, other)
}

// Unwrap returns ErrInvalid.
func (e *NameError) Unwrap() error { return ErrInvalid }

// An OccupiedError says that files of another program, which have no manifest,
// are where a version's tree belongs. It matches fs.ErrExist.
type OccupiedError struct {
	Version string
}

func (e *OccupiedError) Error() string {
	return fmt.Sprintf("files of another program are in the place of version %s", e.Version)
}

// Unwrap returns fs.ErrExist.
func (e *OccupiedError) Unwrap() error { return fs.ErrExist }

// A MountError says that a folder is not written to, because a program mounts a
// bucket there. Such a program replaces whole files, and its locks do not hold
// on other machines, so that programs on two machines would lose each other's
// changes. It matches errors.ErrUnsupported.
type MountError struct {
	Folder  string // the folder of the model
	Mount   string // the folder that the bucket is mounted on
	Program string // the program that mounts it, such as "s3fs"
	URL     string // the form of the URL to use in place of the folder
}

func (e *MountError) Error() string {
	return fmt.Sprintf("%s is in a bucket that %s mounts on %s, where machines would lose each other's changes; "+
		"use the bucket itself by its URL (%s), or set Options.OneMachine if only this machine writes", e.Folder, e.Program, e.Mount, e.URL)
}

// Unwrap returns errors.ErrUnsupported.
func (e *MountError) Unwrap() error { return errors.ErrUnsupported }

// A CorruptError says which file of a store is damaged, and where.
type CorruptError struct {
	Path   string // relative to the store
	Offset int64  // bytes before the damage
	Err    error
}

func (e *CorruptError) Error() string {
	return fmt.Sprintf("%s is corrupt at byte %d: %v", e.Path, e.Offset, e.Err)
}

// Unwrap returns the cause.
func (e *CorruptError) Unwrap() error { return e.Err }

// A FormatError says that a model needs something that this release does not
// know, so that it may only be read. It matches ErrFormat.
type FormatError struct {
	Needs []string // what this release does not know
}

func (e *FormatError) Error() string {
	quoted := make([]string, len(e.Needs))
	for i, need := range e.Needs {
		quoted[i] = strconv.Quote(need)
	}
	return fmt.Sprintf("%v, which needs %s; this release can only read it", ErrFormat, strings.Join(quoted, " and "))
}

// Unwrap returns ErrFormat.
func (e *FormatError) Unwrap() error { return ErrFormat }
