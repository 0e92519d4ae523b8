package modelregistry

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
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
	OpImport   Operation = index.OpImport  // a history began from a registry.json, because there was none or it was lost
	OpRepair   Operation = index.OpRepair  // Repair changed the model; Reason says how
	OpGates    Operation = index.OpGates   // SetGates or SetModelGates replaced stored gates
)

// An Event is one change of a model, or one promotion that gates refused.
type Event struct {
	Name ModelName

	// Number orders the events of a model. Numbers start at 1 and increase by
	// one; an import or a repair may skip numbers. Number is 0 for an external
	// change that is not recorded yet: see Unrecorded.
	Number int64
	ID     string    // 128 random bits, hex
	Time   time.Time // by the writer's clock; UTC, in microseconds
	Op     Operation

	// Version is the version that the event is about. From and To are its
	// stages before and after. All three are empty for an external change, an
	// import and a repair: Changes describes those. From and To are empty if
	// gates were set.
	Version  string
	From, To ModelStage

	Actor  string // the person or program that made the change; empty if not given
	Reason string // the reason for the change; empty if not given

	Refused      bool         // gates refused the promotion: nothing changed
	SkippedGates bool         // MoveOptions.SkipGates was set
	Forced       bool         // a rollback restored a version that never was in production
	Gates        []GateResult // the result of each gate, in order

	// Changes lists every version whose entry the event added, changed or
	// removed. For a promotion that includes the version that left production.
	Changes []Change

	// VersionGates are the gates stored with Version after the event. It is nil
	// unless SetGates made the event.
	VersionGates *PromotionGate
	// ModelGates are the gates of the model after the event. It is nil if the
	// event did not change them.
	ModelGates *PromotionGate
	// Doubts lists what could not be decided about an external change, and how
	// the registry resolved it. Verify reports each doubt until its version
	// changes again.
	Doubts []Doubt
}

// A Change describes how an event changed one version.
type Change struct {
	Version string     `json:"version"`
	From    ModelStage `json:"from,omitempty"` // empty if the event added the version
	To      ModelStage `json:"to,omitempty"`   // empty if the event removed it; equal to From if only other fields changed

	// Forced is true if another program promoted the version although gates
	// failed, and its entry says so. SkippedGates then has the results of these
	// gates for the version.
	Forced       bool         `json:"forced,omitempty"`
	SkippedGates []GateResult `json:"skipped_gates,omitempty"`
	// Reused is true if an earlier version had the same number. Another program
	// chooses numbers from the listed versions only, so it can use the number
	// of a deleted version again.
	Reused bool `json:"reused,omitempty"`
	// Beside lists the other versions that are stored as in production after
	// the event, if To is Production. Only another program or an editor leaves
	// several. Readers see the one that was promoted last in production, and
	// the others as archived. The next change archives them.
	Beside []string `json:"beside,omitempty"`
}

// Unrecorded reports whether the event is an external change that the history
// does not have yet. The next change of the model records it with a number.
// Until then, Time is the time of the read.
func (e *Event) Unrecorded() bool { return e.Number == 0 }

// String returns the event on one line, such as "fraud/Model event 5: promote
// 1.3.0 from staging to production by alice: approved".
func (e Event) String() string {
	var b strings.Builder
	if b.WriteString(e.Name.String()); e.Unrecorded() {
		b.WriteString(" event not recorded yet")
	} else {
		fmt.Fprintf(&b, " event %d", e.Number)
	}
	fmt.Fprintf(&b, ": %s", e.Op)
	for _, part := range []struct{ before, text string }{
		{" ", e.Version}, {" from ", string(e.From)}, {" to ", string(e.To)}, {" by ", e.Actor}, {": ", e.Reason},
	} {
		if part.text != "" {
			b.WriteString(part.before + part.text)
		}
	}
	if e.Refused {
		b.WriteString("; refused")
	}
	return b.String()
}

// Touches reports whether the event is about the version or changed its entry.
func (e *Event) Touches(version string) bool {
	return e.Version == version || slices.ContainsFunc(e.Changes, func(c Change) bool { return c.Version == version })
}

// MarshalJSON returns the event with the member names of history.jsonl.
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
		VersionGates *PromotionGate `json:"version_gates,omitempty"`
		ModelGates   *PromotionGate `json:"model_gates,omitempty"`
		Doubts       []Doubt        `json:"doubts,omitempty"`
		Unrecorded   bool           `json:"unrecorded,omitempty"`
	}{e.Name.UseCase, e.Name.Model, e.Number, e.ID, index.FormatTime(e.Time), e.Op, e.Version, e.From, e.To, e.Actor, e.Reason,
		e.Refused, e.SkippedGates, e.Forced, e.Gates, e.Changes, e.VersionGates, e.ModelGates, e.Doubts, e.Unrecorded()})
}
