package index

// extraGates is the member of an extra that holds the gates of its version.
const extraGates = "gates"

// SetGates appends the event that replaces the gates stored with a version. nil
// stores none. Everything else that is kept of the version stays.
func (t *Txn) SetGates(e *Entry, gates []byte, actor, reason string) error {
	return t.Emit(&Event{Op: OpGates, Version: e.Version, Actor: actor, Reason: reason,
		After: []Image{{Version: e.Version, Raw: e.layOut(), Extra: withMember(e.Extra, extraGates, gates), stageRead: e.Stage}}})
}

// SetModelGates appends the event that replaces the gates stored for the model.
func (t *Txn) SetModelGates(gates []byte, actor, reason string) error {
	return t.Emit(&Event{Op: OpGates, Actor: actor, Reason: reason, Model: t.Facts().with(GatesKey, gates).raw})
}

// Facts returns the facts about the model after the events so far.
func (t *Txn) Facts() Facts {
	f := t.Base.Facts
	for _, e := range t.Events {
		if e.Model != nil {
			f = ReadFacts(e.Model)
		}
	}
	return f
}
