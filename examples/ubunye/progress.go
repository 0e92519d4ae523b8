package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/ubunye-go/modelregistry"
)

// barAfter is how long work must take to be worth a bar.
const barAfter = 500 * time.Millisecond

// progressBar draws how far long work is, if w is a terminal; else it returns
// nil. clear takes the bar away again.
func progressBar(w io.Writer) (tell func(modelregistry.Progress), clear func()) {
	f, ok := w.(*os.File)
	if !ok {
		return nil, func() {}
	}
	if info, err := f.Stat(); err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return nil, func() {}
	}
	start, drawn := time.Now(), false
	tell = func(p modelregistry.Progress) {
		if p.Total == 0 || time.Since(start) < barAfter {
			return
		}
		drawn = true
		fmt.Fprint(w, "\r"+bar(p))
	}
	return tell, func() {
		if drawn {
			fmt.Fprint(w, "\r\x1b[K")
		}
	}
}

// bar is a line that shows how much of the work is done. It counts the bytes
// hashed, because each byte is hashed once, as its last step.
func bar(p modelregistry.Progress) string {
	const width = 30
	done := int(width * min(p.Hashed, p.Total) / p.Total)
	return fmt.Sprintf("[%s%s] %d of %d MB", strings.Repeat("=", done), strings.Repeat(" ", width-done), p.Hashed>>20, p.Total>>20)
}
