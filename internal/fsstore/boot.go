package fsstore

import (
	"sync"
	"time"
)

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

// bootTime returns when the system was started, by its present clock. It is
// zero where that is not known.
func (s *Store) bootTime() time.Time {
	switch {
	case s.bootedAt != nil:
		return s.bootedAt()
	case s.bootID != nil: // of a boot that is not the system's
		return time.Time{}
	}
	return readBootTime()
}

// SetBootTime makes the store use at as the time at which the system was
// started, with a boot of SetBoot. It is for tests.
func (s *Store) SetBootTime(at func() time.Time) { s.bootedAt = at }

// SetBoot makes the store use id as the name of the system's boot. Call it
// before the first use. It is for tests, which can't reboot the system.
func (s *Store) SetBoot(id func() string) { s.bootID = id }
