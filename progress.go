package modelregistry

import (
	"sync"
	"time"
)

// A Progress says how far long work on the files of versions has come.
type Progress struct {
	Copied int64 // bytes copied; 0 for files that were saved or moved into place
	Hashed int64 // bytes hashed
	Total  int64 // bytes of the files found so far
}

// progressEvery is how often progress is told.
const progressEvery = 100 * time.Millisecond

// A meter adds up progress and tells it, one call at a time. A nil meter does
// nothing.
type meter struct {
	tell func(Progress)

	mu   sync.Mutex
	now  Progress
	told time.Time
}

func newMeter(tell func(Progress)) *meter {
	if tell == nil {
		return nil
	}
	return &meter{tell: tell, told: time.Now()}
}

func (m *meter) add(copied, hashed, total int64) {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.now.Copied += copied
	m.now.Hashed += hashed
	m.now.Total += total
	if time.Since(m.told) >= progressEvery {
		m.report()
	}
}

// done tells where the work ended.
func (m *meter) done() {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.report()
}

func (m *meter) report() {
	m.told = time.Now()
	m.tell(m.now)
}
