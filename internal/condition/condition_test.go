package condition_test

import (
	"strings"
	"testing"

	"github.com/ubunye-go/modelregistry/internal/condition"
	"github.com/ubunye-go/modelregistry/internal/decimal"
)

func TestSplit(t *testing.T) {
	for text, want := range map[string][3]string{
		"auc>=0.9":           {"auc", ">=", "0.9"},
		"f1 > .8":            {},
		" loss <= 1e-3 ":     {"loss", "<=", "1e-3"},
		"auc/region=eu=1":    {"auc/region=eu", "=", "1"},
		"auc/region=eu>=1":   {"auc/region=eu", ">=", "1"},
		"a b!=-2":            {"a b", "!=", "-2"},
		"n=9007199254740993": {"n", "=", "9007199254740993"},
		"n<2":                {"n", "<", "2"},
	} {
		metric, operator, number, err := condition.Split(text)
		if got := [3]string{metric, operator, number}; got != want || (err == nil) != (want != [3]string{}) {
			t.Errorf("%q is %q, %v; want %q", text, got, err, want)
		}
	}
	for text, want := range map[string]string{
		"": "column 1: want one of", "auc": "column 4: want one of", "auc ! 1": "column 5: want one of", ">=0.9": "column 1: want the name",
		"auc>=": "column 6: want a number", "auc >=  x": "column 9: want a number", "auc==1": "column 5: want one of", "auc=>1": "column 5: want one of",
		"auc>=NaN": "column 6: want a number",
	} {
		if _, _, _, err := condition.Split(text); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: got error %v, want one with %q", text, err, want)
		}
	}
}

func TestHolds(t *testing.T) {
	for _, tc := range []struct{ number, holds, fails string }{
		{"0.9", "= <= >=", "!= < >"},
		{"0.90", "= <= >=", "!= < >"},
		{"0.9000000000000000001", "!= > >=", "= < <="},
		{"0.8999999999999999999", "!= < <=", "= > >="},
	} {
		n, err := decimal.Parse(tc.number)
		if err != nil {
			t.Fatal(err)
		}
		for want, operators := range map[bool]string{true: tc.holds, false: tc.fails} {
			for _, operator := range strings.Fields(operators) {
				limit, err := condition.Parse(operator, "0.9")
				if err != nil || limit.Holds(n) != want {
					t.Errorf("%s %s 0.9 is %v, %v; want %v", tc.number, operator, limit.Holds(n), err, want)
				}
			}
		}
	}
}
