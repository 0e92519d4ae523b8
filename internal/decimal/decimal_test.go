package decimal_test

import (
	"math/big"
	"strings"
	"testing"

	"github.com/ubunye-go/modelregistry/internal/decimal"
)

func TestParse(t *testing.T) {
	for text, want := range map[string]string{
		"0": "0", "-0": "0", "0.1": "1/10", "0.30": "3/10", "1e2": "100", "1E+2": "100", "25e-2": "1/4", "-1.5": "-3/2",
		"9007199254740993": "9007199254740993", "0.12345678901234567890": "12345678901234567890/100000000000000000000",
		"1e-1000000000": "0", "0e1000000000": "0", "1" + strings.Repeat("0", 400): "1" + strings.Repeat("0", 400),
	} {
		exact, ok := new(big.Rat).SetString(want)
		if !ok {
			t.Fatal(want)
		}
		if got, err := decimal.Parse(text); err != nil || got.Cmp(exact) != 0 {
			t.Errorf("%s is %v, %v; want %s", text, got, err, want)
		}
	}
	for _, text := range []string{"", "-", "+1", "01", ".5", "1.", "1e", "0x10", "1_000", "1/2", " 1", "NaN", "Infinity", "-Infinity", "Inf", "nan",
		"1e309", "-1e1000000000", strings.Repeat("9", 5000)} {
		if got, err := decimal.Parse(text); err == nil {
			t.Errorf("%.20q is %v, want an error", text, got)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, text := range []string{"0.1", "1e5", "-3", "1e-400", "x"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := decimal.Parse(text)
		if err == nil && got.Sign() != 0 {
			if exact, ok := new(big.Rat).SetString(text); !ok || exact.Cmp(got) != 0 {
				t.Errorf("%q is %v, want %v", text, got, exact)
			}
		}
	})
}

func TestDifference(t *testing.T) {
	for _, test := range []struct {
		a, b string
		want float64
		ok   bool
	}{
		{"1", "3", 2, true}, {"0.5", "0.75", 0.25, true}, {"1", "0.5", -0.5, true},
		{"9007199254740992", "9007199254740993", 1, true}, // a float64 can't hold the second
		{"NaN", "1", 0, false}, {"1", "Infinity", 0, false}, {"x", "1", 0, false},
		{"0", strings.Repeat("9", 400), 0, false}, {"-1e308", "1e308", 0, false},
	} {
		if got, ok := decimal.Difference(test.a, test.b); ok != test.ok || ok && got != test.want {
			t.Errorf("%.20s to %.20s is %v, %v; want %v, %v", test.a, test.b, got, ok, test.want, test.ok)
		}
	}
}
