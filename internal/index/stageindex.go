package index

import (
	"container/heap"
	"slices"
)

// A stageIndex finds the version that entered a stage last, without a search of
// all versions at each change.
type stageIndex struct {
	top   *Entry // the version of the stage, or nil
	known bool   // top is valid
	all   newest // the entries in the stage, once built, and some that have left it
	built bool
	limit int // of all; above it, those that have left are dropped
}

// newest is a heap. The entry that entered last is on top.
type newest []*Entry

func (n newest) Len() int           { return len(n) }
func (n newest) Less(i, j int) bool { return n[i].newer(n[j]) }
func (n newest) Swap(i, j int)      { n[i], n[j] = n[j], n[i] }
func (n *newest) Push(x any)        { *n = append(*n, x.(*Entry)) }
func (n *newest) Pop() any {
	last := len(*n) - 1
	e := (*n)[last]
	(*n)[last] = nil
	*n = (*n)[:last]
	return e
}

// enter adds an entry that was put in place.
func (s *State) enter(e *Entry) {
	if e.Stage == Production {
		s.Productive[e.Version] = true
	}
	x := s.byStage[e.Stage]
	if x == nil {
		x = &stageIndex{known: true}
		s.byStage[e.Stage] = x
	}
	if x.known && (x.top == nil || e.newer(x.top)) {
		x.top = e
	}
	if x.built {
		heap.Push(&x.all, e)
		if len(x.all) > x.limit {
			s.prune(x)
		}
	}
}

// prune drops the entries that have left a stage, because they hold their bytes
// in memory. It runs when all has doubled, so that it costs each change only a
// few steps.
func (s *State) prune(x *stageIndex) {
	x.all = slices.DeleteFunc(x.all, func(e *Entry) bool { return s.Get(e.Version) != e })
	heap.Init(&x.all)
	x.limit = roomFor(len(x.all))
}

func roomFor(inStage int) int { return 2*inStage + 64 }

// leave removes an entry that is no longer in place.
func (s *State) leave(e *Entry) {
	if e.Stage == Production {
		delete(s.Productive, e.Version)
	}
	if x := s.byStage[e.Stage]; x != nil && x.top == e {
		x.top, x.known = nil, false
	}
}

// forget drops the versions found for all stages, after entries changed their
// places.
func (s *State) forget() {
	for _, x := range s.byStage {
		*x = stageIndex{}
	}
}

// withdrawn returns the version that is stored as in production and that
// readers see as archived. If there are several, it is the one that was
// promoted last. The next change archives it, so it entered its stage after all
// versions that are stored as archived.
func (s *State) withdrawn() (last *Entry) {
	h := s.Holder(Production)
	for v := range s.Productive {
		if e := s.Get(v); e != h && (last == nil || e.newer(last)) {
			last = e
		}
	}
	return last
}

// Holder returns the version of a stage, as readers see the stages. If there
// are several, it is the one that entered last.
func (s *State) Holder(stage string) *Entry {
	if stage == Archived && len(s.Productive) > 1 {
		return s.withdrawn()
	}
	x := s.byStage[stage]
	if x == nil {
		return nil
	}
	if x.known {
		return x.top
	}
	if stage == Production { // almost never more than one
		for v := range s.Productive {
			if e := s.Get(v); x.top == nil || e.newer(x.top) {
				x.top = e
			}
		}
		x.known = true
		return x.top
	}
	if !x.built {
		for _, e := range s.Entries {
			if e.Stage == stage {
				x.all = append(x.all, e)
			}
		}
		heap.Init(&x.all)
		x.built, x.limit = true, roomFor(len(x.all))
	}
	for len(x.all) > 0 && s.Get(x.all[0].Version) != x.all[0] {
		heap.Pop(&x.all)
	}
	if x.known = true; len(x.all) > 0 {
		x.top = x.all[0]
	}
	return x.top
}
