package pyjson

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"
)

// Float formats f as Python's repr does: the shortest digits that read back as
// f, always with a point or an exponent. It uses an exponent below 1e-4 and
// from 1e16 on.
func Float(f float64) string { return float(f, 64) }

func float(f float64, bits int) string {
	switch {
	case math.IsNaN(f):
		return "NaN"
	case math.IsInf(f, 1):
		return "Infinity"
	case math.IsInf(f, -1):
		return "-Infinity"
	}
	s := strconv.FormatFloat(f, 'e', -1, bits)
	exponent, _ := strconv.Atoi(s[strings.IndexByte(s, 'e')+1:])
	if exponent < -4 || exponent >= 16 {
		return s
	}
	s = strconv.FormatFloat(f, 'f', -1, bits)
	if !strings.Contains(s, ".") {
		s += ".0"
	}
	return s
}

// respelled returns n as Python writes it after reading it: 0.91 for 0.910, and
// 100000.0 for 1e5. Python reads a number with a point or an exponent as a
// float64, and one beyond the range as an infinity.
func respelled(n json.Number) string {
	switch {
	case n == "-0":
		return "0"
	case integer(n):
		return string(n)
	}
	f, _ := n.Float64()
	return Float(f)
}

func number(b []byte, i int) (int, error) {
	start := i
	if b[i] == '-' {
		i++
		if i < len(b) && b[i] == 'I' {
			return literal(b, i, "Infinity")
		}
	}
	first := i
	if i < len(b) && b[i] == '0' {
		i++
	} else if i = digits(b, i); i == first {
		return start, fault(start, "want a value")
	}
	if i < len(b) && b[i] == '.' {
		first = i + 1
		if i = digits(b, first); i == first {
			return start, fault(start, "invalid number")
		}
	}
	if i < len(b) && (b[i] == 'e' || b[i] == 'E') {
		i++
		if i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		first = i
		if i = digits(b, first); i == first {
			return start, fault(start, "invalid number")
		}
	}
	return i, nil
}

func digits(b []byte, i int) int {
	for i < len(b) && '0' <= b[i] && b[i] <= '9' {
		i++
	}
	return i
}

// integer reports whether n is written as an integer. Such a number is finite,
// even if it is too large for a float64.
func integer(n json.Number) bool { return !strings.ContainsAny(string(n), ".eENI") }
