// Package index owns the facts about one model: the events of its history, the
// entries of its versions, the state that events add up to, and the merge of an
// external change into that state. It takes bytes and returns states, and does
// no I/O. It does not know stores, how gates are checked, or versions as
// callers see them.
//
// Bytes become a state in log.go and in FromDocument. A change becomes an event
// in a Txn, which numbers it and builds its line. Only a Txn can refuse a
// change. State.Apply applies an event to a state.
package index
