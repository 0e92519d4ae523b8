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

// SetBoot makes the store use id as the name of the system's boot. Call it
// before the first use. It is for tests, which can't reboot the system.
func (s *Store) SetBoot(id func() string) { s.bootID = id }
