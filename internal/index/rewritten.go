package index

import (
	"bytes"
	"errors"
)

// A program that treats a file as text may rewrite it: git with core.autocrlf
// when it checks a file out, or an editor. These errors say what such a program
// did. [Unrewritten] undoes it.
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

// Unrewritten returns text as it was before a program changed its line ends,
// put a byte order mark in front or added empty lines, and which of these the
// program did. If several, the error is the first one. Our files have no
// carriage return, no byte order mark and no empty line.
func Unrewritten(text []byte) (original []byte, err error) {
	original, marked := bytes.CutPrefix(text, byteOrderMark)
	if lines := bytes.ReplaceAll(original, []byte("\r\n"), []byte("\n")); len(lines) < len(original) {
		original, err = lines, ErrLineEnds
	}
	if err == nil && marked {
		err = ErrByteOrder
	}
	return original, err
}

// UnrewrittenLog is Unrewritten for a log, which has no empty lines.
func UnrewrittenLog(log []byte) []byte {
	text, _ := Unrewritten(log)
	original := make([]byte, 0, len(text))
	for line := range bytes.Lines(text) {
		if len(bytes.TrimSpace(line)) > 0 {
			original = append(original, line...)
		}
	}
	return original
}

// unrewrittenLine returns a line of a log as it was, without its end, and what
// was done to it, or nil.
func unrewrittenLine(line LogLine) (original []byte, err error) {
	original, err = Unrewritten(append(line.Raw[:len(line.Raw):len(line.Raw)], '\n'))
	if errors.Is(err, ErrByteOrder) && line.At > 0 {
		return nil, nil
	}
	if original = bytes.TrimRight(original, " \n"); len(original) == 0 {
		err = ErrBlankLine
	}
	return original, err
}
