// Package condition compares numbers with a limit, as "auc>=0.9" says it. It
// knows nothing of versions.
package condition

import (
	"fmt"
	"math/big"
	"slices"
	"strings"

	"github.com/ubunye-go/modelregistry/internal/decimal"
)

// Operators are all comparisons.
var Operators = []string{"=", "!=", "<", "<=", ">", ">="}

// Split splits a condition into a metric, an operator and a number, at its last
// operator, because the name of a metric may hold one, as "auc/region=eu" does.
// An error gives the column, in bytes from 1, at which the text is wrong.
func Split(text string) (metric, operator, number string, err error) {
	const marks = "=!<>"
	end := strings.LastIndexAny(text, marks) + 1
	at := end - 1
	if at > 0 && text[at] == '=' && strings.IndexByte("!<>", text[at-1]) >= 0 {
		at--
	}
	if end == 0 {
		at, end = len(text), len(text)
	}
	operator = text[at:end]
	if !slices.Contains(Operators, operator) || at > 0 && strings.IndexByte(marks, text[at-1]) >= 0 {
		return "", "", "", fmt.Errorf("column %d: want one of %s", at+1, strings.Join(Operators, " "))
	}
	if metric = strings.TrimSpace(text[:at]); metric == "" {
		return "", "", "", fmt.Errorf("column %d: want the name of a metric", at+1)
	}
	after := text[end:]
	number = strings.TrimSpace(after)
	if _, err := decimal.Parse(number); err != nil {
		column := len(text) - len(strings.TrimLeft(after, " \t")) + 1
		return "", "", "", fmt.Errorf("column %d: want a number after %s: %w", column, operator, err)
	}
	return metric, operator, number, nil
}

// A Limit is a parsed condition on one number.
type Limit struct {
	operator string
	value    *big.Rat
}

// Parse returns the limit that an operator and a number make.
func Parse(operator, number string) (Limit, error) {
	if !slices.Contains(Operators, operator) {
		return Limit{}, fmt.Errorf("operator %q: want one of %s", operator, strings.Join(Operators, " "))
	}
	value, err := decimal.Parse(number)
	if err != nil {
		return Limit{}, fmt.Errorf("number %q: %w", number, err)
	}
	return Limit{operator, value}, nil
}

// Holds reports whether a number fulfils the condition. The comparison is
// exact.
func (l Limit) Holds(n *big.Rat) bool {
	c := n.Cmp(l.value)
	switch l.operator {
	case "=":
		return c == 0
	case "!=":
		return c != 0
	case "<":
		return c < 0
	case "<=":
		return c <= 0
	case ">":
		return c > 0
	default:
		return c >= 0
	}
}
