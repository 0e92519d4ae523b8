//go:build unix

package crash

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/ubunye-go/modelregistry/internal/crashtest"
)

// A mutant is the workload with some operations left out. Given the operations,
// it reports whether number i is one of these.
type mutant func(ops []crashtest.Op, i int) bool

// syncOf matches a sync by the end of its name.
func syncOf(name string) mutant {
	return func(ops []crashtest.Op, i int) bool {
		return ops[i].Is("sync") && (ops[i].Name == name || strings.HasSuffix(ops[i].Name, "/"+name))
	}
}

// after is m if the operation before is of a kind, and its name, or the name
// that it renames to, ends in name.
func (m mutant) after(kind, name string) mutant {
	return func(ops []crashtest.Op, i int) bool {
		return m(ops, i) && i > 0 && ops[i-1].Is(kind) && (strings.HasSuffix(ops[i-1].Name, name) || strings.HasSuffix(ops[i-1].To, name))
	}
}

// twoAfter is m if the operation two before is of a kind, or if it is not.
func (m mutant) twoAfter(kind string, is bool) mutant {
	return func(ops []crashtest.Op, i int) bool { return m(ops, i) && i > 1 && ops[i-2].Is(kind) == is }
}

// crashMutants are all kinds of syncs except one: the sync of the model's
// folder after .staging/ was made in it. That one could be left out without
// harm, because nothing in .staging/ is needed after a crash. It is there
// because all folders are made in the same way.
var crashMutants = map[string]mutant{
	"an artifact's file":                syncOf("tree/model/w.bin"),
	"the manifest":                      syncOf("tree/manifest.json"),
	"the metadata":                      syncOf("tree/metadata.json"),
	"the metrics":                       syncOf("tree/metrics.json"),
	"the artifact's folder":             syncOf("tree/model"),
	"a folder in it":                    syncOf("tree/model/sub"),
	"the tree's folder":                 syncOf("tree"),
	"versions/ after a tree":            syncOf("uc/m/versions").after("rename", ""),
	"the model's folder with .orphans/": syncOf("uc/m").after("mkdir", "/.orphans"),
	".orphans/":                         syncOf("uc/m/.orphans"),
	"the names of log and versions/":    syncOf("uc/m").after("mkdir", "/versions"),
	"the log":                           syncOf("history.jsonl").after("write", "/history.jsonl"),
	"the cut of a torn append":          syncOf("history.jsonl").after("truncate", "/history.jsonl").twoAfter("write", false),
	"the cut of a failed append":        syncOf("history.jsonl").after("truncate", "/history.jsonl").twoAfter("write", true),
	"the document":                      syncOf(".registry.json.tmp"),
	"the use case's folder":             syncOf("uc"),
	"the store's folder":                syncOf(loadStore),
	"the folder above it":               syncOf("above"),
	"the folder above all":              syncOf("."),
}

// The enumerator of crashes must find faults: if any one kind of sync is left
// out, it reports a violation.
func TestEveryCrashFindsMutants(t *testing.T) {
	if fewer > 1 && !*crashAll {
		t.Skip("the race detector has nothing to find in the enumerator, and slows it down tenfold")
	}
	t.Parallel()
	forBothLags(t, func(t *testing.T, lags bool) {
		run := newSoundRun(t, lags)
		for name, m := range crashMutants {
			t.Run(name, func(t *testing.T) {
				left, sites := run.without(m)
				if len(sites) == 0 {
					t.Fatal("the workload has no such sync")
				}
				left.wantViolation(t, sites, run.known)
			})
		}
		for name, m := range crashSwaps {
			t.Run(name, func(t *testing.T) {
				swapped, sites := run.swapped("", m.early, m.before)
				if len(sites) == 0 {
					t.Fatal("the workload has no such steps")
				}
				swapped.wantViolation(t, sites, run.known)
			})
		}
	})
}

// wantViolation searches the states after each site of a mutation, up to the
// change after the next, for one that the sound workload does not leave and
// that violates an invariant.
func (run *crashRun) wantViolation(t *testing.T, sites []int, known map[crashKey]bool) {
	t.Helper()
	known = maps.Clone(known)
	for _, at := range sites {
		next := slices.IndexFunc(run.acked, func(a crashAck) bool { return a.after > at })
		end := run.record.End()
		if next >= 0 && next+1 < len(run.acked) {
			end = run.acked[next+1].after
		}
		list := run.states(at, end, known)
		slices.SortStableFunc(list, func(a, b crashState) int { // what is likely to show comes first
			return cmp.Compare(b.order(), a.order())
		})
		if first, count := run.violations(t, list, true); count > 0 {
			t.Log(first[0])
			return
		}
	}
	t.Fatal("no crash state violates an invariant")
}

func (s crashState) order() int {
	if s.crash.Uniform {
		return 1
	}
	return 0
}

// without returns the run with operations left out, and where they were.
func (run *crashRun) without(drop mutant) (*crashRun, []int) {
	var sites []int
	moved := make([]int, len(run.record.Ops)+1)
	var ops []crashtest.Op
	for i, o := range run.record.Ops {
		moved[i] = len(ops)
		if drop(run.record.Ops, i) {
			sites = append(sites, len(ops))
		} else {
			ops = append(ops, o)
		}
	}
	moved[len(run.record.Ops)] = len(ops)
	out := &crashRun{lags: run.lags, orphan: moved[run.orphan]}
	out.record.Ops = ops
	for _, ack := range run.acked {
		ack.after = moved[ack.after]
		out.acked = append(out.acked, ack)
	}
	return out, sites
}

// Steps of the protocol swapped: what early matches moves before what before
// matches.
var crashSwaps = map[string]struct{ early, before func(crashtest.Op) bool }{
	"the log before the tree": {
		func(o crashtest.Op) bool { return strings.HasSuffix(o.Name, "/history.jsonl") },
		func(o crashtest.Op) bool { return strings.HasSuffix(o.Name, "/tree") && o.Is("rename") },
	},
	"the first tree before the log's name": {
		func(o crashtest.Op) bool {
			return strings.HasSuffix(o.Name, "/versions") || strings.HasSuffix(o.Name, "/tree") && o.Is("rename")
		},
		func(o crashtest.Op) bool { return strings.HasSuffix(o.Name, "/history.jsonl") && o.Is("create") },
	},
	"the document before the log": {
		func(o crashtest.Op) bool { return strings.HasSuffix(o.Name, "/.registry.json.tmp") },
		func(o crashtest.Op) bool { return strings.HasSuffix(o.Name, "/history.jsonl") },
	},
	"the document's name before its bytes": {
		func(o crashtest.Op) bool { return strings.HasSuffix(o.To, "/registry.json") },
		func(o crashtest.Op) bool { return o.Is("sync") && strings.HasSuffix(o.Name, "/.registry.json.tmp") },
	},
	"the tree's place before its bytes": {
		func(o crashtest.Op) bool { return strings.HasSuffix(o.Name, "/tree") && o.Is("rename") },
		func(o crashtest.Op) bool { return o.Is("sync") && strings.Contains(o.Name, "/tree/") },
	},
	"the log before versions/": {
		func(o crashtest.Op) bool { return strings.HasSuffix(o.Name, "/history.jsonl") },
		func(o crashtest.Op) bool { return o.Is("sync") && strings.HasSuffix(o.Name, "/versions") },
	},
}

// swapped moves, within each step of the workload or the one that is named, the
// operations that match early before the first that matches before. It also
// returns where.
func (run *crashRun) swapped(step string, early, before func(crashtest.Op) bool) (*crashRun, []int) {
	out := &crashRun{lags: run.lags, orphan: run.orphan, acked: run.acked}
	var sites []int
	for i := 1; i < len(run.acked); i++ {
		start := run.acked[i-1].after
		ops := run.record.Ops[start:run.acked[i].after]
		at := slices.IndexFunc(ops, before)
		if at < 0 || step != "" && step != run.acked[i].step || !slices.ContainsFunc(ops[at:], early) {
			out.record.Ops = append(out.record.Ops, ops...)
			continue
		}
		sites = append(sites, start+at)
		first, second := []crashtest.Op{}, []crashtest.Op{}
		for _, o := range ops[at:] {
			if early(o) {
				first = append(first, o)
			} else {
				second = append(second, o)
			}
		}
		out.record.Ops = slices.Concat(out.record.Ops, ops[:at], first, second)
	}
	return out, sites
}
