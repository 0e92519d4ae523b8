package cli

import (
	"context"
	"errors"
	"io/fs"

	"github.com/ubunye-go/modelregistry"
)

// An errorCode tells scripts why a command failed. Codes never change their
// meaning.
type errorCode string

const (
	codeUsage          errorCode = "usage"           // the command line can never work; exit status 2
	codeRefused        errorCode = "refused"         // by gates
	codeNotFound       errorCode = "not_found"       // no such store, use case, model, version or run
	codeExists         errorCode = "exists"          // the version or a name like it was used before
	codeDeleted        errorCode = "deleted"         // the version was deleted
	codeProtected      errorCode = "protected"       // something relies on the version; see modelregistry.ErrProtected
	codeConflict       errorCode = "conflict"        // a precondition does not hold
	codeWrongDirection errorCode = "wrong_direction" // such as a promotion to a lower stage
	codeArtifact       errorCode = "artifact"        // the files are missing, changed, or can't be stored
	codeDamaged        errorCode = "damaged"         // the store's own files are
	codeNewerFormat    errorCode = "newer_format"    // the model needs a later release
	codePermission     errorCode = "permission"      // a right is missing
	codeUnsupported    errorCode = "unsupported"     // this kind of store can't do it
	codeUncertain      errorCode = "uncertain"       // the change may or may not have happened
	codeInterrupted    errorCode = "interrupted"     // by a signal
	codeFailed         errorCode = "failed"          // for another reason
)

// code returns the code of an error. The first match decides, because an error
// may have several causes.
func (a *app) code(err error) errorCode {
	var taken *modelregistry.NameError
	var refusal *modelregistry.GateError
	var corrupt *modelregistry.CorruptError
	switch {
	case a.wrongUsage(err):
		return codeUsage
	case errors.Is(err, modelregistry.ErrUncertain):
		return codeUncertain
	case errors.As(err, &refusal):
		return codeRefused
	case errors.As(err, &corrupt), errors.Is(err, modelregistry.ErrIndexLost):
		return codeDamaged
	case errors.As(err, &taken):
		return codeExists
	}
	for _, c := range []struct {
		is   error
		code errorCode
	}{
		{context.Canceled, codeInterrupted},
		{modelregistry.ErrFormat, codeNewerFormat},
		{modelregistry.ErrExists, codeExists},
		{modelregistry.ErrProtected, codeProtected},
		{modelregistry.ErrDeleted, codeDeleted},
		{modelregistry.ErrConflict, codeConflict},
		{modelregistry.ErrOvertaken, codeConflict},
		{modelregistry.ErrWrongDirection, codeWrongDirection},
		{modelregistry.ErrNotFound, codeNotFound},
		{errors.ErrUnsupported, codeUnsupported},
		{fs.ErrPermission, codePermission},
		{modelregistry.ErrArtifact, codeArtifact},
	} {
		if errors.Is(err, c.is) {
			return c.code
		}
	}
	return codeFailed
}

// A failure is the JSON of a command that has no other result.
type failure struct {
	Code    errorCode                  `json:"code"`
	Message string                     `json:"message"`
	Gates   []modelregistry.GateResult `json:"gates,omitempty"`
}

// showFailure prints an error as JSON, if --output asks for JSON and nothing
// else was printed.
func (a *app) showFailure(err error) error {
	if a.output != outputJSON || a.printed {
		return nil
	}
	f := failure{Code: a.code(err), Message: err.Error()}
	var refusal *modelregistry.GateError
	if errors.As(err, &refusal) {
		f.Gates = refusal.Results
	}
	return a.show(struct {
		Error failure `json:"error"`
	}{f}, nil)
}
