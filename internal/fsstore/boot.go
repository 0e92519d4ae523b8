package fsstore

import "sync"

// boot names the present boot of the system: it is another one after each, and
// the same for all processes. It is empty where that can't be told.
func (s *Store) boot() string {
	if s.bootID != nil {
		return s.bootID()
	}
	return systemBoot()
}

var systemBoot = sync.OnceValue(readBoot)

// SetBoot has the store take id for the name of the system's boot. It is for
// tests, before the first use: a power cut can't be had without one.
func (s *Store) SetBoot(id func() string) { s.bootID = id }
