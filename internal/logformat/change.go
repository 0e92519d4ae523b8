package logformat

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Last is the highest possible number of a change: names have ten digits.
const Last int64 = 9_999_999_999

// LossCause is the usual cause of changes that are missing, for messages.
// Neither a store nor a repair deletes a change.
const LossCause = "a lifecycle rule of the bucket that expires objects is the usual cause"

// Head is the first line of a change's file. A store may add members to it.
type Head struct {
	// ID is unique, so that a writer can recognize its own change.
	ID string `json:"commit"`
	// Number is the sequence number. The file's name has it too, which reveals
	// a renamed file.
	Number int64 `json:"number"`
	// End is the position in the log after these lines. It counts bytes as if
	// the lines of all changes were in one file, so a bucket and its copy on
	// disk have the same positions.
	End int64 `json:"end"`
}

// Name returns the name of a change's file. The newest change sorts first, so
// that a listing of a single name finds it.
func Name(number int64) string { return fmt.Sprintf("%010d-%d.jsonl", Last-number, number) }

// Number returns the number in the name of a change's file. It reports false
// for any other name.
func Number(name string) (number int64, ok bool) {
	_, up, _ := strings.Cut(strings.TrimSuffix(name, ".jsonl"), "-")
	number, err := strconv.ParseInt(up, 10, 64)
	return number, err == nil && number >= 1 && number <= Last && name == Name(number)
}

// Split splits the file of a change into its head and the lines of the log.
// first is the raw line of the head. The error says what is wrong with the
// file.
func Split(data []byte, number int64) (head Head, first, lines []byte, err error) {
	first, lines, ok := bytes.Cut(data, []byte("\n"))
	if !ok || len(lines) > 0 && lines[len(lines)-1] != '\n' {
		return head, nil, nil, errors.New("it is cut off")
	}
	if err := json.Unmarshal(first, &head); err != nil {
		return head, nil, nil, err
	}
	if head.ID == "" || head.Number != number {
		return head, nil, nil, fmt.Errorf("its head has the number %d", head.Number)
	}
	if head.End < int64(len(lines)) {
		return head, nil, nil, fmt.Errorf("its head ends at byte %d of the log, but the file has %d bytes of lines", head.End, len(lines))
	}
	return head, first, lines, nil
}
