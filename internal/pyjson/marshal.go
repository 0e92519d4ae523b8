package pyjson

import (
	"bytes"
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// ErrNonFinite matches the error for a NaN or an infinity where none is
// allowed.
var ErrNonFinite = errors.New("not a finite number")

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
