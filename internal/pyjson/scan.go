// Package pyjson reads and writes JSON as Python's json module does. It does
// not know what a document means.
//
// encoding/json does not suit a document that a Python program shares. It
// refuses the literals NaN, Infinity and -Infinity, changes integers beyond
// 2^53, sorts keys, and ignores the case of keys. This package splits a
// document into raw values and decodes only the values that a caller asks for.
package pyjson

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/bits"
)

// maxDepth bounds nesting. Python's own reader fails near a depth of a
// thousand.
const maxDepth = 1000

// A SyntaxError is the first fault in a text that is not JSON.
type SyntaxError struct {
	Offset int64 // the number of bytes before the fault
	Reason string
}

func (e *SyntaxError) Error() string { return fmt.Sprintf("%s at offset %d", e.Reason, e.Offset) }

func fault(i int, reason string) error { return &SyntaxError{Offset: int64(i), Reason: reason} }

// A Member is one key of an object with its raw value. Raw and Value alias the
// text of the object.
type Member struct {
	Key   string
	Raw   []byte // the key with its quotes and escapes; it keeps a lone surrogate
	Value []byte
	Start int // offset of the key's opening quote in the text
	At    int // offset of Value in the text
}

// Object returns the members of the object that is all of b, in the order of
// the text. A key that occurs twice is two members; in Python, the last one
// counts.
func Object(b []byte) ([]Member, error) {
	var members []Member
	err := Walk(b, func(start, end, at int) (int, error) {
		stop, err := value(b, at, 1)
		if err == nil {
			members = append(members, member(b, start, end, at, stop))
		}
		return stop, err
	})
	if err != nil {
		return nil, err
	}
	return members, nil
}

func member(b []byte, start, end, at, stop int) Member {
	return Member{Key: Unquote(b[start:end]), Raw: b[start:end:end], Value: b[at:stop:stop], Start: start, At: at}
}

// Walk is Members for the object that is all of b.
func Walk(b []byte, each func(start, end, at int) (stop int, err error)) error {
	i := space(b, 0)
	if i >= len(b) || b[i] != '{' {
		return fault(i, "want an object")
	}
	end, err := Members(b, i, 0, each)
	if err != nil {
		return err
	}
	if end = space(b, end); end != len(b) {
		return fault(end, "trailing bytes")
	}
	return nil
}

// Valid returns nil if b is one JSON value, and otherwise a *SyntaxError with
// its first fault.
func Valid(b []byte) error {
	end, err := value(b, space(b, 0), 0)
	if err != nil {
		return err
	}
	if end = space(b, end); end != len(b) {
		return fault(end, "trailing bytes")
	}
	return nil
}

// Array returns the raw elements of the list that is all of b.
func Array(b []byte) ([][]byte, error) {
	i := space(b, 0)
	if i >= len(b) || b[i] != '[' {
		return nil, fault(i, "want a list")
	}
	var elems [][]byte
	end, err := array(b, i, 0, func(raw []byte) { elems = append(elems, raw) })
	if err != nil {
		return nil, err
	}
	if end = space(b, end); end != len(b) {
		return nil, fault(end, "trailing bytes")
	}
	return elems, nil
}

// space returns the offset of the first byte from i on that is not white space.
// It compares eight bytes at once, because documents have long indents.
func space(b []byte, i int) int {
	for i < len(b) && b[i] <= ' ' {
		switch b[i] {
		case ' ', '\n':
			if len(b)-i < 8 {
				i++
				continue
			}
			blank := uint64(ones * ' ')
			if b[i] == '\n' {
				blank ^= '\n' ^ ' ' // the first byte is the newline
			}
			i += bits.TrailingZeros64(binary.LittleEndian.Uint64(b[i:])^blank) >> 3
		case '\t', '\r':
			i++
		default:
			return i
		}
	}
	return i
}

// value returns the offset after the value that starts at i. depth is the
// number of values around it.
func value(b []byte, i, depth int) (int, error) {
	if i >= len(b) {
		return i, fault(i, "unexpected end")
	}
	switch b[i] {
	case '{':
		return object(b, i, depth, nil)
	case '[':
		return array(b, i, depth, nil)
	case '"':
		return str(b, i)
	case 't':
		return literal(b, i, "true")
	case 'f':
		return literal(b, i, "false")
	case 'n':
		return literal(b, i, "null")
	case 'N':
		return literal(b, i, "NaN")
	case 'I':
		return literal(b, i, "Infinity")
	}
	return number(b, i)
}

func literal(b []byte, i int, word string) (int, error) {
	if bytes.HasPrefix(b[i:], []byte(word)) {
		return i + len(word), nil
	}
	return i, fault(i, "unknown literal")
}

func object(b []byte, i, depth int, each func(Member)) (int, error) {
	return Members(b, i, depth, func(start, end, at int) (int, error) {
		stop, err := value(b, at, depth+1)
		if err == nil && each != nil {
			each(member(b, start, end, at, stop))
		}
		return stop, err
	})
}

// Members calls each for every member of the object that starts at i, and
// returns the offset after the object. each receives the start and the end of
// the key and the start of the value. It returns the end of the value, which it
// finds by Skip or by parsing the value. depth is the number of values around
// the object.
func Members(b []byte, i, depth int, each func(start, end, at int) (stop int, err error)) (int, error) {
	if depth > maxDepth {
		return i, fault(i, "nested too deep")
	}
	i = space(b, i+1)
	if i < len(b) && b[i] == '}' {
		return i + 1, nil
	}
	return MembersFrom(b, i, each)
}

// MembersFrom is Members for the rest of an object, from the key at i on.
func MembersFrom(b []byte, i int, each func(start, end, at int) (stop int, err error)) (int, error) {
	for {
		if i >= len(b) || b[i] != '"' {
			return i, fault(i, "want a key")
		}
		start := i
		end, err := str(b, i)
		if err != nil {
			return end, err
		}
		i = space(b, end)
		if i >= len(b) || b[i] != ':' {
			return i, fault(i, "want a colon")
		}
		if i, err = each(start, end, space(b, i+1)); err != nil {
			return i, err
		}
		i = space(b, i)
		if i >= len(b) {
			return i, fault(i, "unexpected end")
		}
		switch b[i] {
		case ',':
			i = space(b, i+1)
		case '}':
			return i + 1, nil
		default:
			return i, fault(i, "want a comma or a closing brace")
		}
	}
}

// Skip returns the offset after the value that starts at i. depth is the number
// of values around it.
func Skip(b []byte, i, depth int) (int, error) { return value(b, i, depth) }

// Space returns the offset of the first byte from i on that is not white space.
func Space(b []byte, i int) int { return space(b, i) }

func array(b []byte, i, depth int, each func([]byte)) (int, error) {
	if depth > maxDepth {
		return i, fault(i, "nested too deep")
	}
	i = space(b, i+1)
	if i < len(b) && b[i] == ']' {
		return i + 1, nil
	}
	for {
		at := i
		var err error
		i, err = value(b, at, depth+1)
		if err != nil {
			return i, err
		}
		if each != nil {
			each(b[at:i:i])
		}
		i = space(b, i)
		if i >= len(b) {
			return i, fault(i, "unexpected end")
		}
		switch b[i] {
		case ',':
			i = space(b, i+1)
		case ']':
			return i + 1, nil
		default:
			return i, fault(i, "want a comma or a closing bracket")
		}
	}
}
