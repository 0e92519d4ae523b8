// Command table runs the benchmarks and prints the table in
// docs/performance.md. With -svg it also writes the picture there. Run it in
// the folder bench:
//
//	go run ./table -svg ../docs/performance.svg
package main

import (
	"bufio"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

func main() {
	benchtime := flag.String("benchtime", "1s", "run each benchmark for this `time`")
	picture := flag.String("svg", "", "write the curves to this `file`")
	from := flag.String("from", "", "read the output of an earlier run from this `file` instead of running the benchmarks")
	flag.Parse()
	if err := run(*benchtime, *picture, *from); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(benchtime, picture, from string) error {
	in, wait, err := output(benchtime, from)
	if err != nil {
		return err
	}
	results, err := parse(in)
	if err != nil {
		return err
	}
	if err := wait(); err != nil {
		return err
	}
	table(os.Stdout, results)
	if picture == "" {
		return nil
	}
	return os.WriteFile(picture, curves(results), 0o666)
}

func output(benchtime, from string) (in io.Reader, wait func() error, err error) {
	if from != "" {
		f, err := os.Open(from)
		return f, func() error { return nil }, err
	}
	names, err := exec.Command("go", "test", "-list", "^Benchmark", ".").Output()
	if err != nil {
		return nil, nil, err
	}
	in, out := io.Pipe()
	done := make(chan error, 1)
	go func() {
		defer out.Close()
		for name := range strings.FieldsSeq(string(names)) {
			if !strings.HasPrefix(name, "Benchmark") {
				continue
			}
			// Each benchmark has its own process, so that none suffers from
			// what another left in memory.
			cmd := exec.Command("go", "test", "-run", "^$", "-bench", "^"+name+"$", "-timeout", "1h", "-benchtime", benchtime, ".")
			cmd.Stdout, cmd.Stderr = io.MultiWriter(out, os.Stderr), os.Stderr
			if err := cmd.Run(); err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	return in, func() error { return <-done }, nil
}

// A result has the numbers of one benchmark by their unit.
type result struct {
	name   string // for example Promote/1000
	values map[string]float64
}

func parse(in io.Reader) (results []result, err error) {
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		f := strings.Fields(lines.Text())
		if len(f) < 4 || !strings.HasPrefix(f[0], "Benchmark") {
			continue
		}
		name, _, _ := strings.Cut(strings.TrimPrefix(f[0], "Benchmark"), "-")
		r := result{name: name, values: map[string]float64{}}
		for i := 2; i+1 < len(f); i += 2 {
			if r.values[f[i+1]], err = strconv.ParseFloat(f[i], 64); err != nil {
				return nil, err
			}
		}
		results = append(results, r)
	}
	return results, lines.Err()
}

// A goal is a row of the table: a ratio of a benchmark, with its limit.
type goal struct {
	name, what string
	unit       string  // the unit of the ratio
	limit      float64 // 0 for none
	least      bool    // the limit is a minimum, not a maximum
}

var goals = []goal{
	{"Get/10", "GetModel, unchanged; floor: 3 stats", "x-floor", 1, false},
	{"Get/1000", "", "x-floor", 1, false},
	{"Get/10000", "", "x-floor", 1, false},
	{"Get/100000", "", "x-floor", 1, false},
	{"GetByVersion/10000", "… by version", "x-floor", 1, false},
	{"GetChanged/10", "GetModel after a promotion by another process; floor: 3 stats and a read of what it wrote", "x-floor", 0, false},
	{"GetChanged/1000", "", "x-floor", 0, false},
	{"GetChanged/10000", "", "x-floor", 0, false},
	{"GetChanged/100000", "", "x-floor", 0, false},
	{"GetChanged/10", "… floor also with the event's SHA-256, and encoding/json for its line", "x-taken-in", 0, false},
	{"GetChanged/1000", "", "x-taken-in", 0, false},
	{"GetChanged/10000", "", "x-taken-in", 0, false},
	{"GetChanged/100000", "", "x-taken-in", 0, false},
	{"GetFresh/10", "GetModel of a registry just opened; floor: a read of the document and a scan at 1 GB/s", "x-floor", 0, false},
	{"GetFresh/1000", "", "x-floor", 1.5, false},
	{"GetFresh/10000", "", "x-floor", 1.5, false},
	{"GetFresh/100000", "", "x-floor", 0, false},
	{"Promote/10", "Promote, document rewritten; floor: append + fsync, document + fsync + rename", "x-floor", 1.5, false},
	{"Promote/1000", "", "x-floor", 1.5, false},
	{"Promote/10", "… floor also with a read and a hash of the artifact, which a promotion needs", "x-checked", 1.5, false},
	{"Promote/1000", "", "x-checked", 1.5, false},
	{"Promote/10", "… a change that reads no artifact (Demote)", "unchecked-x-floor", 1.5, false},
	{"Promote/1000", "", "unchecked-x-floor", 1.5, false},
	{"Promote/10000", "Promote, document lags; floor: append + fsync", "x-floor", 1.5, false},
	{"Promote/100000", "", "x-floor", 1.5, false},
	{"Promote/10000", "… floor also with a read and a hash of the artifact", "x-checked", 1.5, false},
	{"Promote/100000", "", "x-checked", 1.5, false},
	{"Promote/10000", "… a change that reads no artifact (Demote)", "unchecked-x-floor", 1.5, false},
	{"Promote/100000", "", "unchecked-x-floor", 1.5, false},
	{"PromoteShare/10000", "Promote, mean with a share of the checkpoints; floor: Promote with 1,000 versions", "x-floor", 3, false},
	{"PromoteShare/100000", "", "x-floor", 3, false},
	{"Register/10", "Register, small artifact; floor: that of Promote and the fsyncs of the artifact", "x-floor", 1.5, false},
	{"Register/1000", "", "x-floor", 1.5, false},
	{"Register/10000", "", "x-floor", 1.5, false},
	{"Register/100000", "", "x-floor", 1.5, false},
	{"RegisterLarge", "Register of 1 GB, copied; floor: the longer of copy + fsync and SHA-256", "x-floor", 1.15, false},
	{"RegisterMoved", "Register of 1 GB, moved in; floor: its SHA-256", "x-floor", 1.15, false},
	{"RegisterSaved", "Register of 1 GB, saved into staging; floor: its SHA-256", "x-floor", 1.15, false},
	{"PromoteLarge", "Promote of 1 GB, which it reads; floor: its SHA-256", "x-floor", 1.15, false},
	{"List/1000", "ListVersions; floor: 100 µs", "x-floor", 1, false},
	{"List/1000", "… mean, with a garbage collection every tenth call in a tiny heap", "mean-x-floor", 0, false},
	{"ListHeap/1000", "… mean in a program with a heap of 16 MB", "mean-x-floor", 1, false},
	{"Compare/10000", "CompareVersions; floor: 20 µs", "x-floor", 1, false},
	{"Register64", "64 goroutines register; median: time per change of all, floor: of one goroutine; ratio of the rates", "x-one", 5, true},
	{"Artifact64", "… 64 goroutines only write and sync the files of an artifact", "x-one", 0, true},
	{"Promote64", "64 goroutines promote; median, floor and ratio as above", "x-one", 10, true},
	{"Processes", "8 processes promote; median, floor and ratio as above", "x-one", 0.8, true},
	{"Processes", "… ratio: changes of the slowest process to those of the fastest", "least/most", 0.5, true},
}

func table(w io.Writer, results []result) {
	fmt.Fprintln(w, "| what | versions | median | floor | ratio | goal | allocations | bbolt | SQLite |")
	fmt.Fprintln(w, "|---|---|---|---|---|---|---|---|---|")
	for _, g := range goals {
		for _, r := range results {
			if r.name != g.name {
				continue
			}
			_, size, _ := strings.Cut(r.name, "/")
			took, floor, allocs := r.time("ns/op"), r.time("floor-ns"), r.count("allocs")
			switch {
			case g.least:
				floor = r.time("one-ns")
			case g.unit == "x-checked" || g.unit == "x-taken-in":
				floor = r.time(strings.TrimPrefix(g.unit, "x-") + "-ns")
			case g.unit == "mean-x-floor":
				took = r.time("mean-ns")
			case g.unit == "unchecked-x-floor":
				took, allocs = r.time("unchecked-ns"), r.count("unchecked-allocs")
			}
			fmt.Fprintf(w, "| %s | %s | %s | %s | %.2f | %s | %s | %s | %s |\n", g.what, size, took, floor,
				r.values[g.unit], g.verdict(r.values[g.unit]), allocs, r.time("bbolt-ns"), r.time("sqlite-ns"))
		}
	}
	for _, r := range results {
		for _, unit := range []string{"changes/checkpoint", "peak-MB"} {
			if v, ok := r.values[unit]; ok {
				fmt.Fprintf(w, "\n%s: %s %.4g", r.name, unit, v)
			}
		}
	}
	fmt.Fprintln(w)
}

func (g goal) verdict(v float64) string {
	switch {
	case g.limit == 0:
		return ""
	case g.least && v >= g.limit:
		return fmt.Sprintf("≥ %g", g.limit)
	case g.least:
		return fmt.Sprintf("**missed**: ≥ %g", g.limit)
	case v <= g.limit:
		return fmt.Sprintf("≤ %g", g.limit)
	}
	return fmt.Sprintf("**missed**: ≤ %g", g.limit)
}

func (r result) count(unit string) string {
	n, ok := r.values[unit]
	if !ok {
		return ""
	}
	return fmt.Sprintf("%.0f", n)
}

func (r result) time(unit string) string {
	ns, ok := r.values[unit]
	if !ok {
		return ""
	}
	d := time.Duration(ns)
	switch {
	case d >= time.Second:
		return fmt.Sprintf("%.2f s", d.Seconds())
	case d >= time.Millisecond:
		return fmt.Sprintf("%.2f ms", float64(d)/1e6)
	}
	return fmt.Sprintf("%.1f µs", float64(d)/1e3)
}
