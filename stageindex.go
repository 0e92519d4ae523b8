package modelregistry

import "container/heap"

// A stageIndex finds the version of one stage, the one that entered it last, without
// going through all of them at each change.
type stageIndex struct {
	top   *entry // the version of the stage, or nil
	known bool   // top is so
	all   newest // the entries in the stage, once built, and some that left it
	built bool
}

// newest is a heap, the entry that came last on top.
type newest []*entry

func (n newest) Len() int           { return len(n) }
func (n newest) Less(i, j int) bool { return n[i].newer(n[j]) }
func (n newest) Swap(i, j int)      { n[i], n[j] = n[j], n[i] }
func (n *newest) Push(x any)        { *n = append(*n, x.(*entry)) }
func (n *newest) Pop() any {
	last := len(*n) - 1
	e := (*n)[last]
	(*n)[last] = nil
	*n = (*n)[:last]
	return e
}

// enter notes an entry that is in place.
func (s *indexState) enter(e *entry) {
	if e.stage == stageProduction {
		s.productive[e.version] = true
	}
	x := s.stages[e.stage]
	if x == nil {
		x = &stageIndex{known: true}
		s.stages[e.stage] = x
	}
	if x.known && (x.top == nil || e.newer(x.top)) {
		x.top = e
	}
	if x.built {
		heap.Push(&x.all, e)
		if len(x.all) > 2*len(s.order)+64 { // most of them left
			x.all, x.built = nil, false
		}
	}
}

// leave notes that an entry is no longer in place.
func (s *indexState) leave(e *entry) {
	if e.stage == stageProduction {
		delete(s.productive, e.version)
	}
	if x := s.stages[e.stage]; x != nil && x.top == e {
		x.top, x.known = nil, false
	}
}

// forget has the stages looked up anew, after entries changed places.
func (s *indexState) forget() {
	for _, x := range s.stages {
		*x = stageIndex{}
	}
}

// holder returns the version of a stage: of several, the one that entered it
// last.
func (s *indexState) holder(stage string) *entry {
	x := s.stages[stage]
	if x == nil {
		return nil
	}
	if x.known {
		return x.top
	}
	if stage == stageProduction { // hardly ever more than one
		for v := range s.productive {
			if e := s.get(v); x.top == nil || e.newer(x.top) {
				x.top = e
			}
		}
		x.known = true
		return x.top
	}
	if !x.built {
		for _, e := range s.order {
			if e.stage == stage {
				x.all = append(x.all, e)
			}
		}
		heap.Init(&x.all)
		x.built = true
	}
	for len(x.all) > 0 && s.order[x.all[0].pos] != x.all[0] {
		heap.Pop(&x.all)
	}
	if x.known = true; len(x.all) > 0 {
		x.top = x.all[0]
	}
	return x.top
}
