package index

import "time"

// timeFormat is the format's own: microseconds, always with an offset.
const timeFormat = "2006-01-02T15:04:05.000000+00:00"

// FormatTime returns a time as events and entries have it.
func FormatTime(t time.Time) string { return t.UTC().Format(timeFormat) }

// parseTime reads a time that FormatTime, Python or another program wrote.
func parseTime(text []byte) (t time.Time, err error) {
	if t.UnmarshalText(text) != nil { // which is stricter, and takes no memory
		t, err = time.Parse(time.RFC3339Nano, string(text))
	}
	return t.UTC(), err
}
