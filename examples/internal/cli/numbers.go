package cli

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"time"
)

// maxFixed is the largest number that is written with decimals. In a larger
// number the decimals would be digits that were not measured.
const maxFixed = 1e15

// number formats a metric: an integer as it was stored, another number with the
// given number of decimals.
func number(value any, decimals int) string {
	n, ok := value.(json.Number)
	if !ok {
		return plain(value)
	}
	f, err := n.Float64()
	if isInteger(n) || err != nil || math.IsNaN(f) || math.Abs(f) >= maxFixed {
		return n.String()
	}
	return strconv.FormatFloat(f, 'f', decimals, 64)
}

func isInteger(value any) bool {
	n, ok := value.(json.Number)
	return ok && strings.Trim(string(n), "-0123456789") == ""
}

// shortTime formats a time for people.
func shortTime(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format(time.RFC3339)
}

// orDash returns a dash for an empty cell.
func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
