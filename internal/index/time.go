package index

import "time"

// timeFormat is the layout of times in the format: microseconds, always with an
// offset.
const timeFormat = "2006-01-02T15:04:05.000000+00:00"

// FormatTime returns a time in the layout of events and entries.
func FormatTime(t time.Time) string { return t.UTC().Format(timeFormat) }

// parseTime reads a time that FormatTime, Python or another program wrote.
func parseTime(text []byte) (t time.Time, err error) {
	if t.UnmarshalText(text) != nil { // UnmarshalText is stricter, and allocates no memory
		t, err = time.Parse(time.RFC3339Nano, string(text))
	}
	return t.UTC(), err
}
