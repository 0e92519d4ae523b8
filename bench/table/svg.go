package main

import (
	"bytes"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// curves draws the time of operations over the number of versions, with both
// scales logarithmic, as an SVG.
func curves(results []result) []byte {
	const width, height, left, top = 640, 400, 80, 30
	x := func(n float64) float64 { return left + (math.Log10(n)-1)/4*(width-left-150) }
	y := func(ns float64) float64 { return height - 50 - (math.Log10(ns)-3)/5.5*(height-50-top) }
	var b bytes.Buffer
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="12">`+"\n", width, height)
	fmt.Fprintf(&b, `<rect width="%d" height="%d" fill="white"/>`+"\n", width, height)
	for i, name := range []string{"1 µs", "10 µs", "100 µs", "1 ms", "10 ms", "100 ms"} {
		at := y(math.Pow10(i + 3))
		fmt.Fprintf(&b, `<path d="M%d %.1fH%.1f" stroke="#ddd"/><text x="%d" y="%.1f" text-anchor="end">%s</text>`+"\n",
			left, at, x(100_000), left-8, at+4, name)
	}
	for i, name := range []string{"10", "100", "1,000", "10,000", "100,000"} {
		fmt.Fprintf(&b, `<text x="%.1f" y="%d" text-anchor="middle">%s</text>`+"\n", x(math.Pow10(i+1)), height-30, name)
	}
	fmt.Fprintf(&b, `<text x="%.1f" y="%d" text-anchor="middle">versions of the model</text>`+"\n", x(1000), height-10)
	for _, c := range []struct{ name, label, color string }{
		{"Register", "register", "#c0392b"}, {"Promote", "promote", "#2471a3"},
		{"GetFresh", "get, fresh process", "#888888"}, {"Get", "get", "#1e8449"},
	} {
		path, end := "M", 0.0
		for _, r := range results {
			name, size, _ := strings.Cut(r.name, "/")
			n, err := strconv.ParseFloat(size, 64)
			if name != c.name || err != nil {
				continue
			}
			end = y(r.values["ns/op"])
			path += fmt.Sprintf("%.1f %.1fL", x(n), end)
			fmt.Fprintf(&b, `<circle cx="%.1f" cy="%.1f" r="3" fill="%s"/>`+"\n", x(n), end, c.color)
		}
		fmt.Fprintf(&b, `<path d="%s" fill="none" stroke="%s" stroke-width="2"/><text x="%.1f" y="%.1f" fill="%s">%s</text>`+"\n",
			strings.TrimSuffix(path, "L"), c.color, x(100_000)+8, end+4, c.color, c.label)
	}
	b.WriteString("</svg>\n")
	return b.Bytes()
}
