package index

import (
	"bytes"
	"errors"
)

// A program that treats a file as text may rewrite it: git with core.autocrlf
// when it checks a file out, or an editor. These errors say what such a program
// did. [Original] undoes it.
var (
	ErrLineEnds  = errors.New("line ends were changed, as git does with core.autocrlf")
	ErrByteOrder = errors.New("a byte order mark was put in front, as an editor does")
	ErrBlankLine = errors.New("an empty line was added, as an editor does")
)

// Rewritten reports whether an error is one of a file that a program rewrote as
// text.
func Rewritten(err error) bool {
	return errors.Is(err, ErrLineEnds) || errors.Is(err, ErrByteOrder) || errors.Is(err, ErrBlankLine)
}

var byteOrderMark = []byte("\xef\xbb\xbf")

// Original returns text as it was before a program changed its line ends or put
// a byte order mark in front. The error says which of these it did: ErrLineEnds
// (also if both), ErrByteOrder, or nil for neither. Our files have no carriage
// return and no byte order mark.
func Original(text []byte) (original []byte, err error) {
	original, marked := bytes.CutPrefix(text, byteOrderMark)
	if lines := bytes.ReplaceAll(original, []byte("\r\n"), []byte("\n")); len(lines) < len(original) {
		original, err = lines, ErrLineEnds
	}
	if err == nil && marked {
		err = ErrByteOrder
	}
	return original, err
}

// OriginalLog is Original for a log. It also removes empty lines.
func OriginalLog(log []byte) []byte {
	text, _ := Original(log)
	original := make([]byte, 0, len(text))
	for line := range bytes.Lines(text) {
		if len(bytes.TrimSpace(line)) > 0 {
			original = append(original, line...)
		}
	}
	return original
}

// originalLine returns a line of a log as it was, without its end, and what a
// program did to it, or nil.
func originalLine(line LogLine) (original []byte, err error) {
	original, err = Original(append(line.Raw[:len(line.Raw):len(line.Raw)], '\n'))
	if errors.Is(err, ErrByteOrder) && line.At > 0 {
		return nil, nil
	}
	if original = bytes.TrimRight(original, " \n"); len(original) == 0 {
		err = ErrBlankLine
	}
	return original, err
}
