package cli

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/ubunye-go/modelregistry"
)

// barAfter is how long an operation must take before a bar is drawn.
const barAfter = 500 * time.Millisecond

// redrawAfter is the least time between two drawings.
const redrawAfter = 50 * time.Millisecond

// progressBar draws the progress of a long operation on one version's files if
// w is a terminal. Otherwise it returns nil. clear removes the bar.
func progressBar(w io.Writer) (draw func(modelregistry.Progress), clear func()) {
	show, clear := statusLine(w)
	if show == nil {
		return nil, clear
	}
	return func(p modelregistry.Progress) {
		if p.Total > 0 {
			show(func(time.Duration) string { return bar(p) })
		}
	}, clear
}

// statusLine shows a line that changes during a long operation if w is a
// terminal. Otherwise it returns nil. The text may depend on the time that the
// operation has taken so far. clear removes the line.
func statusLine(w io.Writer) (show func(text func(elapsed time.Duration) string), clear func()) {
	f, ok := w.(*os.File)
	if !ok {
		return nil, func() {}
	}
	if info, err := f.Stat(); err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return nil, func() {}
	}
	start, drawn := time.Now(), time.Time{}
	show = func(text func(time.Duration) string) {
		if time.Since(start) < barAfter || time.Since(drawn) < redrawAfter {
			return
		}
		drawn = time.Now()
		fmt.Fprint(w, "\r"+text(time.Since(start))+"\x1b[K")
	}
	return show, func() {
		if !drawn.IsZero() {
			fmt.Fprint(w, "\r\x1b[K")
		}
	}
}

// bar returns a line that shows the completed part of the work. It counts the
// bytes hashed, because each byte is hashed once, as its last step.
func bar(p modelregistry.Progress) string {
	return fmt.Sprintf("%s %d of %d MB", gauge(float64(p.Hashed)/float64(p.Total)), p.Hashed>>20, p.Total>>20)
}

// gauge draws a fraction.
func gauge(fraction float64) string {
	const width = 30
	done := int(width * min(fraction, 1))
	return "[" + strings.Repeat("=", done) + strings.Repeat(" ", width-done) + "]"
}

// verifyBar returns a line that shows how far a verification is, and about how
// long it will still take.
func verifyBar(p modelregistry.VerifyProgress, elapsed time.Duration) string {
	line := gauge(p.Fraction())
	if p.Models > 1 {
		line += fmt.Sprintf(" model %d of %d,", p.Number, p.Models)
	}
	line += fmt.Sprintf(" %d of %d versions, %d MB", p.Checked, p.Versions, p.Files.Hashed>>20)
	return line + timeLeft(p.Fraction(), elapsed)
}

// deletionBar draws the progress of a long deletion or purge if w is a
// terminal. Otherwise it returns nil. clear removes the bar.
func deletionBar(w io.Writer) (draw func(modelregistry.DeletionProgress), clear func()) {
	show, clear := statusLine(w)
	if show == nil {
		return nil, clear
	}
	return func(p modelregistry.DeletionProgress) {
		show(func(elapsed time.Duration) string { return deletionLine(p, elapsed) })
	}, clear
}

// deletionLine returns a line that shows how far a deletion is, and about how
// long it will still take.
func deletionLine(p modelregistry.DeletionProgress, elapsed time.Duration) string {
	done := float64(p.Done) / float64(max(p.Total, 1))
	return fmt.Sprintf("%s %d of %d versions", gauge(done), p.Done, p.Total) + timeLeft(done, elapsed)
}

// timeLeft says about how long an operation will still take, if a part of it is
// done.
func timeLeft(done float64, elapsed time.Duration) string {
	if done <= 0 {
		return ""
	}
	left := time.Duration(float64(elapsed) * (1 - done) / done)
	return fmt.Sprintf(", about %v left", left.Round(time.Second))
}
