package fsstore

import (
	"context"
	"errors"
	"sync"
)

// A group makes the trees of many stagings safe by one sync of their file system. Each file and
// folder of a tree takes a flush of the disk of its own, of which a disk does but two or three times as many when it
// is asked for sixty at once; one sync of the file system takes two, whatever was written. It
// also waits for what other programs wrote. So whoever comes alone, or among few, syncs his own.
type group struct {
	mu      sync.Mutex
	next    *round // gathers while a round is under way
	running bool
	never   error // why there are no more rounds: the system can't do it, or the disk failed
}

// A round is one sync of the file system, and who waits for it.
type round struct {
	done chan struct{}
	err  error
}

// few is how many registrations may be under way for each to sync its own.
const few = 4

// errNotNow says that it is not worth while, or not sure, to sync a whole file system now.
var errNotNow = errors.New("not now")

// sync makes safe what was written, by own or, where many are about, by a round. When a round fails, each syncs its own, so that
// it is told of its own files.
func (g *group) sync(ctx context.Context, d Disk, many bool, own func() error) error {
	g.mu.Lock()
	if g.never != nil || !many && !g.running {
		g.mu.Unlock()
		return own()
	}
	if g.next == nil {
		g.next = &round{done: make(chan struct{})}
	}
	r := g.next
	if !g.running {
		g.running = true
		go g.run(d)
	}
	g.mu.Unlock()
	select {
	case <-r.done:
	case <-ctx.Done():
		return ctx.Err()
	}
	if r.err != nil {
		return own()
	}
	return nil
}

// run makes rounds as long as somebody waits for one. A round that failed is the last: its error may be of files whose
// stagings wait for the next one, or are still being written, and the system tells of it once.
func (g *group) run(d Disk) {
	for {
		g.mu.Lock()
		r := g.next
		g.next = nil
		g.running = r != nil
		never := g.never
		g.mu.Unlock()
		if r == nil {
			return
		}
		if r.err = never; never == nil {
			r.err = d.SyncAll()
		}
		if r.err != nil && (errors.Is(r.err, errors.ErrUnsupported) || !errors.Is(r.err, errNotNow)) {
			g.mu.Lock()
			g.never = r.err
			g.mu.Unlock()
		}
		close(r.done)
	}
}
