package document

import (
	"bytes"
	"errors"
	"hash/crc32"
	"runtime"
	"sync"
	"unicode/utf8"

	"github.com/ubunye-go/modelregistry/internal/pyjson"
)

// ahead scans a large document ahead of the scan, in parts, on several cores. A
// part is scanned on a guess: that at its first quote a key of an object of
// versions starts. Who scans the document from its start on learns which
// guesses are right: when it comes to just that key in such an object, it takes
// over what was found from there on, which is what it would find itself, and
// goes on behind that. Of wrong guesses it learns nothing, and faults it finds
// itself. So what comes out does not depend on where the parts start.
type ahead struct {
	data    []byte
	helpers sync.WaitGroup
	next    int // the first part that the scan may still come to; its alone

	mu     sync.Mutex
	parts  []part
	taken  int           // so many parts are scanned or being scanned
	faulty bool          // one of them is not UTF-8
	unused [][]entrySpan // lists of parts that were taken over
	crc    uint32        // of what stands before summed
	summed int
}

// A part of a document goes from one quote to another.
type part struct {
	start, end int
	done       bool
	members    []entrySpan // the first from start on whose keys start in the part, one behind the other
}

const (
	partSize   = 16 << 10
	worthwhile = 192 << 10 // below, a core wakes up too late to be of much use
	maxCores   = 4
	maxMembers = partSize / 32 // of a part, for what is known of one takes 48 bytes
)

// helpers returns how many goroutines shall scan a document of this size ahead.
func helpers(size int) int {
	if size < worthwhile {
		return 0
	}
	return min(runtime.GOMAXPROCS(0), maxCores) - 1
}

// quotes returns where the parts of a document start: in our layout and
// Python's, at a version. No string holds a newline.
func quotes(data []byte) []int {
	list := make([]int, 0, len(data)/partSize+1)
	for at := 0; at < len(data); at += partSize {
		here := data[at:min(at+partSize, len(data))]
		for _, indent := range []string{"\n    \"", "\n      \""} { // of entries, and of what we keep of them
			if i := bytes.Index(here, []byte(indent)); i >= 0 {
				list = append(list, at+i+len(indent)-1)
				break
			}
		}
	}
	return list
}

// scanAhead begins to scan a document ahead, in parts that start at these of
// its quotes; its end must be called.
func scanAhead(data []byte, helpers int, starts func(data []byte) []int) *ahead {
	a := &ahead{data: data}
	a.mu.Lock() // to wake up takes the helpers longer than this
	defer a.mu.Unlock()
	for i := range helpers {
		a.helpers.Go(func() {
			if i == 0 {
				a.sum()
			}
			for a.scanPart() {
			}
		})
	}
	for i, start := range starts(data) {
		if i > 0 {
			a.parts[i-1].end = start
		}
		a.parts = append(a.parts, part{start: start, end: len(data)})
	}
	return a
}

// end ends it, and reports whether the document is UTF-8.
func (a *ahead) end() (valid bool) {
	a.mu.Lock()
	all := len(a.parts) > 0 && a.taken == len(a.parts)
	a.taken = len(a.parts)
	a.mu.Unlock()
	a.helpers.Wait()
	if !all {
		return utf8.Valid(a.data)
	}
	return !a.faulty
}

// scanPart scans the next part; it reports false if there is none.
func (a *ahead) scanPart() bool {
	p, members := a.take()
	if p == nil {
		return false
	}
	from := p.start
	if p == &a.parts[0] {
		from = 0
	}
	valid := utf8.Valid(a.data[from:p.end]) // parts meet at quotes, so if all are, the whole is
	members = appendMembers(members, a.data, p.start, p.end)
	a.mu.Lock()
	defer a.mu.Unlock()
	p.members, p.done = members, true
	a.faulty = a.faulty || !valid
	return true
}

// take returns the next part and a list for it.
func (a *ahead) take() (p *part, list []entrySpan) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.taken == len(a.parts) {
		return nil, nil
	}
	p = &a.parts[a.taken]
	a.taken++
	if last := len(a.unused) - 1; last >= 0 {
		list, a.unused = a.unused[last], a.unused[:last]
	}
	return p, list
}

// errEnough ends the scan of a part.
var errEnough = errors.New("what follows is not of this part")

// appendMembers adds the members whose keys start before end, from the key at
// start on, up to a fault if there is one, and no more than maxMembers. What is
// around them is not known, so they are taken to be as deep as any.
func appendMembers(list []entrySpan, data []byte, start, end int) []entrySpan {
	pyjson.MembersFrom(data, start, func(key, keyEnd, at int) (int, error) {
		if key >= end || len(list) == maxMembers {
			return key, errEnough
		}
		m, err := member(data, key, keyEnd, at, 3)
		if err == nil {
			list = append(list, m)
		}
		return m.end, err
	})
	return list
}

// from returns what was found from a key on, if a part starts there. While
// others are at it, it helps with what is behind.
func (a *ahead) from(key int) []entrySpan {
	for a.next < len(a.parts) && a.parts[a.next].start < key {
		a.next++
	}
	if a.next == len(a.parts) || a.parts[a.next].start > key {
		return nil
	}
	p := &a.parts[a.next]
	for !a.done(p) {
		if !a.scanPart() {
			a.helpers.Wait()
		}
	}
	return p.members
}

func (a *ahead) done(p *part) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return p.done
}

// reuse takes back a list.
func (a *ahead) reuse(list []entrySpan) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.unused = append(a.unused, list[:0])
}

// sum sums up nearly all of the document.
func (a *ahead) sum() {
	a.mu.Lock()
	n := 0
	if len(a.parts) > 0 {
		n = a.parts[len(a.parts)-1].start
	}
	a.mu.Unlock()
	crc := crc32.Checksum(a.data[:n], castagnoli)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.crc, a.summed = crc, n
}

// checksum returns the checksum of what stands before an offset.
func (a *ahead) checksum(end int) string {
	a.mu.Lock()
	crc, n := a.crc, a.summed
	a.mu.Unlock()
	if n > end {
		crc, n = 0, 0
	}
	return checksumFrom(crc, a.data[n:end])
}
