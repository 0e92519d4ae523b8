// Package linearizability checks that registries in one process or in several
// can be used concurrently. Their calls on one model must have the effect of
// calls made one after the other, each at some moment between its start and its
// end (Herlihy and Wing, 1990). Then every read that begins after an
// acknowledged change shows the change, no change is lost, and no two changes
// are decided on the same state.
//
// Workers call a registry at random. They record each call and each return,
// with the time of a clock that all processes of the machine share. porcupine
// searches the record for an order that agrees with a specification of a model
// (spec.go). The specification is written from the documentation, for a single
// caller, and shares no code with the registry.
//
// The package does not know any store: [Stores] says how to open a registry on
// each.
package linearizability
