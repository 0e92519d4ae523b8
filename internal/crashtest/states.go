package crashtest

import (
	"cmp"
	"fmt"
	"hash/maphash"
	"iter"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// A Fate is what a crash leaves of one change that was not synced.
type Fate byte

// The fates. Those after Kept apply to writes only; for any other change they
// equal Kept.
const (
	Lost     Fate = iota
	Kept          // the change is present
	Half          // only the first half was written, and the file grew no further
	Zero          // the file grew, and all the bytes are NUL
	HalfZero      // the first half was written, the second is NUL
	ZeroHalf      // the second half was written, the first is NUL
	allFates      // the number of fates
)

var fateNames = [...]string{"lost", "kept", "half written", "zero", "half written, half zero", "half zero, half written"}

// of returns the bytes of a write that the fate leaves.
func (f Fate) of(data []byte) []byte {
	half := len(data) / 2
	if f == Half {
		return data[:half]
	}
	data = slices.Clone(data)
	switch f {
	case Zero:
		clear(data)
	case HalfZero:
		clear(data[half:])
	case ZeroHalf:
		clear(data[:half])
	}
	return data
}

// A Crash is one possible outcome of a power failure.
type Crash struct {
	After   int  // the number of operations before it
	Uniform bool // all pending entries have one fate, and all pending bytes have one
	last    Op
	pending []*change
	fates   []Fate
}

// String describes the crash: the more frequent fate, then each change with
// another one.
func (c Crash) String() string {
	lost := 0
	for _, f := range c.fates {
		if f == Lost {
			lost++
		}
	}
	most := Kept
	if lost*2 > len(c.fates) {
		most = Lost
	}
	s := fmt.Sprintf("after operation %d (%v): all of %d pending changes %s", c.After, c.last, len(c.fates), fateNames[most])
	for i, f := range c.fates {
		if f != most {
			s += fmt.Sprintf(", but %s %s", c.pending[i].op, fateNames[f])
		}
	}
	return s
}

// maxSubsets is the largest number of pending changes of which every subset is
// tried.
const maxSubsets = 6

// States yields the states that a crash can leave at each point of the record
// between from and to, both included. A state may occur several times. The
// states at a point are:
//
//   - all pending entries lost or kept, combined with each fate of all bytes;
//   - one change kept and all others lost, and one lost and all others kept;
//   - if at most maxSubsets changes are pending, every subset of them;
//   - else, for each file or folder with at most maxSubsets pending changes,
//     every subset of these, with all others lost and with all others kept.
//
// In each subset, a kept write has each of the fates of written bytes.
func (r Record) States(from, to int) iter.Seq2[Crash, State] {
	return func(yield func(Crash, State) bool) {
		d := newDisk()
		for i, o := range r.Ops[:r.base] {
			d.do(o)
			if i == r.base-1 {
				for _, ch := range d.changes {
					ch.durable = true
				}
			}
		}
		for after := r.base; after <= to; after++ {
			c := Crash{After: after}
			if after > r.base {
				c.last = r.Ops[after-1]
				d.do(c.last)
			}
			if after < from {
				continue
			}
			c.pending = d.pending()
			d.settle()
			for fates, uniform := range deals(c.pending) {
				c.fates, c.Uniform = fates, uniform
				if !yield(c, d.after(fates)) {
					return
				}
			}
		}
	}
}

// Start returns the first point of the record.
func (r Record) Start() int { return r.base }

// End returns the last point of the record.
func (r Record) End() int { return len(r.Ops) }

// deals yields the ways to distribute fates over the pending changes, each
// once. The second value is Crash.Uniform.
func deals(pending []*change) iter.Seq2[[]Fate, bool] {
	return func(yield func([]Fate, bool) bool) {
		seen := map[string]bool{}
		stopped := false
		deal := func(uniform bool, fate func(i int) Fate) {
			fates := make([]Fate, len(pending))
			for i := range fates {
				if fates[i] = fate(i); fates[i] > Kept && pending[i].op.kind != opWrite {
					fates[i] = Kept
				}
			}
			if key := string(bytesOf(fates)); !stopped && !seen[key] {
				seen[key] = true
				stopped = !yield(fates, uniform)
			}
		}
		for bytes := range allFates {
			for _, entries := range []Fate{Lost, Kept} {
				deal(true, func(i int) Fate {
					if pending[i].parent != nil {
						return entries
					}
					return bytes
				})
			}
		}
		for at := range pending {
			for _, others := range []Fate{Lost, Kept} {
				subsets(deal, []int{at}, others)
			}
		}
		groups := map[*node][]int{}
		for i, ch := range pending {
			groups[ch.syncedBy()] = append(groups[ch.syncedBy()], i)
		}
		if len(pending) <= maxSubsets {
			groups = map[*node][]int{nil: all(len(pending))}
		}
		for _, group := range slices.SortedFunc(maps.Values(groups), func(a, b []int) int { return cmp.Compare(a[0], b[0]) }) {
			if len(group) <= maxSubsets {
				subsets(deal, group, Lost)
				subsets(deal, group, Kept)
			}
		}
	}
}

// subsets yields, for every subset of a group, that subset with each fate but
// Lost, the rest of the group lost, and the changes outside the group with the
// fate of others.
func subsets(deal func(bool, func(int) Fate), group []int, others Fate) {
	for set := range 1 << len(group) {
		for fate := Kept; fate < allFates; fate++ {
			deal(false, func(i int) Fate {
				at := slices.Index(group, i)
				switch {
				case at < 0:
					return others
				case set>>at&1 == 0:
					return Lost
				}
				return fate
			})
		}
	}
}

func all(n int) []int {
	list := make([]int, n)
	for i := range list {
		list[i] = i
	}
	return list
}

func bytesOf(fates []Fate) []byte {
	b := make([]byte, len(fates))
	for i, f := range fates {
		b[i] = byte(f)
	}
	return b
}

// A State is the content of a disk: the bytes of each file by its name. The
// name of a folder ends in a slash, and its value is nil.
type State map[string][]byte

func (s State) list(n *node, prefix string) {
	for name, child := range n.entries {
		if child.dir {
			s[prefix+name+"/"] = nil
			s.list(child, prefix+name+"/")
		} else {
			s[prefix+name] = child.data
		}
	}
}

// names returns the names in sorted order: a folder comes before its content.
func (s State) names() []string { return slices.Sorted(maps.Keys(s)) }

var seed = maphash.MakeSeed()

// Key returns a hash of the state. Within a process, equal states have equal
// keys. States that differ only in random names also have equal keys.
func (s State) Key() uint64 {
	var h maphash.Hash
	h.SetSeed(seed)
	for _, name := range s.names() {
		data := s[name]
		if strings.Contains(name, "/.") {
			name = randomName.ReplaceAllLiteralString(name, "random")
		}
		fmt.Fprintf(&h, "%s %d\n", name, len(data))
		h.Write(data)
	}
	return h.Sum64()
}

var randomName = regexp.MustCompile("[0-9a-f]{32}|[0-9]{8}T[0-9]{6}Z-[0-9a-f]{8}")

// Write writes the state to a folder.
func (s State) Write(dir string) error {
	for _, name := range s.names() {
		file := filepath.Join(dir, filepath.FromSlash(name))
		var err error
		if strings.HasSuffix(name, "/") {
			err = os.Mkdir(file, 0o777)
		} else {
			err = os.WriteFile(file, s[name], 0o666)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
