package modelregistry

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/ubunye-go/modelregistry/driver"
	"github.com/ubunye-go/modelregistry/internal/engine"
	"github.com/ubunye-go/modelregistry/internal/index"
	"github.com/ubunye-go/modelregistry/internal/pyjson"
)

// The causes of errors, for errors.Is.
var (
	// ErrNotFound says that a use case, model, version or stage holds nothing.
	// It matches fs.ErrNotExist.
	ErrNotFound = sentinel("not found", fs.ErrNotExist)
	// ErrExists says that a version number was given out before. It matches
	// fs.ErrExist.
	ErrExists = sentinel("version already registered", fs.ErrExist)
	// ErrInvalid says that an argument can never be accepted: a name, version,
	// stage, gate, metric or artifact. It matches fs.ErrInvalid.
	ErrInvalid = driver.ErrInvalid
	// ErrWrongDirection says that Promote was asked to go down, Demote to go
	// up, or Rollback to restore a version that never was in production.
	ErrWrongDirection = errors.New("wrong direction")
	// ErrConflict says that a stated precondition does not hold: another change
	// came in between, or a version is not in the stage that was named.
	ErrConflict = driver.ErrConflict
	// ErrNonFinite says that a metric or a piece of metadata is NaN or
	// infinite.
	ErrNonFinite = pyjson.ErrNonFinite
	// ErrArtifact says that an artifact is missing, empty, holds something
	// other than files and folders, has a file name that not every store can
	// keep, was written to while it was registered, or does not match the
	// digests of its manifest.
	ErrArtifact = driver.ErrArtifact
	// ErrUncertain says that a change may or may not have happened: the disk
	// failed while it was written and again while it was taken back. Read
	// before retrying.
	ErrUncertain = driver.ErrUncertain
	// ErrOvertaken says that a store put a document in place while another
	// writer appended, so that it may have replaced a newer document; or that
	// it did not, because another program wrote the document meanwhile.
	ErrOvertaken = driver.ErrOvertaken
	// ErrFormat says that a later release wrote a model, and that it must be
	// understood before the model is written. This release reads it and changes
	// nothing; the error is a *[FormatError] that names what is not known.
	ErrFormat = driver.ErrFormat
	// ErrIndexLost says that a model has neither a history nor a registry.json,
	// but versions that a registry made. Nothing is registered until it is
	// repaired, because numbers would be given out again.
	ErrIndexLost = driver.ErrIndexLost
	// ErrClosed says that the registry was closed.
	ErrClosed = engine.ErrClosed
)

type kind struct {
	text string
	is   error
}

func sentinel(text string, is error) error { return &kind{text, is} }

func (k *kind) Error() string        { return k.text }
func (k *kind) Is(target error) bool { return target == k.is }

// An Error is what every operation returns when it fails: the operation, its
// subject and the cause. It reads "op subject: cause".
type Error struct {
	Op string // "register", "promote", …
	// Ref is the subject. Once a change knows which version a reference means,
	// it names exactly that version. It has the name alone if the operation is
	// about a model, and is zero if it is about no model.
	Ref Ref
	Err error
}

func (e *Error) Error() string {
	subject := e.Op
	if e.Ref != (Ref{}) {
		subject += " " + e.Ref.String()
	}
	return subject + ": " + e.Err.Error()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// opError returns err as an *Error. Of an *Error about the same model it keeps
// what that says of the version.
func opError(op string, subject Ref, err error) error {
	if err == nil {
		return nil
	}
	if already, ok := err.(*Error); ok && already.Ref.Name == subject.Name {
		if already.Ref.what() != "" {
			subject = already.Ref
		}
		err = already.Err
	}
	return &Error{Op: op, Ref: subject, Err: err}
}

// A NameError says that a model's name can't be told from another name on every
// file system: the two differ in case only, or this store's file system takes
// one for the other. It matches ErrInvalid.
type NameError = driver.NameError

// A CorruptError says which file of a store is damaged, and where.
type CorruptError = driver.CorruptError

// A FormatError says that a model needs what this release does not know, so
// that it may only be read. It matches ErrFormat.
type FormatError = driver.FormatError

// A GateError says that gates held a promotion back. The version stays where it
// was.
type GateError struct {
	Target  ModelStage
	Results []GateResult // of every gate, passed ones too, in order
}

// Failed returns the results of the gates that did not pass.
func (e *GateError) Failed() []GateResult {
	var failed []GateResult
	for _, r := range e.Results {
		if !r.Passed {
			failed = append(failed, r)
		}
	}
	return failed
}

func (e *GateError) Error() string {
	failed := e.Failed()
	lines := make([]string, len(failed))
	for i, r := range failed {
		lines[i] = r.Name + ": " + r.Message
	}
	return fmt.Sprintf("%d of %d gates to %s failed: %s", len(failed), len(e.Results), e.Target, strings.Join(lines, "; "))
}

// invalid returns an error that matches ErrInvalid and says what is wrong.
func invalid(format string, args ...any) error {
	return fmt.Errorf("%w %s", ErrInvalid, fmt.Sprintf(format, args...))
}

// notFound returns an error that matches ErrNotFound and names what is missing.
func notFound(format string, args ...any) error {
	return fmt.Errorf("%s: %w", fmt.Sprintf(format, args...), ErrNotFound)
}

// indexError returns an error of the index as callers know it.
func indexError(err error) error {
	switch e := err.(type) {
	case *index.TakenError:
		if e.Alike == "" {
			return fmt.Errorf("%w", ErrExists)
		}
		return fmt.Errorf("%w: %w", ErrExists, e)
	case *index.ExhaustedError:
		return invalid("auto version: %v", e)
	}
	return err
}

func conflictStage(stage, want ModelStage) error {
	return fmt.Errorf("%w: it is in %s, not in %s", ErrConflict, stage, want)
}
