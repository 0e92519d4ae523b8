// Package turns takes turns with the real Python program on one store, and
// checks after each step that nothing of either side is lost. All of it is
// tests. They need python3 with pip, and install four releases once into the
// user's cache: 0.1.7, 0.3.0, 0.5.0 and 0.8.0, whose registries differ. Without
// them the tests are skipped, or fail under MODELREGISTRY_TEST_ALL=1.
//
// # What is promised
//
// After each step of either side:
//
//   - Both list the same versions, with the same stage, times, promoter,
//     metrics, metadata and files. A deleted version stays deleted, and Go
//     gives no number out twice.
//   - The history ends with what just happened, and tells who changed which
//     version from which stage to which. No event is empty, but for the import
//     of a document without versions.
//   - ProductionAt names the version in production and the time since when.
//   - Verify finds no problem.
//   - A promotion by Go meets the gates that either side stored, and those
//     passed.
//   - A call fails if and only if it should.
//
// This holds if Go is opened for each step, and if one registry runs all along;
// if registry.json is in step, and if it lags. What Python changes in a
// document that lags is merged field by field: the stage of a version, its
// times and who promoted it are one field. If both moved a version, Python's
// move counts, for it came later. It does not count if Python only archived
// what it took for the version in production.
//
// Two things are left out, because no order of turns makes them right. Python
// does not write at the moment at which a running registry brings the document
// up to date: the store of the running registry waits for Go's turn before it
// changes anything. Python does not choose a number from a document that lags.
//
// # How it is tested
//
// A spec (spec_test.go, operations_test.go) says what should be. It is written
// from the documentation of both sides and shares nothing with the registry. A
// world (world_test.go, check_test.go) makes steps on a store and compares.
// Scripts of steps are drawn at random, or are all the short ones over a few
// steps. A script that fails is made shorter for as long as it fails, and
// printed; TestKnownScripts takes it as it is printed.
//
// By default each of the longest scripts is tried with one release and one way
// of taking turns. To run for longer:
//
//	go test -timeout 0 ./proofs/turns -rounds 100 -seed 7   # random scripts
//	go test -timeout 0 ./proofs/turns -share 1              # each short script with all
//	go test -timeout 0 ./proofs/turns -length 4             # longer short scripts
package turns
