// Package processes proves that processes share a store: that they register and
// promote at the same time, are killed at any moment, stopped, run as other
// users, or find the disk full or read-only. The package consists of tests. It
// knows the registry's API and the files of a store.
//
// A test starts its own program again for each process. TestChild then runs the
// process's task (child_test.go). What processes leave is checked by
// internal/ledger, which shares no code with the registry.
//
// To kill processes for longer:
//
//	go test -timeout 0 ./proofs/processes -run Killed -kill.rounds 1000
package processes
