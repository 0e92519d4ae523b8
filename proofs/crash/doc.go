// Package crash proves that a store survives crashes of the machine and errors
// of the disk. All of it is tests. It knows the folder store's disk, and
// nothing else of how the registry works.
//
// A workload (workload_test.go) makes all kinds of changes on a disk that
// records each operation. internal/crashtest makes of the record every state
// that a power cut can leave. The next reader and the next writer of a state
// are checked against the invariants (invariants_test.go). Mutants leave a sync
// out or swap two steps, and must be found. The same workload is run again with
// an error at each operation. bit_flip_test.go flips bits of the history and of
// the document.
//
// By default samples are tried. To try all:
//
//	go test -timeout 0 ./proofs/crash -crash.all
package crash
