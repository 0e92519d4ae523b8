package crashtest

import (
	"path"
	"strings"
)

// A node is a file or a folder; entries of a folder may outlive its name.
type node struct {
	dir     bool
	entries map[string]*node
	data    []byte
	settled bool // data is what a crash leaves, whatever the fates
}

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

// A disk is what the operations so far did.
type disk struct {
	root    *node
	nodes   []*node
	live    map[string]*node // as running programs see it
	changes []*change
}

func newDisk() *disk {
	root := &node{dir: true}
	return &disk{root: root, nodes: []*node{root}, live: map[string]*node{".": root}}
}

// do takes in an operation. One on something that is not there, as a record with
// operations swapped may have it, does nothing.
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

// syncedBy returns what has to be synced for the change to be durable.
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

// settle works out the bytes of files that have no pending ones, so that all
// states share them.
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

// after returns the disk as a crash leaves it that deals the fates to the pending
// changes. The disk was settled.
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
