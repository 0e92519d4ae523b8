package artifact

import (
	"io/fs"
	"path/filepath"
	"sync"
	"time"
)

// A Progress says how far a long operation on the files of versions has come.
type Progress struct {
	Saved  int64 // bytes that a save function wrote, as far as its files show
	Copied int64 // bytes copied; 0 for files that were saved or moved into place
	Hashed int64 // bytes hashed
	Total  int64 // bytes of the files found so far
}

// progressEvery is how often progress is reported.
const progressEvery = 100 * time.Millisecond

// A Meter adds up progress and reports it to a function, one call at a time. A
// nil meter does nothing.
type Meter struct {
	notify func(Progress)

	mu       sync.Mutex
	now      Progress
	reported time.Time
}

// NewMeter returns a meter that reports to a function, or nil if the function
// is nil.
func NewMeter(notify func(Progress)) *Meter {
	if notify == nil {
		return nil
	}
	return &Meter{notify: notify, reported: time.Now()}
}

func (m *Meter) add(copied, hashed, total int64) {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.now.Copied += copied
	m.now.Hashed += hashed
	m.now.Total += total
	if time.Since(m.reported) >= progressEvery {
		m.report()
	}
}

// watch reports the size of a folder that a save function fills, until stop is
// called. It spends at most a tenth of the time on that.
func (m *Meter) watch(dir string) (stop func()) {
	if m == nil {
		return func() {}
	}
	look := func() {
		size := sizeOf(dir)
		m.mu.Lock()
		defer m.mu.Unlock()
		if size > m.now.Saved {
			m.now.Saved = size
			m.report()
		}
	}
	quit := make(chan struct{})
	var looking sync.WaitGroup
	looking.Go(func() {
		wait := progressEvery
		for {
			select {
			case <-quit:
				return
			case <-time.After(wait):
			}
			start := time.Now()
			look()
			wait = max(progressEvery, 9*time.Since(start))
		}
	})
	return func() {
		close(quit)
		looking.Wait()
		look()
	}
}

// sizeOf adds up the sizes of the files in a folder. It ignores errors.
func sizeOf(dir string) (size int64) {
	_ = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			if info, err := d.Info(); err == nil {
				size += info.Size()
			}
		}
		return nil
	})
	return size
}

// Done reports the final progress.
func (m *Meter) Done() {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.report()
}

func (m *Meter) report() {
	m.reported = time.Now()
	m.notify(m.now)
}
