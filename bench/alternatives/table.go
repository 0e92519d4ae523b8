package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// A row has the times of the contenders for an operation.
type row struct {
	does     string
	versions int // of the model; 0 if the number does not matter
	took     [3][]time.Duration
}

type table []row

// print prints the medians. The rows of an operation stand together.
func (t table) print(w io.Writer, all []contender) {
	fmt.Fprintf(w, "| operation | versions | %s | %s | %s |\n|---|---|---|---|---|\n", all[0].name, all[1].name, all[2].name)
	var operations []string
	for _, r := range t {
		if !slices.Contains(operations, r.does) {
			operations = append(operations, r.does)
		}
	}
	for _, does := range operations {
		label := does
		for _, r := range t {
			if r.does == does {
				r.print(w, label)
				label = ""
			}
		}
	}
}

func (r row) print(w io.Writer, label string) {
	n := ""
	if r.versions > 0 {
		n = fmt.Sprint(r.versions)
	}
	fmt.Fprintf(w, "| %s | %s |", label, n)
	ours := median(r.took[0])
	for i, list := range r.took {
		m := median(list)
		fmt.Fprintf(w, " %s", text(m))
		if i > 0 {
			fmt.Fprintf(w, ", %s ×", ratio(float64(m)/float64(ours)))
		}
		fmt.Fprint(w, " |")
	}
	fmt.Fprintln(w)
}

func median(list []time.Duration) time.Duration {
	return slices.Sorted(slices.Values(list))[len(list)/2]
}

// text returns a duration with three digits at most.
func text(d time.Duration) string {
	unit := time.Duration(1)
	for d/unit >= 1000 {
		unit *= 10
	}
	text := d.Round(unit).String() // such as 1.23ms
	digits := strings.LastIndexAny(text, "0123456789") + 1
	return text[:digits] + " " + text[digits:]
}

// ratio returns a ratio with two digits at least.
func ratio(x float64) string {
	if x < 10 {
		return fmt.Sprintf("%.2g", x)
	}
	return fmt.Sprintf("%.0f", x)
}
