package decimal

import (
	"math"
	"math/big"
	"strconv"
)

// Difference returns b - a for two JSON numbers. ok is false unless both
// numbers and the difference are finite. It subtracts integers of up to
// MaxDigits digits exactly, because a float64 can't hold all of them, and other
// numbers as float64.
func Difference(a, b string) (d float64, ok bool) {
	if len(a) <= MaxDigits && len(b) <= MaxDigits {
		i, isIntA := new(big.Int).SetString(a, 10)
		j, isIntB := new(big.Int).SetString(b, 10)
		if isIntA && isIntB {
			d, _ = new(big.Float).SetInt(j.Sub(j, i)).Float64()
			return d, !math.IsInf(d, 0)
		}
	}
	x, errA := strconv.ParseFloat(a, 64)
	y, errB := strconv.ParseFloat(b, 64)
	if errA != nil || errB != nil {
		return 0, false
	}
	d = y - x
	return d, !math.IsNaN(d) && !math.IsInf(d, 0)
}
