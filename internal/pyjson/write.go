package pyjson

import (
	"bytes"
	"encoding"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"
	"unicode/utf8"
)

// ErrNonFinite matches the error for a NaN or an infinity where none is
// allowed.
var ErrNonFinite = errors.New("not a finite number")

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

// plainASCII reports whether s needs no escape.
func plainASCII(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < 0x20 || c > 0x7e || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

// Quote returns s as AppendString writes it.
func Quote(s string) []byte { return AppendString(nil, s) }

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

// Marshal returns the compact encoding of v, with the keys of a map sorted.
// encoding/json encodes structs and other types that this package does not
// handle. If finite is set, a NaN or an infinity is an error that matches
// ErrNonFinite and contains the path to the value.
func Marshal(v any, finite bool) ([]byte, error) {
	e := encoder{finite: finite}
	raw, err := e.append(nil, reflect.ValueOf(v), "")
	if err != nil {
		return nil, err
	}
	// The value will be put into other values, and must not be nested too deep
	// there.
	if _, err := value(raw, 0, outerDepth); err != nil {
		return nil, err
	}
	return raw, nil
}

// outerDepth is the largest number of values that a marshalled value may be put
// into.
const outerDepth = 20

type encoder struct {
	finite bool
	depth  int
}

func (e *encoder) append(dst []byte, v reflect.Value, path string) ([]byte, error) {
	if e.depth++; e.depth > maxDepth {
		return nil, fmt.Errorf("%s: nested too deep", subject(path))
	}
	defer func() { e.depth-- }()
	if !v.IsValid() {
		return append(dst, "null"...), nil
	}
	if v.CanInterface() {
		switch x := v.Interface().(type) {
		case json.Number:
			return e.number(dst, x, path)
		case time.Duration:
			return strconv.AppendInt(dst, int64(x), 10), nil
		case json.Marshaler, encoding.TextMarshaler:
			return e.standard(dst, x, path)
		}
	}
	switch v.Kind() {
	case reflect.Bool:
		return strconv.AppendBool(dst, v.Bool()), nil
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return strconv.AppendInt(dst, v.Int(), 10), nil
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		return strconv.AppendUint(dst, v.Uint(), 10), nil
	case reflect.Float32, reflect.Float64:
		f := v.Float()
		if e.finite && (math.IsNaN(f) || math.IsInf(f, 0)) {
			return nil, fmt.Errorf("%s is %s: %w", subject(path), Float(f), ErrNonFinite)
		}
		return append(dst, float(f, v.Type().Bits())...), nil
	case reflect.String:
		return AppendString(dst, v.String()), nil
	case reflect.Interface, reflect.Pointer:
		if v.IsNil() {
			return append(dst, "null"...), nil
		}
		return e.append(dst, v.Elem(), path)
	case reflect.Slice:
		if v.IsNil() {
			return append(dst, "null"...), nil
		}
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return e.standard(dst, v.Interface(), path)
		}
		return e.list(dst, v, path)
	case reflect.Array:
		return e.list(dst, v, path)
	case reflect.Map:
		if v.Type().Key().Kind() == reflect.String {
			return e.object(dst, v, path)
		}
	}
	if !v.CanInterface() {
		return nil, fmt.Errorf("%s: %s has no JSON form", subject(path), v.Type())
	}
	return e.standard(dst, v.Interface(), path)
}

// subject returns the subject of an error: the path to a value, or "value" for
// the whole.
func subject(path string) string {
	if path == "" {
		return "value"
	}
	return path
}

func (e *encoder) number(dst []byte, n json.Number, path string) ([]byte, error) {
	if n == "" {
		return nil, fmt.Errorf("%s: empty number", subject(path))
	}
	if end, err := number([]byte(n), 0); n != "NaN" && n != "Infinity" && (err != nil || end != len(n)) {
		return nil, fmt.Errorf("%s: %q is not a number", subject(path), string(n))
	}
	if f, _ := n.Float64(); e.finite && (math.IsNaN(f) || math.IsInf(f, 0)) && !integer(n) {
		return nil, fmt.Errorf("%s is %s: %w", subject(path), n, ErrNonFinite)
	}
	return append(dst, n...), nil
}

// integer reports whether n is written as an integer. Such a number is finite,
// even if it is too large for a float64.
func integer(n json.Number) bool { return !strings.ContainsAny(string(n), ".eENI") }

func (e *encoder) list(dst []byte, v reflect.Value, path string) ([]byte, error) {
	dst = append(dst, '[')
	for i := range v.Len() {
		if i > 0 {
			dst = append(dst, ',')
		}
		var err error
		if dst, err = e.append(dst, v.Index(i), fmt.Sprintf("%s[%d]", path, i)); err != nil {
			return nil, err
		}
	}
	return append(dst, ']'), nil
}

func (e *encoder) object(dst []byte, v reflect.Value, path string) ([]byte, error) {
	if v.IsNil() {
		return append(dst, "null"...), nil
	}
	keys := v.MapKeys()
	slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
	dst = append(dst, '{')
	for i, k := range keys {
		if i > 0 {
			dst = append(dst, ',')
		}
		if !utf8.ValidString(k.String()) { // escaping could make two such keys equal
			return nil, fmt.Errorf("%s: the key %q is not valid UTF-8", subject(path), k.String())
		}
		dst = append(AppendString(dst, k.String()), ':')
		sub := k.String()
		if path != "" {
			sub = path + "." + sub
		}
		var err error
		if dst, err = e.append(dst, v.MapIndex(k), sub); err != nil {
			return nil, err
		}
	}
	return append(dst, '}'), nil
}

// standard appends v as encoding/json encodes it, but compact and in ASCII.
func (e *encoder) standard(dst []byte, v any, path string) ([]byte, error) {
	var buf bytes.Buffer
	plain := json.NewEncoder(&buf)
	plain.SetEscapeHTML(false)
	if err := plain.Encode(v); err != nil {
		var unsupported *json.UnsupportedValueError
		if errors.As(err, &unsupported) && slices.Contains([]string{"NaN", "+Inf", "-Inf"}, unsupported.Str) {
			return nil, fmt.Errorf("%s is %s: %w", subject(path), unsupported.Str, ErrNonFinite)
		}
		return nil, fmt.Errorf("%s: %w", subject(path), err)
	}
	return Compact(dst, buf.Bytes()), nil
}

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

// Indent appends the valid value raw in the layout of json.dumps(…, indent=2).
// Each line but the first starts with prefix.
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

// Equal reports whether two valid values differ at most in white space and in
// the escaping of characters that are not ASCII.
func Equal(a, b []byte) bool {
	return bytes.Equal(a, b) || bytes.Equal(Compact(nil, a), Compact(nil, b))
}

// Same is Equal, but ignores the order of the members of an object.
func Same(a, b []byte) bool {
	return Equal(a, b) || bytes.Equal(sorted(nil, a), sorted(nil, b))
}

// sorted appends raw as Compact does, with the members of objects sorted by key
// and a comma after every element.
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
	return Compact(dst, raw)
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
