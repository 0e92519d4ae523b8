package pyjson

import (
	"bytes"
	"slices"
)

// Compact appends the valid value raw on one line: without white space between
// tokens, with strings in ASCII and unchanged numbers.
func Compact(dst, raw []byte) []byte {
	dst = slices.Grow(dst, len(raw))
	for i := 0; i < len(raw); {
		switch c := raw[i]; c {
		case ' ', '\n', '\t', '\r':
			i = space(raw, i)
		case '"':
			end, _ := str(raw, i)
			dst = appendRawString(dst, raw[i:end])
			i = end
		default:
			dst = append(dst, c)
			i++
		}
	}
	return dst
}

// Indent appends the valid value raw in the layout of json.dumps(…,
// indent=2). Each line but the first starts with prefix.
func Indent(dst, raw []byte, prefix string) []byte {
	depth, lines := 0, bytes.Count(raw, []byte{','})+2*bytes.Count(raw, []byte{'{'})+2*bytes.Count(raw, []byte{'['})
	dst = slices.Grow(dst, len(raw)+lines*(len(prefix)+len("\n    ")))
	newline := func(dst []byte) []byte {
		dst = append(append(dst, '\n'), prefix...)
		for range depth {
			dst = append(dst, ' ', ' ')
		}
		return dst
	}
	for i := 0; i < len(raw); {
		switch c := raw[i]; c {
		case ' ', '\n', '\t', '\r':
			i++
		case '{', '[':
			dst = append(dst, c)
			if next := space(raw, i+1); next < len(raw) && (raw[next] == '}' || raw[next] == ']') {
				dst = append(dst, raw[next])
				i = next + 1
				continue
			}
			depth++
			dst = newline(dst)
			i++
		case '}', ']':
			depth--
			dst = append(newline(dst), c)
			i++
		case ',':
			dst = newline(append(dst, c))
			i++
		case ':':
			dst = append(dst, ':', ' ')
			i++
		case '"':
			end, _ := str(raw, i)
			dst = appendRawString(dst, raw[i:end])
			i = end
		default:
			dst = append(dst, c)
			i++
		}
	}
	return dst
}

// Indented returns the number of bytes that Indent makes of a compact value.
// prefix is the length of the prefix.
func Indented(raw []byte, prefix int) int {
	n, depth := len(raw), 0
	for i := 0; i < len(raw); i++ {
		switch raw[i] {
		case '"':
			end, _ := str(raw, i)
			i = end - 1
		case '{', '[':
			if next := raw[i+1]; next == '}' || next == ']' {
				i++
				continue
			}
			depth++
			n += len("\n") + prefix + 2*depth
		case '}', ']':
			depth--
			n += len("\n") + prefix + 2*depth
		case ',':
			n += len("\n") + prefix + 2*depth
		case ':':
			n += len(" ")
		}
	}
	return n
}

// Finite appends raw as Compact does, with null in place of non-finite
// literals, for readers of standard JSON.
func Finite(dst, raw []byte) []byte {
	for i := 0; i < len(raw); {
		switch c := raw[i]; c {
		case '"':
			end, _ := str(raw, i)
			dst = appendRawString(dst, raw[i:end])
			i = end
		case 'N', 'I', '-':
			end, _ := value(raw, i, 0)
			if last := raw[end-1]; last == 'N' || last == 'y' {
				dst = append(dst, "null"...)
			} else {
				dst = append(dst, raw[i:end]...)
			}
			i = end
		case ' ', '\n', '\t', '\r':
			i++
		default:
			dst = append(dst, c)
			i++
		}
	}
	return dst
}
