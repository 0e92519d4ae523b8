package index

import "github.com/ubunye-go/modelregistry/internal/pyjson"

// extraGates is the member of an extra that holds the gates of its version.
const extraGates = "gates"

// SetGates appends the event that replaces the gates stored with a version. nil
// stores none. Everything else that is kept of the version stays.
func (t *Txn) SetGates(e *Entry, gates []byte, actor, reason string) error {
	extra, err := withExtraGates(e.Extra, gates)
	if err != nil {
		return err
	}
	return t.Emit(&Event{Op: OpGates, Version: e.Version, Actor: actor, Reason: reason,
		After: []Image{{Version: e.Version, Raw: e.layOut(), Extra: extra, stageRead: e.Stage}}})
}

// withExtraGates returns an extra with other gates as its last member.
func withExtraGates(extra, gates []byte) ([]byte, error) {
	var members []pyjson.Member
	if len(extra) > 0 {
		old, err := pyjson.Object(extra)
		if err != nil {
			return nil, err
		}
		for _, m := range old {
			if m.Key != extraGates {
				members = append(members, m)
			}
		}
	}
	if gates != nil {
		members = append(members, pyjson.Member{Key: extraGates, Value: gates})
	}
	if members == nil {
		return nil, nil
	}
	return appendObject(nil, members), nil
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
