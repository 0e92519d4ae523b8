// Package index owns what is known of one model: the events of its history, the
// entries of its versions, the state that events add up to, and the merge of an
// external change into that state. It takes bytes and returns states, and does
// no I/O. It knows no store, no gate and no version as callers see it.
//
// Bytes become a state in log.go and in FromDocument. A change becomes an event
// in a Txn, which numbers it, builds its line and is the one place where it can
// be refused. State.Apply takes an event into a state.
package index
