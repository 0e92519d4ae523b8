package bench_test

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"os"
	"runtime"
	"testing"
	"time"
)

// A row is one line of the table: an operation, its floor, and the goal for the
// ratio of the two.
type row struct {
	name  string  // of the benchmark
	does  string  // the operation for a user; empty if it is the same as in the row before
	n     int     // versions of the model; 0 if the number does not matter
	floor string  // the floor; empty if it is the same as in the row before
	goal  float64 // 0 for none
	least bool    // the ratio is that of the rates, and the goal is its smallest value
	run   func(b *testing.B, n int) result
}

// A result has the samples of an operation and of its floor, in nanoseconds.
type result struct {
	took, floor []float64
	n           int    // versions of the model, if the number differs from the row's
	also        string // a further result, for the row's text
}

const flat = 2 // the goal of operations whose time does not grow with the model

var rows = []row{
	{"ProcessLeave/1000", "a process opens, promotes and closes, with `Options.Checkpoint: WhenDue`", 1000, "the same, 10 versions, by default", 0, false, processLeave},
	{"ProcessLeave/10000", "", 10_000, "", 2, false, processLeave},
	{"ProcessLeave/100000", "", 100_000, "", 0, false, processLeave},
	{"ProcessPromote/1000", "a process opens, promotes and closes, by default: the document is up to date", 1000, "the same, 10 versions", 0, false, processPromote},
	{"ProcessPromote/10000", "", 10_000, "", 3, false, processPromote},
	{"ProcessPromote/100000", "", 100_000, "", 0, false, processPromote},
	{"ProcessHelp", "`ubunye --help`", 0, "a hello-world of the same command library", 1.5, false, processHelp},
	{"ProcessGet/10", "GetModel in a fresh process", 10, "a fresh process reads and scans the document", 2, false, processGet},
	{"ProcessGet/1000", "", 1000, "", 2, false, processGet},
	{"ProcessGet/10000", "", 10_000, "", 2, false, processGet},
	{"ProcessGet/100000", "", 100_000, "", 0, false, processGet},
	{"HistoryNewest/1000", "History, the newest 10", 1000, "the same, 100 versions", flat, false, historyNewest},
	{"HistoryNewest/10000", "", 10_000, "", flat, false, historyNewest},
	{"HistoryNewest/100000", "", 100_000, "", flat, false, historyNewest},
	{"HistoryAfter/1000", "History after an event, 10 more", 1000, "the same, 100 versions", flat, false, historyAfter},
	{"HistoryAfter/10000", "", 10_000, "", flat, false, historyAfter},
	{"HistoryAfter/100000", "", 100_000, "", flat, false, historyAfter},
	{"ProductionAt/1000", "ProductionAt(now - a day)", 1000, "the same, 100 versions", flat, false, productionAt},
	{"ProductionAt/10000", "", 10_000, "", flat, false, productionAt},
	{"ProductionAt/100000", "", 100_000, "", flat, false, productionAt},
	{"ListChanged", "ListVersions after a promotion by another registry", 10_000, "ListVersions, unchanged", 2, false, listChanged},
	{"Get/10000", "GetModel, unchanged", 10_000, "the same, 10 versions", flat, false, get},
	{"Get/100000", "", 100_000, "", flat, false, get},
	{"Compare", "Compare", 100_000, "the same, 10 versions", flat, false, compare},
	{"GetChanged/1000", "GetModel after a promotion by another registry", 1000, "the same, 10 versions", flat, false, getChanged},
	{"GetChanged/10000", "", 10_000, "", flat, false, getChanged},
	{"GetChanged/100000", "", 100_000, "", flat, false, getChanged},
	{"Promote/10", "Promote, document rewritten", 10, "append + sync, document + sync + rename", 1.6, false, promoteRewritten},
	{"Promote/1000", "", 1000, "", 1.6, false, promoteRewritten},
	{"Register/10", "Register, one file of 1 KB", 10, "the same, and the files of the version + their syncs", 1.6, false, register},
	{"Register/1000", "", 1000, "", 1.6, false, register},
	{"PromoteLagging/10000", "Promote, document lagging", 10_000, "append + sync, a look at the artifact", 2, false, promoteLagging},
	{"PromoteLagging/100000", "", 100_000, "", 2, false, promoteLagging},
	{"PromoteSQLite/10000", "", 10_000, "the event as a row of SQLite", 1.5, false, promoteSQLite},
	{"PromoteSQLite/100000", "", 100_000, "", 1.5, false, promoteSQLite},
	{"Register64", "64 goroutines register, time per version", 10, "one goroutine", 2, true, register64},
	{"Promote64", "64 goroutines promote and demote, time per change", 10, "one goroutine", 8, true, promote64},
	{"Register8", "8 processes register in one model, time per version", 10, "one process", 1, true, registerProcesses},
	{"LiveDo", "Live.Do", 0, "15 ns", 1, false, liveDo},
	{"LiveDo64", "Live.Do of 64 goroutines, time per call and core", 0, "one goroutine", flat, false, liveDo64},
	{"RegisterLarge", "Register of 1 GB", 10, "the slower of copy + sync and SHA-256", 1.2, false, registerLarge},
	{"Retain", "Retain deletes nine of ten versions, time per version", 10_000, "the same, 1,000 versions", flat, false, retain},
	{"Purge", "Purge removes their files, time per version", 10_000, "the same, 1,000 versions", flat, false, purge},
	{"Verify", "Verify on two cores, small versions", 100_000, "one core", 1.6, true, verify},
}

// BenchmarkRows measures the rows in order and prints the table in Markdown.
// -bench Rows/NAME chooses some of them.
func BenchmarkRows(b *testing.B) {
	var done []row
	var results []result
	does, floor := "", ""
	for _, r := range rows {
		does, floor = cmp.Or(r.does, does), cmp.Or(r.floor, floor)
		r.does, r.floor = does, floor
		b.Run(r.name, func(b *testing.B) {
			runtime.GC() // collect the garbage of the row before
			res := r.run(b, r.n)
			if b.Failed() || len(res.took) == 0 {
				return
			}
			b.ReportMetric(median(res.took), "ns/op")
			b.ReportMetric(median(res.floor), "floor-ns")
			b.ReportMetric(r.ratio(median(res.took), median(res.floor)), "ratio")
			done, results = append(done, r), append(results, res)
		})
	}
	printTable(os.Stdout, done, results)
}

func printTable(w io.Writer, rows []row, results []result) {
	fmt.Fprint(w, "\n| operation | versions | time | floor | time | ratio | goal |\n|---|---|---|---|---|---|---|\n")
	var last row
	for i, r := range rows {
		res, does, floor, n := results[i], r.does, r.floor, ""
		if of := cmp.Or(res.n, r.n); of > 0 {
			n = thousands(of)
		}
		if does == last.does {
			does = ""
			if floor == last.floor {
				floor = ""
			}
		}
		if res.also != "" {
			does += " (" + res.also + ")"
		}
		fmt.Fprintf(w, "| %s | %s | %s | %s | %s | %s | %s |\n",
			does, n, duration(median(res.took)), floor, duration(median(res.floor)), r.ratios(res), r.goalOf(res))
		last = r
	}
}

// ratio returns the ratio of two times, or of the rates that they mean.
func (r row) ratio(took, floor float64) float64 {
	if r.least {
		return floor / took
	}
	return took / floor
}

// ratios returns the ratio of the medians. It adds the ratio of the means, or
// otherwise of the 99th percentiles, if that differs by more than a half.
func (r row) ratios(res result) string {
	of := func(stat func([]float64) float64) float64 { return r.ratio(stat(res.took), stat(res.floor)) }
	m := of(median)
	text := decimal(m)
	differs := func(x float64) bool { return math.Abs(x-m) > m/2 }
	switch {
	case differs(of(mean)):
		text += ", mean " + decimal(of(mean))
	case len(res.took) >= 100 && differs(of(p99)):
		text += ", p99 " + decimal(of(p99))
	}
	return text
}

func decimal(x float64) string {
	if x >= 100 {
		return fmt.Sprintf("%.0f", x)
	}
	return fmt.Sprintf("%.2f", x)
}

func (r row) goalOf(res result) string {
	if r.goal == 0 {
		return ""
	}
	ratio := r.ratio(median(res.took), median(res.floor))
	sign, met := "≤", ratio <= r.goal
	if r.least {
		sign, met = "≥", ratio >= r.goal
	}
	if !met {
		return fmt.Sprintf("**missed**: %s %g", sign, r.goal)
	}
	return fmt.Sprintf("%s %g", sign, r.goal)
}

func thousands(n int) string {
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%d,%03d", n/1000, n%1000)
}

func duration(ns float64) string {
	for _, unit := range []struct {
		size time.Duration
		name string
	}{{time.Second, "s"}, {time.Millisecond, "ms"}, {time.Microsecond, "µs"}} {
		if ns >= float64(unit.size) {
			return fmt.Sprintf("%.3g %s", ns/float64(unit.size), unit.name)
		}
	}
	return fmt.Sprintf("%.3g ns", ns)
}
