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

// A Fate is what a crash makes of one change that was not synced.
type Fate byte

// The fates. Those behind Kept are of written bytes only; for all other changes
// they are the same as Kept.
const (
	Lost     Fate = iota
	Kept          // it is there
	Half          // the first half arrived, and the file did not grow further
	Zero          // the file grew, and its bytes are NUL
	HalfZero      // the first half arrived, the second is NUL
	ZeroHalf      // the second half arrived, the first is NUL
	allFates
)

var fateNames = [...]string{"lost", "kept", "half there", "zero", "zero in the second half", "zero in the first half"}

// of returns what the fate leaves of written bytes.
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

// A Crash is one way for the power to fail.
type Crash struct {
	After   int  // so many operations happened
	Uniform bool // all that was pending met the same fate, but that entries and bytes may differ
	last    Op
	pending []*change
	fates   []Fate
}

// String tells the fates, the rarer one of lost and kept by name.
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
	s := fmt.Sprintf("after operation %d (%v), of %d pending all %s", c.After, c.last, len(c.fates), fateNames[most])
	for i, f := range c.fates {
		if f != most {
			s += fmt.Sprintf(", but %s %s", c.pending[i].op, fateNames[f])
		}
	}
	return s
}

// maxSubsets bounds of how many pending changes every subset is tried.
const maxSubsets = 6

// States yields the states that a crash can leave between two points of the
// record, each point included. After an operation these are: all pending changes lost or kept,
// entries and bytes apart; each by itself kept and all others lost, and the other way round; of few,
// every subset; of few in one file or folder, every subset of these with all others lost, or kept;
// all of it with each fate of written bytes. A state may come several times.
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

// Start returns the first point of the record, and End the last.
func (r Record) Start() int { return r.base }

// End returns the last point of the record.
func (r Record) End() int { return len(r.Ops) }

// deals yields the ways to deal fates to the pending changes, each once.
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

// subsets deals every subset of a group each fate, the rest of the group is lost.
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

// A State is what a disk holds: the contents of each file by name; a folder's
// name ends in a slash.
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

// names returns the names, sorted, so that a folder comes before what is in it.
func (s State) names() []string { return slices.Sorted(maps.Keys(s)) }

var seed = maphash.MakeSeed()

// Key returns what tells two states apart, within a process; which random names were drawn
// does not.
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

var randomName = regexp.MustCompile("[0-9a-f]{32}")

// Write puts a state into a folder.
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
