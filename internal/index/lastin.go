package index

// LastIn returns the version that entered a stage last, after the events so
// far, or nil. That may be a version that a move from this stage to the target
// has moved already. A repeated move must find it again, and not move the next
// version.
func (t *Txn) LastIn(stage, target string) *Entry {
	inStage, inTarget := t.Holder(stage), t.Holder(target)
	if stage != target && inTarget != nil && enteredLater(inTarget, inStage, stage) {
		return inTarget
	}
	return inStage
}

// enteredLater reports whether moved, which has left a stage, entered it after
// inStage, which is still there, or whether inStage is nil. The order of the
// events decides if it can. Otherwise the times in the entries decide, because
// an entry has no event for a stage that its version has left.
func enteredLater(moved, inStage *Entry, stage string) bool {
	at := moved.timeIn(stage)
	switch {
	case at.IsZero():
		return false // it never was in the stage
	case inStage == nil:
		return true
	case inStage.Entered > moved.Entered:
		return false
	case inStage.Entered == moved.Entered && inStage.EnteredAt().Equal(moved.EnteredAt()):
		return stage == Archived // one promotion moved both: moved to production, inStage to archived
	}
	return !at.Before(inStage.EnteredAt())
}
