package modelregistry

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"os"
	"runtime"
	"sync"
)

// An intake hashes the files that are copied into staging while the copying goes
// on: a large one behind its own copy, from what was staged; a small one as it is written.
type intake struct {
	ctx   context.Context
	dir   string // the version's staging folder
	meter *meter
	slots chan struct{} // as many files at once as there are cores
	wg    sync.WaitGroup

	mu   sync.Mutex
	sums map[string]fileSum // by path in staging; without a digest if it is still to be hashed
	err  error

	sealed *survey      // of the folder when its files began to be hashed
	moved  string       // where the artifact was before it was moved into the folder
	locked []formerMode // of files whose write bits were taken
}

type fileSum struct {
	size   int64
	sha256 string
}

func newIntake(ctx context.Context, dir string, m *meter) *intake {
	return &intake{ctx: ctx, dir: dir, meter: m, slots: make(chan struct{}, runtime.GOMAXPROCS(0)), sums: map[string]fileSum{}}
}

// wait returns when everything that was handed over is hashed.
func (in *intake) wait() error {
	in.wg.Wait()
	return in.err
}

// A trail says how much of a file was copied. A nil trail is of no interest.
type trail struct {
	mu      sync.Mutex
	more    sync.Cond
	written int64
	whole   bool
}

// note keeps what is known of a file.
func (in *intake) note(file string, sum fileSum) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.sums[file] = sum
}

// fail has the registration fail when all is hashed.
func (in *intake) fail(err error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.err = errors.Join(in.err, err)
}

func sumOf(data []byte) fileSum {
	sum := sha256.Sum256(data)
	return fileSum{int64(len(data)), hex.EncodeToString(sum[:])}
}

// follow begins to hash a large file that is about to be copied. The copy calls advance as it goes on, and
// end, always.
func (in *intake) follow(file string, size int64) *trail {
	t := &trail{}
	t.more.L = &t.mu
	if size >= syncStep {
		in.syncBehind(file, t)
	}
	in.slots <- struct{}{}
	in.wg.Go(func() {
		defer func() { <-in.slots }()
		sum, err := in.hash(file, t)
		if err == nil {
			in.note(file, sum)
			return
		}
		in.fail(err)
	})
	return t
}

// followFrom is the size of a file that is worth a goroutine; a smaller one goes through one buffer.
const followFrom = 64 << 10

// syncStep is how much of a large file is copied between two syncs.
const syncStep = 64 << 20

// syncNow is a seam for tests.
var syncNow = (*os.File).Sync

// syncBehind has the disk write a large file while it is copied and hashed. That it is
// safe is for Seal to say, which then has little left to wait for. But what could not be written is told of once, so
// it is not left to Seal.
func (in *intake) syncBehind(file string, t *trail) {
	in.wg.Go(func() {
		at, whole := t.beyond(0)
		f, err := os.OpenFile(file, os.O_WRONLY, 0)
		if err != nil {
			return
		}
		defer f.Close()
		for in.ctx.Err() == nil {
			if err := syncNow(f); err != nil {
				in.fail(err)
				return
			}
			if whole {
				return
			}
			at, whole = t.beyond(at + syncStep - 1)
		}
	})
}

func (t *trail) advance(n int64) {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.written += n
	t.more.Broadcast()
}

func (t *trail) end() {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.whole = true
	t.more.Broadcast()
}

// beyond waits until more than at bytes were copied, or all that there are.
func (t *trail) beyond(at int64) (written int64, whole bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for t.written <= at && !t.whole {
		t.more.Wait()
	}
	return t.written, t.whole
}

func (in *intake) hash(file string, t *trail) (sum fileSum, err error) {
	written, whole := t.beyond(0)
	f, err := os.Open(file)
	if err != nil {
		return sum, err
	}
	defer f.Close()
	h := sha256.New()
	for {
		n, err := hashAll(in.ctx, h, io.NewSectionReader(f, sum.size, written-sum.size), written-sum.size, in.meter)
		if sum.size += n; err != nil {
			return sum, err
		}
		if whole && sum.size == written {
			sum.sha256 = hex.EncodeToString(h.Sum(nil))
			return sum, nil
		}
		if sum.size < written {
			return sum, io.ErrUnexpectedEOF // somebody cuts what is copied
		}
		written, whole = t.beyond(sum.size)
	}
}

// Files are read through buffers that are used again: large ones through buffers that make the fewest reads of
// those that stay in a core's cache.
var (
	smallBuffers = sync.Pool{New: func() any { return new([followFrom]byte) }}
	largeBuffers = sync.Pool{New: func() any { return new([256 << 10]byte) }}
)

// hashAll hashes all that r gives, which is about so many bytes.
func hashAll(ctx context.Context, h hash.Hash, r io.Reader, size int64, m *meter) (total int64, err error) {
	if size < followFrom {
		buf := smallBuffers.Get().(*[followFrom]byte)
		defer smallBuffers.Put(buf)
		return hashThrough(ctx, buf[:], h, r, m)
	}
	buf := largeBuffers.Get().(*[256 << 10]byte)
	defer largeBuffers.Put(buf)
	return hashThrough(ctx, buf[:], h, r, m)
}

func hashThrough(ctx context.Context, buf []byte, h hash.Hash, r io.Reader, m *meter) (total int64, err error) {
	for {
		if err := ctx.Err(); err != nil {
			return total, err
		}
		n, err := r.Read(buf)
		h.Write(buf[:n])
		total += int64(n)
		m.add(0, int64(n), 0)
		if err == io.EOF {
			return total, nil
		}
		if err != nil {
			return total, badArtifact(err)
		}
	}
}
