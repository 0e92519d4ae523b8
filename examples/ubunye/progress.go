package main

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

// progressBar draws the progress of a long operation if w is a terminal.
// Otherwise it returns nil. clear removes the bar.
func progressBar(w io.Writer) (draw func(modelregistry.Progress), clear func()) {
	f, ok := w.(*os.File)
	if !ok {
		return nil, func() {}
	}
	if info, err := f.Stat(); err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return nil, func() {}
	}
	start, drawn := time.Now(), false
	draw = func(p modelregistry.Progress) {
		if p.Total == 0 || time.Since(start) < barAfter {
			return
		}
		drawn = true
		fmt.Fprint(w, "\r"+bar(p))
	}
	return draw, func() {
		if drawn {
			fmt.Fprint(w, "\r\x1b[K")
		}
	}
}

// bar returns a line that shows the completed part of the work. It counts the
// bytes hashed, because each byte is hashed once, as its last step.
func bar(p modelregistry.Progress) string {
	const width = 30
	done := int(width * min(p.Hashed, p.Total) / p.Total)
	return fmt.Sprintf("[%s%s] %d of %d MB", strings.Repeat("=", done), strings.Repeat(" ", width-done), p.Hashed>>20, p.Total>>20)
}
