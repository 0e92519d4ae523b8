// Package linearizability checks that concurrent calls of registries on one
// model, in one process or many, have the effect of calls that came one after the other,
// each at some moment between its start and its end (Herlihy and Wing, 1990): a
// change that was acknowledged shows in every read that begins later, no change is lost,
// and no two decide on the same state.
//
// Workers call a registry at random and record each call and return with the time
// of a clock that the processes of a machine have in common. The record is searched for such an
// order by porcupine, against a specification of a model (spec.go) that is written from the documentation, for
// one caller, and shares nothing with the registry.
//
// It knows nothing of stores: [Stores] says how to open a registry on each.
package linearizability
