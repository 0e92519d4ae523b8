// Package turns takes turns with the real Python program on one store, and
// checks after each step that no change of either side is lost. The package
// consists of tests. They need python3 with pip, and install four releases once
// into the user's cache: 0.1.7, 0.3.0, 0.5.0 and 0.8.0, whose registries
// differ. Without them the tests are skipped; with MODELREGISTRY_TEST_ALL=1
// they fail.
//
// # What is promised
//
// After each step of either side:
//
//   - Both list the same versions, with the same stage, times, promoter,
//     metrics, metadata and files. Go gives no number out twice.
//   - A deleted version stays deleted until Go lists it again, and GetVersion
//     says which side deleted it. If Python gives its number to another
//     version, that one is listed, and no purge removes its files. Deletions
//     and holds survive Python's writes. Purge removes the files of deleted
//     versions, and no others.
//   - The history ends with the step, and says who changed which version from
//     which stage to which. No event is empty, except the import of a document
//     without versions.
//   - Aliases, tags and descriptions, which Python neither shows nor keeps, are
//     as Go set them. A registration that is repeated with its key gives the
//     same version, or an error if that was deleted. If Python uses the number
//     of a deleted version again, the aliases of the number are removed.
//   - ProductionAt names the version in production and the time since when.
//   - Verify finds no problem.
//   - A promotion by Go is checked against the gates that either side stored
//     and those passed in the call.
//   - A call fails if and only if it should.
//
// This holds if Go is opened for each step, and if one registry runs
// throughout; if registry.json is up to date, and if it lags. Changes by Python
// in a document that lags are merged field by field. A version's stage, its
// times and its promoter count as one field. If both moved a version, Python's
// move counts, because it came later. There is one exception: it does not count
// if Python only archived the version that it took for the one in production.
//
// Two cases are left out, because no order of turns makes them right. Python
// does not write while a running registry brings the document up to date: the
// store of the running registry waits for Go's turn before it changes anything.
// Python does not choose a number from a document that lags.
//
// If Python writes a document that it read before Go's last changes, which of
// its changes count is not tested. What is said above about deletions, holds
// and files holds all the same (stale_test.go), at most one version is in
// production, and Verify finds no problem.
//
// # How it is tested
//
// A spec (spec_test.go, operations_test.go, keep_test.go) computes the expected
// state. It is written from the documentation of both sides and shares no code
// with the registry. A world (world_test.go, check_test.go) makes steps on a
// store and compares. Scripts of steps are drawn at random, or are all the
// short scripts over a few steps. A script that fails is shortened for as long
// as it fails, and printed. TestKnownScripts accepts it as it is printed.
//
// By default a third of the longest scripts runs, each with one release and one
// way of taking turns. With MODELREGISTRY_TEST_ALL=1 all of them run. To run
// for longer:
//
//	go test -timeout 0 ./proofs/turns -rounds 100 -seed 7   # random scripts
//	go test -timeout 0 ./proofs/turns -share 1              # each short script with all
//	go test -timeout 0 ./proofs/turns -length 4             # longer short scripts
package turns
