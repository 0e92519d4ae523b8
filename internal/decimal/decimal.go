// Package decimal reads JSON numbers exactly, as they are written. It knows
// nothing of metrics.
package decimal

import (
	"errors"
	"fmt"
	"math/big"
	"strconv"
	"strings"
)

// MaxDigits bounds the length of a number in bytes.
const MaxDigits = 4096

// ErrNonFinite says that a number is NaN, infinite, or beyond every float64.
var ErrNonFinite = errors.New("it is not finite")

// Parse returns the exact value of a JSON number. A number that is too small
// for a float64 is 0.
func Parse(text string) (*big.Rat, error) {
	if len(text) > MaxDigits {
		return nil, fmt.Errorf("it has more than %d digits", MaxDigits)
	}
	if !isJSON(text) {
		switch text {
		case "NaN", "Infinity", "-Infinity":
			return nil, ErrNonFinite
		}
		return nil, errors.New("it is not a number")
	}
	near, err := strconv.ParseFloat(text, 64)
	switch {
	case err != nil && strings.ContainsAny(text, "eE"):
		return nil, ErrNonFinite
	case near == 0 && err == nil:
		return new(big.Rat), nil // also 1e-1000000000, whose exact form would fill the memory
	}
	exact, ok := new(big.Rat).SetString(text)
	if !ok {
		return nil, errors.New("it is not a number")
	}
	return exact, nil
}

// isJSON reports whether a text is a number in JSON.
func isJSON(text string) bool {
	rest := strings.TrimPrefix(text, "-")
	whole, rest := digits(rest)
	if whole == "" || len(whole) > 1 && whole[0] == '0' {
		return false
	}
	if after, ok := strings.CutPrefix(rest, "."); ok {
		var fraction string
		if fraction, rest = digits(after); fraction == "" {
			return false
		}
	}
	if rest != "" && (rest[0] == 'e' || rest[0] == 'E') {
		rest = rest[1:]
		if rest != "" && (rest[0] == '+' || rest[0] == '-') {
			rest = rest[1:]
		}
		var exponent string
		if exponent, rest = digits(rest); exponent == "" {
			return false
		}
	}
	return rest == ""
}

func digits(s string) (leading, rest string) {
	n := len(s) - len(strings.TrimLeft(s, "0123456789"))
	return s[:n], s[n:]
}
