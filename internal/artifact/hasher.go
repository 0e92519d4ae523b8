package artifact

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

// A Hasher fills a version's staging folder and hashes the files while they are
// copied there. A large file is read again from its copy, by another goroutine.
// A small file is hashed as it is written.
type Hasher struct {
	ctx   context.Context
	dir   string // the version's staging folder
	meter *Meter
	cores chan struct{} // limits how many files are hashed at once to the number of cores
	wg    sync.WaitGroup

	mu   sync.Mutex
	sums map[string]fileSum // by path in staging; without a digest until the file is hashed
	err  error

	files       string       // see FilesDigest
	sealed      *survey      // of the folder when its files began to be hashed
	moved       string       // where the artifact was before it was moved into the folder
	formerModes []formerMode // of files whose write bits were removed
}

type fileSum struct {
	size   int64
	sha256 string
}

// NewHasher returns a Hasher of a staging folder. The meter may be nil.
func NewHasher(ctx context.Context, dir string, m *Meter) *Hasher {
	return &Hasher{ctx: ctx, dir: dir, meter: m, cores: make(chan struct{}, runtime.GOMAXPROCS(0)), sums: map[string]fileSum{}}
}

// wait returns when all files that were copied are hashed.
func (h *Hasher) wait() error {
	h.wg.Wait()
	return h.err
}

// A trail counts how much of a file was copied, for the goroutine that hashes
// the copy.
type trail struct {
	mu       sync.Mutex
	more     sync.Cond
	written  int64
	complete bool
}

// note records the size and digest of a file.
func (h *Hasher) note(file string, sum fileSum) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.sums[file] = sum
}

// fail makes wait return an error.
func (h *Hasher) fail(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.err = errors.Join(h.err, err)
}

func sumOf(data []byte) fileSum {
	sum := sha256.Sum256(data)
	return fileSum{int64(len(data)), hex.EncodeToString(sum[:])}
}

// hashWhileCopied begins to hash a large file that is about to be copied. While
// it copies, the caller calls advance, and at the end, also after an error, it
// calls end.
func (h *Hasher) hashWhileCopied(file string, size int64) *trail {
	t := &trail{}
	t.more.L = &t.mu
	if size >= syncStep {
		h.syncBehind(file, t)
	}
	h.cores <- struct{}{}
	h.wg.Go(func() {
		defer func() { <-h.cores }()
		sum, err := h.hash(file, t)
		if err == nil {
			h.note(file, sum)
			return
		}
		h.fail(err)
	})
	return t
}

// concurrentFrom is the size of a file that is worth a goroutine. A smaller one
// goes through one buffer.
const concurrentFrom = 64 << 10

// syncStep is how much of a large file is copied between two syncs.
const syncStep = 64 << 20

// SyncNow is a variable so that tests can replace it.
var SyncNow = (*os.File).Sync

// syncBehind syncs a large file while it is copied and hashed, so that Seal,
// which makes the file durable, has little left to wait for. A system reports a
// failed write only once, so an error here fails the registration.
func (h *Hasher) syncBehind(file string, t *trail) {
	h.wg.Go(func() {
		at, complete := t.waitBeyond(0)
		f, err := os.OpenFile(file, os.O_WRONLY, 0)
		if err != nil {
			return
		}
		defer f.Close()
		for h.ctx.Err() == nil {
			if err := SyncNow(f); err != nil {
				h.fail(err)
				return
			}
			if complete {
				return
			}
			at, complete = t.waitBeyond(at + syncStep - 1)
		}
	})
}

func (t *trail) advance(n int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.written += n
	t.more.Broadcast()
}

func (t *trail) end() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.complete = true
	t.more.Broadcast()
}

// waitBeyond waits until more than at bytes were copied, or the whole file.
func (t *trail) waitBeyond(at int64) (written int64, complete bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for t.written <= at && !t.complete {
		t.more.Wait()
	}
	return t.written, t.complete
}

func (h *Hasher) hash(file string, t *trail) (sum fileSum, err error) {
	written, complete := t.waitBeyond(0)
	f, err := os.Open(file)
	if err != nil {
		return sum, err
	}
	defer f.Close()
	digest := sha256.New()
	for {
		n, err := hashAll(h.ctx, digest, io.NewSectionReader(f, sum.size, written-sum.size), written-sum.size, h.meter)
		if sum.size += n; err != nil {
			return sum, err
		}
		if complete && sum.size == written {
			sum.sha256 = hex.EncodeToString(digest.Sum(nil))
			return sum, nil
		}
		if sum.size < written {
			return sum, io.ErrUnexpectedEOF // another program truncated the copy
		}
		written, complete = t.waitBeyond(sum.size)
	}
}

// Files are read through pooled buffers. A buffer for large files fits into a
// core's cache.
var (
	smallBuffers = sync.Pool{New: func() any { return new([concurrentFrom]byte) }}
	largeBuffers = sync.Pool{New: func() any { return new([256 << 10]byte) }}
)

// hashAll hashes everything that a file has, which is about size bytes. A file
// that can't be read is bad.
func hashAll(ctx context.Context, h hash.Hash, r io.Reader, size int64, m *Meter) (total int64, err error) {
	total, err = hashStream(ctx, h, r, size, m)
	if err != nil && err != ctx.Err() {
		err = Bad(err)
	}
	return total, err
}

// hashStream hashes everything that r returns, which is about size bytes.
func hashStream(ctx context.Context, h hash.Hash, r io.Reader, size int64, m *Meter) (total int64, err error) {
	if size < concurrentFrom {
		buf := smallBuffers.Get().(*[concurrentFrom]byte)
		defer smallBuffers.Put(buf)
		return hashThrough(ctx, buf[:], h, r, m)
	}
	buf := largeBuffers.Get().(*[256 << 10]byte)
	defer largeBuffers.Put(buf)
	return hashThrough(ctx, buf[:], h, r, m)
}

func hashThrough(ctx context.Context, buf []byte, h hash.Hash, r io.Reader, m *Meter) (total int64, err error) {
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
			return total, err
		}
	}
}
