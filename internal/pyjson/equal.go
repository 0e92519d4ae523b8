package pyjson

import (
	"bytes"
	"encoding/json"
	"slices"
)

// Equal reports whether two valid values differ at most in white space and in
// the escaping of characters that are not ASCII.
func Equal(a, b []byte) bool {
	return bytes.Equal(a, b) || bytes.Equal(Compact(nil, a), Compact(nil, b))
}

// Same is Equal, but ignores the order of the members of an object and the
// spelling of numbers. Two numbers are the same if Python writes them alike
// after reading them: 1e5 and 100000.0 are, the integer 1 and the float 1.0 are
// not.
func Same(a, b []byte) bool {
	return Equal(a, b) || bytes.Equal(sorted(nil, a), sorted(nil, b))
}

// sorted appends raw as Compact does, with the members of objects sorted by
// key, numbers as Python writes them, and a comma after every element.
func sorted(dst, raw []byte) []byte {
	at := space(raw, 0)
	if at == len(raw) {
		return dst
	}
	switch raw[at] {
	case '{':
		var members [][2][]byte // key and value
		Members(raw, at, 0, func(start, end, at int) (int, error) {
			stop, err := Skip(raw, at, 1)
			members = append(members, [2][]byte{Compact(nil, raw[start:end]), raw[at:stop]})
			return stop, err
		})
		slices.SortStableFunc(members, func(a, b [2][]byte) int { return bytes.Compare(a[0], b[0]) })
		dst = append(dst, '{')
		for _, m := range members {
			dst = append(sorted(append(append(dst, m[0]...), ':'), m[1]), ',')
		}
		return append(dst, '}')
	case '[':
		dst = append(dst, '[')
		array(raw, at, 0, func(element []byte) { dst = append(sorted(dst, element), ',') })
		return append(dst, ']')
	}
	if c := raw[at]; c == '-' || '0' <= c && c <= '9' {
		end, _ := number(raw, at)
		return append(dst, respelled(json.Number(raw[at:end]))...)
	}
	return Compact(dst, raw)
}
