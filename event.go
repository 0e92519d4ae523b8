package modelregistry

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ubunye-go/modelregistry/internal/gate"
	"github.com/ubunye-go/modelregistry/internal/index"
	"github.com/ubunye-go/modelregistry/internal/timeline"
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
	OpForeign  Operation = index.OpForeign  // another program or an editor changed registry.json
	OpImport   Operation = index.OpImport   // a history began from a registry.json, because there was none or it was lost
	OpRepair   Operation = index.OpRepair   // Repair changed the model; Reason says how
	OpGates    Operation = index.OpGates    // SetGates or SetModelGates replaced stored gates
	OpAlias    Operation = index.OpAlias    // SetAliases made aliases name other versions
	OpDelete   Operation = index.OpDelete   // Delete, DeleteModel or Retain deleted versions; see Changes
	OpUndelete Operation = index.OpUndelete // Undelete listed a version again
	OpPurge    Operation = index.OpPurge    // Purge gave up the files of deleted versions
	OpHold     Operation = index.OpHold     // Hold forbade the deletion of a version
	OpUnhold   Operation = index.OpUnhold   // Unhold ended that
	OpAnnotate Operation = index.OpAnnotate // Annotate or AnnotateModel changed a note
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
	// gates or a note changed, and all three are if aliases did.
	Version  string
	From, To ModelStage

	Actor  string // the person or program that made the change; empty if not given
	Reason string // the reason for the change; empty if not given

	Refused      bool         // gates refused the promotion: nothing changed
	SkippedGates bool         // MoveOptions.SkipGates was set
	Forced       bool         // Force was set, and needed: see MoveOptions and KeepOptions
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
	// Aliases lists the aliases that the event changed, sorted: by SetAliases,
	// or because another program used the number of a deleted version again.
	Aliases []AliasChange
	// Note is what Annotate changed in the note of Version, or AnnotateModel in
	// that of the model. It is nil for any other event.
	Note *Note
	// Purged lists the versions whose files Purge gave up.
	Purged []string
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
	// MissedGates has the results of the stored gates that would have refused
	// the version, if another program promoted it and did not force that. Other
	// programs know only some gates. A gate that compares is evaluated if the
	// event archived the version before.
	MissedGates []GateResult `json:"missed_gates,omitempty"`
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

// An AliasChange says how an event changed an alias.
type AliasChange struct {
	Alias string `json:"alias"`
	From  string `json:"from,omitempty"` // the version that it named before; empty if it was not set
	To    string `json:"to,omitempty"`   // empty if the event removed it
}

// publicEvent returns an event as callers see it.
func publicEvent(name ModelName, e *timeline.Event) Event {
	p := Event{
		Name: name, Number: e.Number, ID: e.ID, Time: e.Time, Op: Operation(e.Op),
		Version: e.Version, From: ModelStage(e.From), To: ModelStage(e.To), Actor: e.Actor, Reason: e.Reason,
		Refused: e.Refused, SkippedGates: e.SkippedGates, Forced: e.Forced, Gates: publicResults(gate.DecodeResults(e.Gates)),
		VersionGates: setVersionGates(e), ModelGates: setModelGates(e), Doubts: publicDoubts(e.Doubts),
	}
	p.Purged = e.Event.Purged()
	for _, c := range e.Aliases {
		p.Aliases = append(p.Aliases, AliasChange(c))
	}
	if after, ok := e.AnnotationAfter(); ok {
		p.Note = &Note{Set: e.Note.Set, Remove: e.Note.Removed}
		if e.Note.Description {
			p.Note.Description = &after.Description
		}
	}
	for _, c := range e.Changes {
		change := Change{Version: c.Version, From: ModelStage(c.From), To: ModelStage(c.To), Reused: c.Reused, Beside: c.Beside}
		if c.After != nil && (e.Op == index.OpForeign || e.Op == index.OpImport) {
			if skipped, forced := forcedChange(e, c); forced {
				change.Forced, change.SkippedGates = true, skipped
			} else if e.Op == index.OpForeign {
				change.MissedGates = missedGates(e, c)
			}
		}
		p.Changes = append(p.Changes, change)
	}
	return p
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
	for _, c := range e.Aliases {
		b.WriteString("; " + c.String())
	}
	return b.String()
}

// Touches reports whether the event is about the version, changed its entry,
// gave it an alias or took one from it, or gave up its files.
func (e *Event) Touches(version string) bool {
	return e.Version == version || slices.ContainsFunc(e.Changes, func(c Change) bool { return c.Version == version }) ||
		slices.ContainsFunc(e.Aliases, func(c AliasChange) bool { return c.From == version || c.To == version }) ||
		slices.Contains(e.Purged, version)
}

// String returns the change as "champion from 1.3.0 to 1.4.0".
func (c AliasChange) String() string {
	text := c.Alias
	if c.From != "" {
		text += " from " + c.From
	}
	if c.To == "" {
		return text + " removed"
	}
	return text + " to " + c.To
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
		Aliases      []AliasChange  `json:"aliases,omitempty"`
		Note         *Note          `json:"note,omitempty"`
		Purged       []string       `json:"purged,omitempty"`
		Doubts       []Doubt        `json:"doubts,omitempty"`
		Unrecorded   bool           `json:"unrecorded,omitempty"`
	}{e.Name.UseCase, e.Name.Model, e.Number, e.ID, index.FormatTime(e.Time), e.Op, e.Version, e.From, e.To, e.Actor, e.Reason,
		e.Refused, e.SkippedGates, e.Forced, e.Gates, e.Changes, e.VersionGates, e.ModelGates, e.Aliases, e.Note, e.Purged, e.Doubts, e.Unrecorded()})
}
