package modelregistry

import (
	"time"
	"unicode/utf8"
)

// moveVersion appends the event of a move that was checked.
func (t *txn) moveVersion(mv move, e *entry, o MoveOptions, results []GateResult) error {
	gates, err := encodeResults(results)
	if err != nil {
		return err
	}
	predecessor, err := t.move(stageMove{op: mv.op, entry: e, to: string(mv.to), actor: o.Actor, reason: o.Reason,
		gates: gates, skippedGates: o.SkipGates && mv.op == opPromote, forced: o.Force && mv.forbids(e)})
	if err != nil {
		return err
	}
	if predecessor != nil {
		t.carry(predecessor, Archived, nil)
	}
	var promotedBy *string
	if mv.op == opPromote || mv.op == opRollback {
		promotedBy = &o.Actor
	}
	t.carry(e, mv.to, promotedBy)
	return nil
}

// carry copies the decoded version of an entry that was moved to its new entry, so
// that readers need not decode it again.
func (t *txn) carry(old *entry, to ModelStage, promotedBy *string) {
	known, _ := old.decoded.Load().(*ModelVersion)
	if known == nil || len(known.Problems) > 0 || promotedBy != nil && !utf8.ValidString(*promotedBy) {
		return
	}
	v := *known
	v.Stage = to
	at := t.now.Truncate(time.Microsecond) // as the entry has it
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
	t.get(old.version).decoded.Store(&v)
}
