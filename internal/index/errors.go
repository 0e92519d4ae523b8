package index

import (
	"fmt"
	"strconv"
	"strings"
)

// A DamageError says where the bytes of a model are damaged.
type DamageError struct {
	Document bool  // the damage is in the document; otherwise in the log
	Offset   int64 // bytes before the damage
	Err      error
}

func (e *DamageError) Error() string {
	where := "the log"
	if e.Document {
		where = "the document"
	}
	return fmt.Sprintf("%s is damaged at byte %d: %v", where, e.Offset, e.Err)
}

func (e *DamageError) Unwrap() error { return e.Err }

// A NeedsError says that a model needs something that this release does not
// know, so that it may only be read.
type NeedsError struct{ Needs []string }

func (e *NeedsError) Error() string {
	quoted := make([]string, len(e.Needs))
	for i, need := range e.Needs {
		quoted[i] = strconv.Quote(need)
	}
	return "the model needs " + strings.Join(quoted, " and ")
}

// A TakenError says that a version's number can't be given out.
type TakenError struct {
	Alike string // another version that differs in case only; empty if this one was given out
}

func (e *TakenError) Error() string {
	if e.Alike != "" {
		return e.Alike + " differs in case only, which some file systems can't tell apart"
	}
	return "version already registered"
}

// An ExhaustedError says that no next number follows the highest version.
type ExhaustedError struct{ Highest string }

func (e *ExhaustedError) Error() string {
	return "the patch number of " + e.Highest + " can't grow; give a version"
}
