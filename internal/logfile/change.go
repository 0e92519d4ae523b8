package logfile

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Last is the number of the last change that there can be, for names have ten digits.
const Last = 9_999_999_999

// Head is what the file of a change says first, in a line of its own. Stores may say more there.
type Head struct {
	// ID is the change's own, so that its writer knows it again.
	ID string `json:"commit"`
	// Number is the sequence number: the name has it too, and a renamed file shows.
	Number int64 `json:"number"`
	// End is the position in the log behind the lines, in bytes, as if the lines of all changes stood in
	// one file. So a bucket and a copy of it on disk have the same positions.
	End int64 `json:"end"`
}

// Name names the file of a change. Names are sorted, and the newest is to be first, so
// that a listing of one finds it.
func Name(number int64) string { return fmt.Sprintf("%010d-%d.jsonl", Last-number, number) }

// Number is the reverse of Name. It reports false for a file that is not named as a change is.
func Number(name string) (number int64, ok bool) {
	_, up, _ := strings.Cut(strings.TrimSuffix(name, ".jsonl"), "-")
	number, err := strconv.ParseInt(up, 10, 64)
	return number, err == nil && number >= 1 && number <= Last && name == Name(number)
}

// Split takes the file of a change apart: its head, which first is the line of, and the
// log's lines.
func Split(data []byte, number int64) (head Head, first, lines []byte, err error) {
	first, lines, ok := bytes.Cut(data, []byte("\n"))
	if !ok || len(lines) > 0 && lines[len(lines)-1] != '\n' {
		return head, nil, nil, errors.New("it is cut off")
	}
	if err := json.Unmarshal(first, &head); err != nil {
		return head, nil, nil, err
	}
	if head.ID == "" || head.Number != number {
		return head, nil, nil, fmt.Errorf("it says that it is change %d", head.Number)
	}
	if head.End < int64(len(lines)) {
		return head, nil, nil, fmt.Errorf("it says that it ends at byte %d, and holds %d", head.End, len(lines))
	}
	return head, first, lines, nil
}
