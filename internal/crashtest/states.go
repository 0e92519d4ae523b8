package crashtest

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
)

// Bytes says what a crash does to bytes that were not synced.
type Bytes int

// What can become of them.
const (
	BytesLost Bytes = iota
	BytesKept
	BytesHalf // the first half arrived, and the file is no longer than that
	BytesZero // the file has its length, the second half is NUL
	allBytes
)

// A Crash is one way for the power to fail.
type Crash struct {
	After       int // so many operations happened
	Bytes       Bytes
	KeepEntries bool // folder entries that were not synced are there
}

func (c Crash) String() string {
	return fmt.Sprintf("after %d operations, bytes %s, entries kept %t", c.After,
		[...]string{"lost", "kept", "half", "zero"}[c.Bytes], c.KeepEntries)
}

// Crashes returns every way to crash within a record of n operations.
func Crashes(n int) []Crash {
	var list []Crash
	for after := range n + 1 {
		for b := range allBytes {
			list = append(list, Crash{after, b, false}, Crash{after, b, true})
		}
	}
	return list
}

// A node is a file or a folder; entries of a folder may outlive its name.
type node struct {
	dir     bool
	entries map[string]*node
	data    []byte
}

func newDir() *node { return &node{dir: true, entries: map[string]*node{}} }

// A change is an operation on nodes, which renames don't touch.
type change struct {
	op       Op
	parent   *node // whose entry changes; for a file's bytes nil
	from     *node // the folder that a rename takes from
	name     string
	fromName string
	node     *node
	durable  bool
}

// State returns the disk as the crash leaves it: the contents of each file by
// name; a folder's name ends in a slash.
func State(ops []Op, c Crash) map[string][]byte {
	root := newDir()
	live := map[string]*node{".": root}
	var changes []*change
	add := func(ch *change) { changes = append(changes, ch) }
	for _, o := range ops[:c.After] {
		parent := live[path.Dir(o.Name)]
		switch o.kind {
		case opMkdir, opCreate:
			n := &node{dir: o.kind == opMkdir, entries: map[string]*node{}}
			live[o.Name] = n
			add(&change{op: o, parent: parent, name: path.Base(o.Name), node: n})
		case opRename:
			n := live[o.Name]
			moved := map[string]*node{}
			for name, child := range live {
				if len(name) > len(o.Name) && name[:len(o.Name)+1] == o.Name+"/" {
					moved[o.to+name[len(o.Name):]] = child
					delete(live, name)
				}
			}
			delete(live, o.Name)
			for name, child := range moved {
				live[name] = child
			}
			live[o.to] = n
			add(&change{op: o, parent: live[path.Dir(o.to)], name: path.Base(o.to), from: parent, fromName: path.Base(o.Name), node: n})
		case opRemove:
			n := live[o.Name]
			if n == nil {
				continue // a lock file, which the record leaves out
			}
			delete(live, o.Name)
			add(&change{op: o, parent: parent, name: path.Base(o.Name), node: n})
		case opWrite, opTruncate:
			add(&change{op: o, node: live[o.Name]})
		case opSync:
			n := live[o.Name]
			for _, ch := range changes {
				ch.durable = ch.durable || n != nil && (ch.parent == n || ch.parent == nil && ch.node == n)
			}
		}
	}
	for _, ch := range changes {
		ch.apply(c)
	}
	files := map[string][]byte{}
	list(root, "", files)
	return files
}

func (ch *change) apply(c Crash) {
	switch ch.op.kind {
	case opWrite, opTruncate:
		ch.applyBytes(c.Bytes)
		return
	}
	if ch.parent == nil || !ch.durable && !c.KeepEntries {
		return
	}
	switch ch.op.kind {
	case opMkdir, opCreate:
		ch.parent.entries[ch.name] = ch.node
	case opRename:
		if ch.from != nil && ch.from.entries[ch.fromName] == ch.node {
			delete(ch.from.entries, ch.fromName)
		}
		ch.parent.entries[ch.name] = ch.node
	case opRemove:
		if ch.parent.entries[ch.name] == ch.node {
			delete(ch.parent.entries, ch.name)
		}
	}
}

func (ch *change) applyBytes(b Bytes) {
	if !ch.durable && b == BytesLost {
		return
	}
	n := ch.node
	if ch.op.kind == opTruncate {
		if size := int(ch.op.offset); size < len(n.data) {
			n.data = n.data[:size]
		}
		return
	}
	data := ch.op.data
	if !ch.durable && b == BytesHalf {
		data = data[:len(data)/2]
	}
	if !ch.durable && b == BytesZero {
		data = append([]byte{}, data...)
		clear(data[len(data)/2:])
	}
	end := int(ch.op.offset) + len(data)
	grown := make([]byte, max(end, len(n.data)))
	copy(grown, n.data)
	copy(grown[ch.op.offset:], data)
	n.data = grown
}

func list(n *node, prefix string, files map[string][]byte) {
	for name, child := range n.entries {
		if child.dir {
			files[prefix+name+"/"] = nil
			list(child, prefix+name+"/", files)
		} else {
			files[prefix+name] = child.data
		}
	}
}

// Write puts a state into a folder.
func Write(dir string, files map[string][]byte) error {
	for name, data := range files {
		file := filepath.Join(dir, filepath.FromSlash(name))
		if name[len(name)-1] == '/' {
			if err := os.MkdirAll(file, 0o777); err != nil {
				return err
			}
			continue
		}
		if err := os.MkdirAll(filepath.Dir(file), 0o777); err != nil {
			return err
		}
		if err := os.WriteFile(file, data, 0o666); err != nil {
			return err
		}
	}
	return nil
}
