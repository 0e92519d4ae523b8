package objectstore

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"strconv"
	"strings"

	mr "github.com/ubunye-go/modelregistry"
)

// Names below a model.
const (
	historyDir   = "history/"
	documentName = "registry.json"
	versionsDir  = "versions/"
	stagingDir   = ".staging/"
	orphansDir   = ".orphans/"
	manifestName = "manifest.json"
	logName      = "history.jsonl" // of a folder that was copied here
)

// markerName is the object that says that the prefix is a registry's.
const markerName = ".modelregistry.json"

const marker = `{"modelregistry":{"format":1}}` + "\n"

// A slot is one change: the object under one sequence number. Its first line is its
// head, the others are the history's, as the folder store has them.
type slot struct {
	head
	lines []byte
}

// head is what the store itself has to say of a change.
type head struct {
	// ID is the change's own, so that its writer knows it again.
	ID string `json:"commit"`
	// Number is the sequence number: the name has it too, and a renamed object shows.
	Number int64 `json:"number"`
	// End is the position in the log behind the lines, in bytes, as if the lines of all changes stood in
	// one file. So a copy of the bucket on disk has the same positions.
	End int64 `json:"end"`
	// Trees are the files that become versions with it.
	Trees map[string]treeInfo `json:"trees,omitempty"`
	// Swept are stagings that were taken for dead. Whoever still wants to use one finds
	// it here, for this object stands where his was to be.
	Swept []string `json:"swept,omitempty"`
}

// treeInfo says where a version's files are.
type treeInfo struct {
	Staging string `json:"staging,omitempty"` // where they were uploaded
	// Files are listed here if the tree has no manifest.
	Files []fileInfo `json:"files,omitempty"`

	number int64  // of the change that named it
	key    string // in the cache, once it was looked up
}

// fileInfo is one file, as a manifest has it.
type fileInfo struct {
	Path   string `json:"path"`
	Size   int64  `json:"size"`
	Mode   string `json:"mode"`
	SHA256 string `json:"sha256"`
}

// lastSlot leaves room for ten digits.
const lastSlot = 9_999_999_999

// slotKey names the object of a change. Names are sorted, and the newest is to be
// first, so that a listing of one finds it.
func slotKey(name mr.ModelName, number int64) string {
	return fmt.Sprintf("%s%010d-%d.jsonl", modelKey(name, historyDir), lastSlot-number, number)
}

// slotNumber is the reverse of slotKey.
func slotNumber(key string) (int64, error) {
	down, up, ok := strings.Cut(strings.TrimSuffix(path.Base(key), ".jsonl"), "-")
	a, errA := strconv.ParseInt(down, 10, 64)
	b, errB := strconv.ParseInt(up, 10, 64)
	if !ok || errA != nil || errB != nil || lastSlot-a != b || b < 1 {
		return 0, fmt.Errorf("%s: %w: it is not named as a change is", key, ErrForeign)
	}
	return b, nil
}

func modelKey(name mr.ModelName, rest string) string { return name.String() + "/" + rest }

func random() string {
	var b [16]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

// start returns the position in the log where the lines begin.
func (s *slot) start() int64 { return s.End - int64(len(s.lines)) }

// encode returns the object's bytes.
func (s *slot) encode() ([]byte, error) {
	data, err := json.Marshal(s.head)
	if err != nil {
		return nil, err
	}
	return append(append(data, '\n'), s.lines...), nil
}

// join makes the history's lines of a commit. Those of one append but the last
// end in a space there.
func join(lines [][]byte) (data []byte) {
	for i, line := range lines {
		data = append(data, line...)
		if i < len(lines)-1 {
			data = append(data, ' ')
		}
		data = append(data, '\n')
	}
	return data
}

func decodeSlot(data []byte, number int64) (*slot, error) {
	first, lines, ok := bytes.Cut(data, []byte("\n"))
	if !ok || len(lines) > 0 && lines[len(lines)-1] != '\n' {
		return nil, errors.New("it is cut off")
	}
	s := &slot{lines: lines}
	if err := json.Unmarshal(first, &s.head); err != nil {
		return nil, err
	}
	if s.ID == "" || s.Number != number {
		return nil, fmt.Errorf("it says that it is change %d", s.Number)
	}
	if s.start() < 0 {
		return nil, fmt.Errorf("it says that it ends at byte %d, and holds %d", s.End, len(lines))
	}
	return s, nil
}
