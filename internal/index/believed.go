package index

import (
	"slices"
	"sort"
	"time"
)

// Believed returns when each event of a history counts as having happened,
// given the times in the events. A result is never before that of the event
// before it, and never after now. As many of the given times as possible are
// used such that they go up. An event whose time is not used gets the time of
// the event before it; fits says which times are used.
func Believed(written []time.Time, now time.Time) (times []time.Time, fits []bool) {
	times = slices.Clone(written)
	for i, t := range times {
		if t.After(now) {
			times[i] = now
		}
	}
	// Find the longest run of events whose times go up. tails[k] is the end of
	// a run of k+1 events, with the earliest time at which any such run ends.
	var tails []int
	previous := make([]int, len(times))
	for i, t := range times {
		k := sort.Search(len(tails), func(k int) bool { return times[tails[k]].After(t) })
		previous[i] = -1
		if k > 0 {
			previous[i] = tails[k-1]
		}
		if k == len(tails) {
			tails = append(tails, i)
		}
		tails[k] = i
	}
	fits = make([]bool, len(times))
	first := 0
	if len(tails) > 0 {
		for i := tails[len(tails)-1]; i >= 0; i = previous[i] {
			fits[i], first = true, i
		}
	}
	for i := range times {
		switch {
		case i < first:
			times[i] = times[first]
		case !fits[i]:
			times[i] = times[i-1]
		}
	}
	return times, fits
}
