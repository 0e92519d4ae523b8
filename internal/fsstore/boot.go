package fsstore

import "sync"

// boot names the present boot of the system. The name is the same for all
// processes and changes with each boot. It is empty where the boot is not
// known.
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
