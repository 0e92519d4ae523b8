package crashtest

import (
	"path"
	"strings"
)

// A node is a file or a folder. It outlives its name: a renamed node stays the
// same, and a removed node may come back after a crash.
type node struct {
	dir     bool
	entries map[string]*node
	data    []byte
	settled bool // no change to data is pending, so every state shares data
}

// A change is an operation in terms of nodes, so that later renames don't
// affect it.
type change struct {
	op       Op
	parent   *node // the folder whose entry changes; nil for a change of a file's bytes
	from     *node // of a rename: the folder of the old name
	name     string
	fromName string
	node     *node
	durable  bool
}

// A disk is a model of a disk and of the changes made to it.
type disk struct {
	root    *node
	nodes   []*node
	live    map[string]*node // the nodes by name, as running programs see them
	changes []*change
}

func newDisk() *disk {
	root := &node{dir: true}
	return &disk{root: root, nodes: []*node{root}, live: map[string]*node{".": root}}
}

// do adds an operation. It ignores an operation on a name that does not exist:
// a record whose operations a test has swapped can contain one.
func (d *disk) do(o Op) {
	parent, n := d.live[path.Dir(o.Name)], d.live[o.Name]
	switch o.kind {
	case opMkdir, opCreate:
		n = &node{dir: o.kind == opMkdir}
		d.nodes = append(d.nodes, n)
		d.live[o.Name] = n
	case opSync:
		for _, ch := range d.changes {
			ch.durable = ch.durable || n != nil && n == ch.syncedBy()
		}
		return
	}
	if n == nil || parent == nil {
		return
	}
	ch := &change{op: o, parent: parent, name: path.Base(o.Name), node: n}
	switch o.kind {
	case opWrite, opTruncate:
		ch.parent = nil
	case opRename:
		ch.from, ch.fromName = parent, ch.name
		ch.parent, ch.name = d.live[path.Dir(o.To)], path.Base(o.To)
		if ch.parent == nil {
			return
		}
		for name, child := range d.live {
			if rest, ok := strings.CutPrefix(name, o.Name+"/"); ok {
				delete(d.live, name)
				d.live[o.To+"/"+rest] = child
			}
		}
		delete(d.live, o.Name)
		d.live[o.To] = n
	case opRemove:
		delete(d.live, o.Name)
	}
	d.changes = append(d.changes, ch)
}

// syncedBy returns the node whose sync makes the change durable.
func (ch *change) syncedBy() *node {
	if ch.parent != nil {
		return ch.parent
	}
	return ch.node
}

// pending returns the changes that are not durable.
func (d *disk) pending() []*change {
	var list []*change
	for _, ch := range d.changes {
		if !ch.durable {
			list = append(list, ch)
		}
	}
	return list
}

// settle computes the bytes of every file that has no pending change of its
// bytes, so that all states share them.
func (d *disk) settle() {
	for _, n := range d.nodes {
		n.data, n.settled = nil, true
	}
	for _, ch := range d.pending() {
		if ch.parent == nil {
			ch.node.settled = false
		}
	}
	for _, ch := range d.changes {
		if ch.parent == nil && ch.node.settled {
			ch.apply(Kept)
		}
	}
}

// after returns the state after a crash in which the pending changes meet the
// given fates, in order. The caller has called settle.
func (d *disk) after(fates []Fate) State {
	for _, n := range d.nodes {
		clear(n.entries)
		if !n.settled {
			n.data = nil
		}
	}
	for _, ch := range d.changes {
		fate := Kept
		if !ch.durable {
			fate, fates = fates[0], fates[1:]
		}
		if fate != Lost && (ch.parent != nil || !ch.node.settled) {
			ch.apply(fate)
		}
	}
	s := State{}
	s.list(d.root, "")
	return s
}

// apply makes the change with the given fate, which is not Lost.
func (ch *change) apply(fate Fate) {
	switch ch.op.kind {
	case opMkdir, opCreate:
		ch.parent.put(ch.name, ch.node)
	case opRename:
		if ch.from.entries[ch.fromName] == ch.node {
			delete(ch.from.entries, ch.fromName)
		}
		ch.parent.put(ch.name, ch.node)
	case opRemove:
		if ch.parent.entries[ch.name] == ch.node {
			delete(ch.parent.entries, ch.name)
		}
	case opTruncate:
		ch.node.resize(int(ch.op.offset))
	case opWrite:
		ch.node.write(fate.of(ch.op.data), int(ch.op.offset))
	}
}

func (n *node) put(name string, child *node) {
	if n.entries == nil {
		n.entries = map[string]*node{}
	}
	n.entries[name] = child
}

func (n *node) resize(size int) {
	grown := make([]byte, size)
	copy(grown, n.data)
	n.data = grown
}

func (n *node) write(data []byte, offset int) {
	n.resize(max(len(n.data), offset+len(data)))
	copy(n.data[offset:], data)
}
