package index

import (
	"crypto/rand"
	"encoding/hex"
	"strconv"
	"time"

	"github.com/ubunye-go/modelregistry/internal/format"
	"github.com/ubunye-go/modelregistry/internal/pyjson"
)

// Operations, as events name them.
const (
	OpRegister = "register"
	OpPromote  = "promote"
	OpDemote   = "demote"
	OpRollback = "rollback"
	OpArchive  = "archive"
	OpImport   = "import"   // takes in a document without a history
	OpForeign  = "foreign"  // records an external change
	OpRepair   = "repair"   // records a repair
	OpGates    = "gates"    // replaces stored gates, of a version or of the model
	OpAlias    = "alias"    // makes aliases name versions
	OpDelete   = "delete"   // removes entries; the files stay
	OpUndelete = "undelete" // lists a deleted version again
	OpPurge    = "purge"    // gives up the files of deleted versions
	OpHold     = "hold"     // forbids the deletion of a version
	OpUnhold   = "unhold"
	OpAnnotate = "annotate" // changes tags or a description, of a version or of the model
)

// An Event is one line of a model's history. It carries the whole entry of each
// version that it changes. Applying it sets these entries, so that applying it
// twice does no harm.
type Event struct {
	Number       int64
	ID           string // 128 random bits, hex
	Time         time.Time
	Op           string
	Version      string
	From, To     string // stages
	Actor        string
	Reason       string
	Refused      bool
	Gates        []byte // the result of each gate: a list; nil if no gate was checked
	SkippedGates bool
	Forced       bool
	After        []Image
	Removed      []string // versions whose entries were removed
	Model        []byte   // the facts about the model after the event: an object; nil if they did not change
	Aliases      []AliasChange
	Note         *AnnotationChange
	Deleted      []byte        // who deleted them and when, by version: an object; nil for nothing
	NewDeletions []newDeletion // deletions that are not in Deleted yet
	Reused       []string      // versions in After whose numbers were given out before
	Doubts       []Doubt       // undecided questions about an external change
	Document     string        // SHA-256 of the document with the external change, hex
	Reset        bool          // the model has no entries but those in After
	Unnoted      bool          // its writer does not note the documents that it puts in place
	Prev         string        // SHA-256 of the line before, hex
	Hash         string        // SHA-256 of its own line, hex, once there is a line
}

// An Image is one version's entry after an event.
type Image struct {
	Version string
	Raw     []byte // the entry, in the layout of the document or compact
	Extra   []byte // see Entry

	compact   bool   // Raw is compact, as in an event
	stageRead string // the stage in Raw; empty if it was not read
	entry     *Entry // the entry that the Txn made of it
}

// Stage returns the entry's stage, or "" if the entry is not an object.
func (im *Image) Stage() string {
	if im.stageRead != "" {
		return im.stageRead
	}
	return stageOf(im.Raw)
}

// Skips reports whether the event's number may leave out numbers: it resets the
// model, or says that lines were lost.
func (e *Event) Skips() bool { return e.Reset || e.Op == OpRepair }

// restates reports whether the event repeats everything about the model.
func (e *Event) restates() bool { return e.Reset || e.Op == OpImport || e.Op == OpRepair }

// newID returns the identifier of a new event.
func newID() string {
	var b [16]byte
	rand.Read(b[:])
	var text [2 * len(b)]byte
	hex.Encode(text[:], b[:])
	return string(text[:])
}

// Encode returns the event as a line without its end.
func (e *Event) Encode() ([]byte, error) {
	room := 512 + len(e.Reason) + len(e.Gates) + len(e.Model)
	for _, im := range e.After {
		room += len(im.Raw) + len(im.Extra) + 2*len(im.Version)
	}
	b := strconv.AppendInt(append(make([]byte, 0, room), `{"event":`...), e.Number, 10)
	text := func(key, value string) {
		if value != "" {
			b = pyjson.AppendString(append(b, key...), value)
		}
	}
	flag := func(key string, on bool) {
		if on {
			b = append(append(b, key...), "true"...)
		}
	}
	text(`,"id":`, e.ID)
	text(`,"time":`, FormatTime(e.Time))
	text(`,"op":`, e.Op)
	text(`,"version":`, e.Version)
	text(`,"from":`, e.From)
	text(`,"to":`, e.To)
	text(`,"actor":`, e.Actor)
	text(`,"reason":`, e.Reason)
	flag(`,"refused":`, e.Refused)
	flag(`,"skipped_gates":`, e.SkippedGates)
	flag(`,"forced":`, e.Forced)
	if e.Gates != nil {
		b = pyjson.Compact(append(b, `,"gates":`...), e.Gates)
	}
	flag(`,"reset":`, e.Reset)
	for _, list := range []struct {
		key      string
		versions []string
	}{{`,"removed":`, e.Removed}, {`,"reused":`, e.Reused}} {
		if len(list.versions) > 0 {
			raw, err := pyjson.Marshal(list.versions, true)
			if err != nil {
				return nil, err
			}
			b = append(append(b, list.key...), raw...)
		}
	}
	if e.Deleted != nil {
		b = pyjson.Compact(append(b, `,"deleted":`...), e.Deleted)
	}
	if len(e.After) > 0 {
		key := `,"after":{`
		for _, im := range e.After {
			b = append(pyjson.AppendString(append(b, key...), im.Version), ':')
			b = pyjson.Compact(b, im.Raw)
			key = ","
		}
		key = `},"extra":{`
		for _, im := range e.After {
			b = append(pyjson.AppendString(append(b, key...), im.Version), ':')
			if len(im.Extra) == 0 {
				b = append(b, "{}"...)
			}
			b = append(b, im.Extra...)
			key = ","
		}
		b = append(b, '}')
	}
	if e.Model != nil {
		b = pyjson.Compact(append(b, `,"`+format.Model+`":`...), e.Model)
	}
	b = appendAnnotation(appendAliases(b, e.Aliases), e.Note)
	b = appendDoubts(b, e.Doubts)
	text(`,"document":`, e.Document)
	return Seal(pyjson.AppendString(append(b, `,"prev":`...), e.Prev)), nil
}
