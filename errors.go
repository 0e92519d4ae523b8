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
	// ErrNotFound says that a use case, model, version or alias does not exist,
	// or that no version is in a stage or range. It matches fs.ErrNotExist.
	ErrNotFound = sentinel("not found", fs.ErrNotExist)
	// ErrExists says that a version number was used before, or differs from a
	// used one in case only. It matches fs.ErrExist.
	ErrExists = sentinel("version already registered", fs.ErrExist)
	// ErrDeleted says that a version was deleted. The error is a
	// *[DeletedError] and matches ErrNotFound, too.
	ErrDeleted = errors.New("deleted")
	// ErrInvalid says that an argument can never be accepted, such as a name,
	// version, stage, gate or metric. It matches fs.ErrInvalid.
	ErrInvalid = driver.ErrInvalid
	// ErrWrongDirection says that Promote was called with a lower stage, Demote
	// with a higher stage, or RollbackTo with a version that never was in
	// production.
	ErrWrongDirection = errors.New("wrong direction")
	// ErrConflict says that a precondition does not hold: a version is not in
	// the named stage, IfProduction names another version, or another program
	// made a change meanwhile.
	ErrConflict = driver.ErrConflict
	// ErrProtected says that something relies on a version: an alias names it,
	// it is in production, a rollback would restore it, it has the highest
	// number, or it is held. Force makes the change all the same, except if the
	// version is held.
	ErrProtected = errors.New("protected")
	// ErrNonFinite says that a value is NaN or infinite: a metric, a member of
	// the metadata, or a threshold.
	ErrNonFinite = pyjson.ErrNonFinite
	// ErrArtifact says that an artifact can't be used. It is missing or empty,
	// contains something other than files and folders, or has a file name that
	// not every store can keep; or it was written to during its registration,
	// or it does not match the digests of its manifest.
	ErrArtifact = driver.ErrArtifact
	// ErrUncertain says that a change may or may not have happened: the disk
	// failed while the change was written, and again while it was undone, or a
	// bucket's answers were lost. Read the model before you retry.
	ErrUncertain = driver.ErrUncertain
	// ErrOvertaken says that another writer interfered with the writing of
	// registry.json. Either another change was appended meanwhile, so that a
	// newer document may have been replaced; or another program wrote the
	// document, and the store left it in place.
	ErrOvertaken = driver.ErrOvertaken
	// ErrFormat says that a model needs a later release for every change. This
	// release can read the model and refuses to change it. The error is a
	// *[FormatError], which names what this release does not know.
	ErrFormat = driver.ErrFormat
	// ErrIndexLost says that a model has files of versions, but its history and
	// its registry.json are both lost. Register fails until Repair has listed
	// the versions again, because it would use their numbers a second time.
	ErrIndexLost = driver.ErrIndexLost
	// ErrClosed says that the registry is closed.
	ErrClosed = engine.ErrClosed
)

type kind struct {
	text string
	is   error
}

func sentinel(text string, is error) error { return &kind{text, is} }

func (k *kind) Error() string        { return k.text }
func (k *kind) Is(target error) bool { return target == k.is }

// An Error is returned by every operation that fails. It has the operation, its
// subject and the cause, and reads "op subject: cause".
type Error struct {
	Op string // "register", "promote", …
	// Ref is the subject of the operation. If a reference was resolved before a
	// change failed, Ref names the exact version. It has only a name if the
	// operation is about a model, and is zero if it is about the whole store.
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

// opError returns err as an *Error. If err is an *Error about the same model,
// opError keeps the version that it names.
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

// A NameError says that a model's name could be confused with another name. The
// two differ in case only, or this store's file system treats them as equal. It
// matches ErrInvalid.
type NameError = driver.NameError

// A MountError says that a folder is not written to, because a program mounts a
// bucket there. It names what to use instead, and matches
// errors.ErrUnsupported. Options.OneMachine allows the write.
type MountError = driver.MountError

// A CorruptError says which file of a store is damaged, and at which offset.
type CorruptError = driver.CorruptError

// A FormatError lists what a model needs and this release does not know. This
// release can read the model and refuses to change it. The error matches
// ErrFormat.
type FormatError = driver.FormatError

// A GateError says that gates refused a promotion. The version stays in its
// stage.
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

// invalid returns an error that matches ErrInvalid and gives the reason.
func invalid(format string, args ...any) error {
	return fmt.Errorf("%w %s", ErrInvalid, fmt.Sprintf(format, args...))
}

// notFound returns an error that matches ErrNotFound and names what is missing.
func notFound(format string, args ...any) error {
	return fmt.Errorf("%s: %w", fmt.Sprintf(format, args...), ErrNotFound)
}

// indexError converts an error of the index to the public one.
func indexError(err error) error {
	switch e := err.(type) {
	case *index.TakenError:
		if e.Alike == "" {
			return fmt.Errorf("%w", ErrExists)
		}
		return fmt.Errorf("%w: %w", ErrExists, e)
	case *index.OnceError:
		return fmt.Errorf("%w: %w", ErrExists, e)
	case *index.DeletedError:
		err := deletedError(e.Deletion)
		if e.Alias != "" {
			err = fmt.Errorf("alias %s: %w", e.Alias, err)
		}
		return err
	case *index.AbsentError:
		return notFound("%s", e.What)
	case *index.StageError:
		return conflictStage(ModelStage(e.Stage), ModelStage(e.Want))
	case *index.ExhaustedError:
		return invalid("auto version: %v", e)
	}
	return err
}

func conflictStage(stage, want ModelStage) error {
	return fmt.Errorf("%w: it is in %s, not in %s", ErrConflict, stage, want)
}
