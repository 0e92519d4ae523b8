package cli

import (
	"errors"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// timeForms is for the help of flags that take a time.
const timeForms = "2026-11-01, 2026-11-01T12:00:00Z, or an age like 36h or 90d"

// timeFlag adds a flag that takes a time, a date or an age.
func timeFlag(cmd *cobra.Command, t *time.Time, name, usage string) {
	cmd.Flags().Func(name, usage, func(s string) (err error) {
		*t, err = parseTime(s, time.Now())
		return err
	})
}

// parseTime reads a time, a date, which means its start in UTC, or an age,
// which counts back from now.
func parseTime(s string, now time.Time) (time.Time, error) {
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(layout, s); err == nil && !t.IsZero() { // a zero time means none
			return t, nil
		}
	}
	if age, err := parseAge(s); err == nil {
		return now.Add(-age), nil
	}
	return time.Time{}, errors.New("want a time like 2026-11-01T12:00:00Z, a date like 2026-11-01, or an age like 36h or 90d")
}

// day is the longest unit of an age. Months and years have no fixed length.
const day = 24 * time.Hour

// parseAge reads a duration as Go writes it, such as 36h or 1h30m, or a number
// of days, such as 90d.
func parseAge(s string) (time.Duration, error) {
	age, err := time.ParseDuration(s)
	if days, found := strings.CutSuffix(s, "d"); found {
		var n float64
		n, err = strconv.ParseFloat(days, 64)
		if age = time.Duration(n * float64(day)); err == nil && !(n*float64(day) < math.MaxInt64) {
			err = strconv.ErrRange
		}
	}
	if err != nil || age <= 0 {
		return 0, errors.New("want more than 0, like 36h or 90d")
	}
	return age, nil
}
