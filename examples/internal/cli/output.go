package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// An outputFormat is the value of --output.
type outputFormat string

const (
	outputTable outputFormat = "table"
	outputJSON  outputFormat = "json"
)

func (f *outputFormat) String() string { return string(*f) }

func (f *outputFormat) Type() string { return "format" }

func (f *outputFormat) Set(s string) error {
	switch v := outputFormat(s); v {
	case outputTable, outputJSON:
		*f = v
		return nil
	}
	return errors.New("want table or json")
}

// print writes a whole result at once, so that a failed write is noticed.
func (a *app) print(text string) error {
	a.printed = true
	_, err := io.WriteString(a.out, text)
	return err
}

// show prints a result: as JSON if --output asks for it, and otherwise as the
// text that the caller makes of it.
func (a *app) show(result any, text func() string) error {
	if a.output == outputTable {
		return a.print(text())
	}
	raw, err := json.Marshal(result)
	if err != nil {
		return err
	}
	return a.printJSON(raw)
}

func (a *app) printJSON(raw []byte) error {
	var b bytes.Buffer
	if err := json.Indent(&b, raw, "", "  "); err != nil {
		return err
	}
	return a.print(escapeJSON(b.String()) + "\n")
}

// escape makes unprintable characters visible. Names and values in a store may
// come from any program, and a terminal obeys the control sequences that it is
// sent.
func escape(s string) string {
	return replaceRunes(s, func(r rune) bool { return !unicode.IsPrint(r) }, func(b *strings.Builder, raw string) {
		quoted := strconv.Quote(raw)
		b.WriteString(quoted[1 : len(quoted)-1])
	})
}

// escapeJSON escapes the same characters in JSON, which itself escapes only
// those below the space.
func escapeJSON(s string) string {
	hidden := func(r rune) bool { return r >= 0x7f && !unicode.IsPrint(r) }
	return replaceRunes(s, hidden, func(b *strings.Builder, raw string) {
		r, _ := utf8.DecodeRuneInString(raw)
		if r <= 0xffff {
			fmt.Fprintf(b, `\u%04x`, r)
			return
		}
		r -= 0x10000
		fmt.Fprintf(b, `\u%04x\u%04x`, 0xd800+r>>10, 0xdc00+r&0x3ff)
	})
}

// replaceRunes replaces the runes that are hidden, and bytes that are not
// UTF-8.
func replaceRunes(s string, hidden func(rune) bool, write func(b *strings.Builder, raw string)) string {
	var b strings.Builder
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		if hidden(r) || r == utf8.RuneError && n == 1 {
			write(&b, s[:n])
		} else {
			b.WriteString(s[:n])
		}
		s = s[n:]
	}
	return b.String()
}
