package modelregistry

import (
	"fmt"
	"strconv"
	"strings"
)

// A damageError says where the bytes of a model can't be what they should be.
type damageError struct {
	document bool  // it is in the document, else in the log
	offset   int64 // bytes before the damage
	err      error
}

func (e *damageError) Error() string {
	where := "the log"
	if e.document {
		where = "the document"
	}
	return fmt.Sprintf("%s is damaged at byte %d: %v", where, e.offset, e.err)
}

func (e *damageError) Unwrap() error { return e.err }

// A needsError says that a model needs what this release does not know, so that
// it may only be read.
type needsError struct{ needs []string }

func (e *needsError) Error() string {
	quoted := make([]string, len(e.needs))
	for i, need := range e.needs {
		quoted[i] = strconv.Quote(need)
	}
	return "the model needs " + strings.Join(quoted, " and ")
}

// A takenError says that a version's number can't be given out.
type takenError struct {
	alike string // another version that differs in case only; empty if this one was given out
}

func (e *takenError) Error() string {
	if e.alike != "" {
		return e.alike + " differs in case only, which some file systems can't tell apart"
	}
	return "version already registered"
}

// An exhaustedError says that no next number follows the highest version.
type exhaustedError struct{ highest string }

func (e *exhaustedError) Error() string {
	return "the patch number of " + e.highest + " can't grow; give a version"
}
