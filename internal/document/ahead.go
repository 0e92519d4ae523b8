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

// ahead scans a large document in parts, on several cores, ahead of the parser.
// Each part is scanned on a guess: that its first quote starts a key of an
// object of versions. The parser goes through the document from its start and
// finds out which guesses are right. When it comes to exactly that key in such
// an object, it uses the members that were found from there on, which are those
// that it would find itself, and goes on after them. It ignores wrong guesses,
// and finds faults itself. So the result does not depend on where the parts
// start.
type ahead struct {
	data    []byte
	helpers sync.WaitGroup
	next    int // the first part that the parser may still come to; only the parser uses it

	mu     sync.Mutex
	parts  []part
	taken  int           // how many parts are scanned or being scanned
	faulty bool          // a part is not UTF-8
	unused [][]entrySpan // lists that the parser has used, for other parts
	crc    uint32        // of the bytes before summed
	summed int
}

// A part of a document goes from one quote to another.
type part struct {
	start, end int
	done       bool
	members    []entrySpan // those whose keys start in the part, in order, from start on
}

const (
	partSize   = 16 << 10
	worthwhile = 192 << 10 // a smaller document is parsed before another core wakes up
	maxCores   = 4
	maxMembers = partSize / 32 // of a part; each takes 48 bytes
)

// helpers returns how many goroutines scan a document of this size ahead.
func helpers(size int) int {
	if size < worthwhile {
		return 0
	}
	return min(runtime.GOMAXPROCS(0), maxCores) - 1
}

// quotes returns where the parts of a document start: at a quote that starts a
// version in our layout and in Python's. No string contains a newline, so the
// newline before that quote is not in a string.
func quotes(data []byte) []int {
	list := make([]int, 0, len(data)/partSize+1)
	for at := 0; at < len(data); at += partSize {
		here := data[at:min(at+partSize, len(data))]
		for _, indent := range []string{"\n    \"", "\n      \""} { // of entries, and of their members in our key
			if i := bytes.Index(here, []byte(indent)); i >= 0 {
				list = append(list, at+i+len(indent)-1)
				break
			}
		}
	}
	return list
}

// scanAhead begins to scan a document ahead, in parts that start at the quotes
// that starts returns. The caller must call end.
func scanAhead(data []byte, helpers int, starts func(data []byte) []int) *ahead {
	a := &ahead{data: data}
	a.mu.Lock() // the helpers take longer to wake up than this
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

// end ends the scan, and reports whether the document is UTF-8.
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

// scanPart scans the next part. It reports false if there is none.
func (a *ahead) scanPart() bool {
	p, members := a.take()
	if p == nil {
		return false
	}
	from := p.start
	if p == &a.parts[0] {
		from = 0
	}
	valid := utf8.Valid(a.data[from:p.end]) // parts meet at quotes, so the document is UTF-8 if all parts are
	members = appendMembers(members, a.data, p.start, p.end)
	a.mu.Lock()
	defer a.mu.Unlock()
	p.members, p.done = members, true
	a.faulty = a.faulty || !valid
	return true
}

// take returns the next part that needs a scan, and a list for its members.
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
var errEnough = errors.New("the part ends here")

// appendMembers adds the members whose keys start before end, from the key at
// start on, up to a fault if there is one, and at most maxMembers. Their
// nesting is not known, so they count as nested as deep as any version's member
// in a document.
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

// from returns the members that were found from a key on, if a part starts
// there. While other goroutines scan that part, it scans later parts.
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

// reuse takes back a list, for the members of another part.
func (a *ahead) reuse(list []entrySpan) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.unused = append(a.unused, list[:0])
}

// sum computes the checksum of the document up to the last part.
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

// checksum returns the checksum of the bytes before an offset.
func (a *ahead) checksum(end int) string {
	a.mu.Lock()
	crc, n := a.crc, a.summed
	a.mu.Unlock()
	if n > end {
		crc, n = 0, 0
	}
	return checksumFrom(crc, a.data[n:end])
}
