package modelregistry

import (
	"encoding/json"
	"slices"
	"time"

	"github.com/ubunye-go/modelregistry/internal/index"
)

// An Operation is the kind of an event in a model's history.
type Operation string

// The operations.
const (
	OpRegister Operation = index.OpRegister
	OpPromote  Operation = index.OpPromote
	OpDemote   Operation = index.OpDemote
	OpRollback Operation = index.OpRollback
	OpArchive  Operation = index.OpArchive
	OpForeign  Operation = index.OpForeign // another program or an editor changed registry.json
	OpImport   Operation = index.OpImport  // a store that had no history, or had lost it, was taken over
	OpRepair   Operation = index.OpRepair  // Repair found the history damaged, and says what it made of it
)

// An Event is one change of a model, or a promotion that gates refused.
type Event struct {
	Name ModelName

	// Number orders the events of a model. Numbers start at 1 and go up by one;
	// an import or a repair may leave numbers out. It is 0 for an external
	// change that is not recorded yet: see Unrecorded.
	Number int64
	ID     string    // 128 random bits, hex
	Time   time.Time // by the clock of who wrote it, UTC, in microseconds
	Op     Operation

	// Version is the version that the event is about, and From and To are its
	// stages. They are empty for an external change, an import and a repair,
	// which Changes describes.
	Version  string
	From, To ModelStage

	Actor  string // who did it; empty if not given
	Reason string // why; empty if not given

	Refused      bool         // gates held the promotion back: nothing changed
	SkippedGates bool         // the promotion was told to look at no gate
	Forced       bool         // Force let a rollback restore a version that never was in production
	Gates        []GateResult // what each gate found, in order

	// Changes has every version whose entry the event added, changed or
	// removed, the predecessor of a promotion too.
	Changes []Change

	// ModelGates are the model's gates after the event, if it changed them,
	// else nil.
	ModelGates *PromotionGate
	// Doubts has what could not be decided about an external change, and how
	// the registry resolved it. Verify reports each until the version is
	// changed again.
	Doubts []Doubt
}

// A Change describes how an event changed one version.
type Change struct {
	Version string     `json:"version"`
	From    ModelStage `json:"from,omitempty"` // empty if it was not there before
	To      ModelStage `json:"to,omitempty"`   // empty if it was removed; equal to From if something else in its entry changed

	// Forced reports whether the entry says that another program promoted the
	// version without asking its gates. SkippedGates has the results that these
	// gates give.
	Forced       bool         `json:"forced,omitempty"`
	SkippedGates []GateResult `json:"skipped_gates,omitempty"`
	// Reused reports whether another version had the number before. Another
	// program counts from the listed versions, so it can give the number of a
	// deleted version again.
	Reused bool `json:"reused,omitempty"`
}

// Unrecorded reports whether the event is an external change since the last
// event. The next change records it and gives it a number. Until then, Time is
// when it was read.
func (e *Event) Unrecorded() bool { return e.Number == 0 }

// Touches reports whether the event is about a version, or changed its entry.
func (e *Event) Touches(version string) bool {
	return e.Version == version || slices.ContainsFunc(e.Changes, func(c Change) bool { return c.Version == version })
}

// MarshalJSON returns the event under the names that history.jsonl uses.
func (e Event) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		UseCase      string         `json:"use_case"`
		Model        string         `json:"model_name"`
		Number       int64          `json:"event"`
		ID           string         `json:"id,omitempty"`
		Time         string         `json:"time"`
		Op           Operation      `json:"op"`
		Version      string         `json:"version,omitempty"`
		From         ModelStage     `json:"from,omitempty"`
		To           ModelStage     `json:"to,omitempty"`
		Actor        string         `json:"actor,omitempty"`
		Reason       string         `json:"reason,omitempty"`
		Refused      bool           `json:"refused,omitempty"`
		SkippedGates bool           `json:"skipped_gates,omitempty"`
		Forced       bool           `json:"forced,omitempty"`
		Gates        []GateResult   `json:"gates,omitempty"`
		Changes      []Change       `json:"changes,omitempty"`
		ModelGates   *PromotionGate `json:"model_gates,omitempty"`
		Doubts       []Doubt        `json:"doubts,omitempty"`
		Unrecorded   bool           `json:"unrecorded,omitempty"`
	}{e.Name.UseCase, e.Name.Model, e.Number, e.ID, index.FormatTime(e.Time), e.Op, e.Version, e.From, e.To, e.Actor, e.Reason,
		e.Refused, e.SkippedGates, e.Forced, e.Gates, e.Changes, e.ModelGates, e.Doubts, e.Unrecorded()})
}
