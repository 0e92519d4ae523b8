package objectstore

import (
	"encoding/json"
	"fmt"
	"path"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/internal/logformat"
)

// Names below a model.
const (
	historyDir   = "history/"
	documentName = "registry.json"
	versionsDir  = "versions/"
	stagingDir   = ".staging/"
	orphansDir   = ".orphans/"
	manifestName = "manifest.json"
	logName      = "history.jsonl" // of a folder that was copied into the bucket
)

// markerName is the object that marks the prefix as a registry's.
const markerName = ".modelregistry.json"

const marker = `{"modelregistry":{"format":1}}` + "\n"

// A slot is one change: the object under one sequence number. Its first line is
// its head. The others are lines of the history, as in the folder store.
type slot struct {
	head
	lines []byte
}

// A head is what the store itself notes about a change.
type head struct {
	logformat.Head
	// Trees are the files that become versions with this change.
	Trees map[string]treeInfo `json:"trees,omitempty"`
	// Swept are uploads that Sweep treated as dead. A writer that still wants
	// to use one finds it here, because this object has the number that the
	// writer's change would get.
	Swept []string `json:"swept,omitempty"`
}

// treeInfo says where a version's files are.
type treeInfo struct {
	Staging string `json:"staging,omitempty"` // the id of their upload
	// Files lists the files if the tree has no manifest.
	Files []fileInfo `json:"files,omitempty"`

	number int64  // of the change that named it
	key    string // in the cache, once it is known
}

// fileInfo is one file, with the facts that a manifest has.
type fileInfo struct {
	Path   string `json:"path"`
	Size   int64  `json:"size"`
	Mode   string `json:"mode"` // octal; see Store.source for files without a manifest
	SHA256 string `json:"sha256"`
}

// slotKey returns the key of a change's object.
func slotKey(name mr.ModelName, number int64) string {
	return modelKey(name, historyDir) + logformat.Name(number)
}

// slotNumber is the reverse of slotKey.
func slotNumber(key string) (int64, error) {
	number, ok := logformat.Number(path.Base(key))
	if !ok {
		return 0, fmt.Errorf("%s: %w: it does not have the name of a change", key, ErrForeign)
	}
	return number, nil
}

func modelKey(name mr.ModelName, rest string) string { return name.String() + "/" + rest }

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

func decodeSlot(data []byte, number int64) (*slot, error) {
	_, first, lines, err := logformat.Split(data, number)
	if err != nil {
		return nil, err
	}
	s := &slot{lines: lines}
	return s, json.Unmarshal(first, &s.head)
}
