//go:build !linux

package fsstore

// LockHolder returns no name: other systems have no list of locks that this
// package reads.
func (s *Store) LockHolder(useCase, model string) string { return "" }
