package modelregistry

import (
	"time"
	"unicode/utf8"

	"github.com/ubunye-go/modelregistry/internal/index"
)

// moveVersion emits the event of a checked move.
func (t *txn) moveVersion(mv move, e *index.Entry, o MoveOptions, results []GateResult) error {
	gates, err := encodeResults(results)
	if err != nil {
		return err
	}
	predecessor, err := t.Move(index.Move{Op: mv.op, Entry: e, To: string(mv.to), Actor: o.Actor, Reason: o.Reason,
		Gates: gates, SkippedGates: o.SkipGates && mv.op == index.OpPromote, Forced: o.Force && mv.protection(t, e) != nil})
	if err != nil {
		return err
	}
	if predecessor != nil {
		t.carry(predecessor, Archived, nil)
	}
	var promotedBy *string
	if mv.op == index.OpPromote || mv.op == index.OpRollback {
		promotedBy = &o.Actor
	}
	t.carry(e, mv.to, promotedBy)
	return nil
}

// carry copies the decoded version of an entry that was moved to its new entry,
// so that readers need not decode it again.
func (t *txn) carry(old *index.Entry, to ModelStage, promotedBy *string) {
	known, _ := old.Decoded.Load().(*ModelVersion)
	if known == nil || len(known.Problems) > 0 || promotedBy != nil && !utf8.ValidString(*promotedBy) {
		return
	}
	v := *known
	v.Stage = to
	at := t.Now.Truncate(time.Microsecond) // as the entry has it
	switch to {
	case Staging:
		v.PromotedToStaging = at
	case Production:
		v.PromotedToProduction = at
	case Archived:
		v.ArchivedAt = at
	}
	if promotedBy != nil {
		v.PromotedBy = *promotedBy
	}
	t.Get(old.Version).Decoded.Store(&v)
}
