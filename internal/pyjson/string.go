package pyjson

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/bits"
	"unicode/utf16"
	"unicode/utf8"
)

const (
	ones  = 0x0101010101010101 // the lowest bit of each byte
	highs = 0x8080808080808080 // the highest bit of each byte
)

// AppendString appends s as Python writes it: in ASCII, with every character
// outside 0x20-0x7E escaped, in lower-case hex and surrogate pairs. It does not
// escape / < > and &.
func AppendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	if plainASCII(s) {
		return append(append(dst, s...), '"')
	}
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			dst = append(dst, '\\', byte(r))
		case r == '\b':
			dst = append(dst, `\b`...)
		case r == '\f':
			dst = append(dst, `\f`...)
		case r == '\n':
			dst = append(dst, `\n`...)
		case r == '\r':
			dst = append(dst, `\r`...)
		case r == '\t':
			dst = append(dst, `\t`...)
		case 0x20 <= r && r <= 0x7e:
			dst = append(dst, byte(r))
		case r > 0xffff:
			hi, lo := utf16.EncodeRune(r)
			dst = fmt.Appendf(dst, `\u%04x\u%04x`, hi, lo)
		default:
			dst = fmt.Appendf(dst, `\u%04x`, r)
		}
	}
	return append(dst, '"')
}

// Quote returns s as AppendString writes it.
func Quote(s string) []byte { return AppendString(nil, s) }

// Unquote returns the text of a valid raw string. A lone surrogate, which a
// Python string can contain and a Go string cannot, becomes U+FFFD.
func Unquote(raw []byte) string { return string(Text(raw)) }

// Text is Unquote without a copy where possible: if the string has no escapes,
// the result aliases raw.
func Text(raw []byte) []byte {
	in := raw[1 : len(raw)-1]
	if bytes.IndexByte(in, '\\') < 0 {
		return in
	}
	out := make([]byte, 0, len(in))
	for i := 0; i < len(in); i++ {
		if in[i] != '\\' {
			out = append(out, in[i])
			continue
		}
		i++
		switch in[i] {
		case 'b':
			out = append(out, '\b')
		case 'f':
			out = append(out, '\f')
		case 'n':
			out = append(out, '\n')
		case 'r':
			out = append(out, '\r')
		case 't':
			out = append(out, '\t')
		case 'u':
			r, _ := hex4(in[i+1 : i+5])
			i += 4
			if utf16.IsSurrogate(r) {
				low := rune(-1)
				if i+6 < len(in) && in[i+1] == '\\' && in[i+2] == 'u' {
					low, _ = hex4(in[i+3 : i+7])
				}
				if pair := utf16.DecodeRune(r, low); pair != utf8.RuneError {
					r, i = pair, i+6
				} else {
					r = utf8.RuneError
				}
			}
			out = utf8.AppendRune(out, r)
		default:
			out = append(out, in[i])
		}
	}
	return out
}

// Names reports whether a valid raw string has the given text.
func Names(raw []byte, text string) bool {
	if c := raw[1]; c != '\\' && text != "" && c != text[0] { // fast path
		return false
	}
	return string(Text(raw)) == text
}

// plainASCII reports whether s needs no escape.
func plainASCII(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < 0x20 || c > 0x7e || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

// appendRawString appends an ASCII string unchanged, with its escapes, because
// a lone surrogate has no other form. In any other string it escapes what is
// not ASCII.
func appendRawString(dst, raw []byte) []byte {
	if ascii(raw) {
		return append(dst, raw...)
	}
	for i := 0; i < len(raw); {
		from := i
		for i < len(raw) && raw[i] < 0x7f {
			i++
		}
		if dst = append(dst, raw[from:i]...); i == len(raw) {
			break
		}
		r, n := utf8.DecodeRune(raw[i:])
		if r > 0xffff {
			hi, lo := utf16.EncodeRune(r)
			dst = fmt.Appendf(dst, `\u%04x\u%04x`, hi, lo)
		} else {
			dst = fmt.Appendf(dst, `\u%04x`, r)
		}
		i += n
	}
	return dst
}

// ascii reports whether every byte of b is below 0x7f.
func ascii(b []byte) bool {
	if len(b) < 8 {
		for _, c := range b {
			if c >= 0x7f {
				return false
			}
		}
		return true
	}
	found := uint64(0)
	for i := 0; i < len(b); i += 8 {
		x := binary.LittleEndian.Uint64(b[min(i, len(b)-8):])
		found |= x | (x + ones)
	}
	return found&highs == 0
}

func str(b []byte, i int) (int, error) {
	start := i
	for i = special(b, i+1); i < len(b); i = special(b, i+1) {
		switch c := b[i]; {
		case c == '"':
			return i + 1, nil
		case c < 0x20:
			return i, fault(i, "control character in a string")
		case c == '\\':
			i++
			if i >= len(b) {
				return i, fault(start, "unterminated string")
			}
			switch b[i] {
			case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
			case 'u':
				if i+4 >= len(b) {
					return i, fault(start, "unterminated string")
				}
				if _, ok := hex4(b[i+1 : i+5]); !ok {
					return i, fault(i, "invalid \\u escape")
				}
				i += 4
			default:
				return i, fault(i, "invalid escape")
			}
		}
	}
	return i, fault(start, "unterminated string")
}

// special returns the offset of the first quote, backslash or control character
// from i on. These are the bytes that are special in a string.
func special(b []byte, i int) int {
	for ; len(b)-i >= 8; i += 8 {
		x := binary.LittleEndian.Uint64(b[i:])
		// low has quotes and spaces swapped: one test for bytes below '!' then
		// finds quotes and control characters.
		low, slash := x^(ones*2), x^(ones*'\\')
		// Only the lowest bit found is reliable: a higher one may be a carry.
		if found := ((low-ones*'!')&^low | (slash-ones)&^slash) & highs; found != 0 {
			return i + bits.TrailingZeros64(found)>>3
		}
	}
	for i < len(b) && b[i] >= ' ' && b[i] != '"' && b[i] != '\\' {
		i++
	}
	return i
}

func hex4(b []byte) (rune, bool) {
	var r rune
	for _, c := range b {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}
