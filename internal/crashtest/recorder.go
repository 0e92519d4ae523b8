// Package crashtest records the operations of a folder store on its disk,
// builds every state that a crash could leave, and makes the disk fail at
// chosen operations. It is for tests.
//
// The model of a disk is the pessimistic one of crash-consistency tools (Pillai
// et al., "All File Systems Are Not Created Equal", OSDI 2014). After a crash,
// each change that was not synced is present or not, independently of the
// others and of their order. Such a change is the content of a write, a
// truncation or an entry of a folder. A write may also be present in part, or
// as zeros where the file grew without its data. Syncing a file makes its bytes
// durable, but not its name. Syncing a folder makes its entries durable, but
// not their content.
//
// Only a rename is atomic, as it is on every journaling file system. It happens
// completely or not at all, also when it replaces a file or moves it to another
// folder. Syncing the destination folder makes it durable. So no state has a
// tree under both of its names, or under neither.
package crashtest

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/ubunye-go/modelregistry/internal/fsstore"
)

// An opKind is the kind of an operation.
type opKind int

const (
	opMkdir opKind = iota
	opCreate
	opWrite
	opTruncate
	opRename
	opRemove // a file or an empty folder
	opSync
)

var opNames = [...]string{"mkdir", "create", "write", "truncate", "rename", "remove", "sync"}

// An Op is one recorded operation.
type Op struct {
	kind   opKind
	Name   string // relative to the recorder's folder, slash-separated
	To     string // the new name, for a rename
	offset int64  // of a write; for a truncation, the new size
	data   []byte
}

func (o Op) String() string {
	s := opNames[o.kind] + " " + o.Name
	if o.To != "" {
		s += " to " + o.To
	}
	return s
}

// Is reports whether the operation has this kind: "mkdir", "create", "write",
// "truncate", "rename", "remove" or "sync".
func (o Op) Is(kind string) bool { return opNames[o.kind] == kind }

// Rewritten returns a write with other bytes.
func (o Op) Rewritten(change func(data []byte) []byte) Op {
	o.data = change(o.data)
	return o
}

// A Record is the list of operations on a folder.
type Record struct {
	Ops  []Op
	base int // the number of operations at the start that made the initial state
}

// A Recorder records every change of a folder: a write, a truncation or the
// sync of a file before it happens, any other after it succeeded. The folder
// may contain the store's folder and its parents. A Recorder is safe for
// concurrent use.
type Recorder struct {
	dir    string
	mu     sync.Mutex
	known  map[string]bool // the names that exist according to the record
	record Record
}

// NewRecorder returns a recorder for a folder that contains the given state,
// which counts as durable. The state of an empty folder is nil.
func NewRecorder(dir string, state State) *Recorder {
	r := &Recorder{dir: dir, known: map[string]bool{".": true}}
	for _, name := range state.names() {
		if folder, ok := strings.CutSuffix(name, "/"); ok {
			r.add(Op{kind: opMkdir, Name: folder})
			continue
		}
		r.add(Op{kind: opCreate, Name: name})
		r.add(Op{kind: opWrite, Name: name, data: state[name]})
	}
	r.record.base = len(r.record.Ops)
	return r
}

// Wrap returns a disk that records what it does. It is a value for
// [fsstore.Store.Wrap]. It can wrap several disks, if their folders are inside
// the recorder's.
func (r *Recorder) Wrap(d fsstore.Disk) fsstore.Disk {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.addRemoved()
	rel, err := filepath.Rel(r.dir, d.Dir())
	if err != nil {
		panic(err)
	}
	return &recording{d, r, filepath.ToSlash(rel)}
}

// addRemoved records what was removed without a recorded disk. A store removes
// the folders that it made for itself in this way.
func (r *Recorder) addRemoved() {
	for _, name := range r.below(".") {
		if _, err := os.Lstat(filepath.Join(r.dir, filepath.FromSlash(name))); err != nil {
			r.add(Op{kind: opRemove, Name: name})
		}
	}
}

// below returns the known names below a folder. A folder comes after its
// content.
func (r *Recorder) below(dir string) []string {
	var names []string
	for name := range r.known {
		if name != "." && (dir == "." || strings.HasPrefix(name, dir+"/")) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	slices.Reverse(names)
	return names
}

// Record returns a copy of the operations so far.
func (r *Recorder) Record() Record {
	r.mu.Lock()
	defer r.mu.Unlock()
	return Record{slices.Clone(r.record.Ops), r.record.base}
}

// Len returns the number of operations so far.
func (r *Recorder) Len() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.record.Ops)
}

func (r *Recorder) add(o Op) {
	switch o.kind {
	case opMkdir, opCreate:
		r.known[o.Name] = true
	case opRename:
		for _, name := range r.below(o.Name) {
			delete(r.known, name)
			r.known[o.To+strings.TrimPrefix(name, o.Name)] = true
		}
		delete(r.known, o.Name)
		r.known[o.To] = true
	case opRemove:
		delete(r.known, o.Name)
	}
	r.record.Ops = append(r.record.Ops, o)
}

// addUnknown records the files in a staging folder that were written without a
// recorded disk, by the program that saved its model there.
func (r *Recorder) addUnknown(name string) error {
	return filepath.WalkDir(filepath.Join(r.dir, name), func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(r.dir, file)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		if r.known[rel] {
			return nil
		}
		if d.IsDir() {
			r.add(Op{kind: opMkdir, Name: rel})
			return nil
		}
		data, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		r.add(Op{kind: opCreate, Name: rel})
		r.add(Op{kind: opWrite, Name: rel, data: data})
		return nil
	})
}

func inStaging(name string) bool { return strings.Contains(name, "/.staging/") }

// A recording is a disk that a Recorder wraps.
type recording struct {
	fsstore.Disk
	r    *Recorder
	name string // of the disk's folder, relative to the recorder's
}

func (d *recording) note(o Op) {
	d.r.mu.Lock()
	defer d.r.mu.Unlock()
	d.r.add(o)
}

func (d *recording) full(name string) string { return path.Join(d.name, name) }

func (d *recording) Mkdir(name string) error {
	err := d.Disk.Mkdir(name)
	if err == nil {
		d.note(Op{kind: opMkdir, Name: d.full(name)})
	}
	return err
}

func (d *recording) Make(name string) error {
	if err := d.Disk.Make(name); err != nil {
		return err
	}
	d.r.mu.Lock()
	defer d.r.mu.Unlock()
	if full := d.full(name); !d.r.known[full] {
		d.r.add(Op{kind: opCreate, Name: full})
	}
	return nil
}

func (d *recording) Rename(from, to string) error {
	err := d.Disk.Rename(from, to)
	if err == nil {
		d.note(Op{kind: opRename, Name: d.full(from), To: d.full(to)})
	}
	return err
}

func (d *recording) Remove(name string) error {
	err := d.Disk.Remove(name)
	if err == nil {
		d.note(Op{kind: opRemove, Name: d.full(name)})
	}
	return err
}

// RemoveAll records the removal of each file and folder separately, because a
// crash can happen in between.
func (d *recording) RemoveAll(name string) error {
	d.r.mu.Lock()
	defer d.r.mu.Unlock()
	full := d.full(name)
	if _, err := d.Disk.Lstat(name); err == nil && inStaging(full) {
		if err := d.r.addUnknown(full); err != nil {
			return err
		}
	}
	if err := d.Disk.RemoveAll(name); err != nil || !d.r.known[full] {
		return err
	}
	for _, removed := range append(d.r.below(full), full) {
		d.r.add(Op{kind: opRemove, Name: removed})
	}
	return nil
}

// Sync records and does not sync, because only the model of the disk crashes.
func (d *recording) Sync(name string) error {
	d.r.mu.Lock()
	defer d.r.mu.Unlock()
	full := d.full(name)
	if inStaging(full) {
		if err := d.r.addUnknown(path.Dir(full)); err != nil {
			return err
		}
	}
	d.r.add(Op{kind: opSync, Name: full})
	return nil
}

func (d *recording) Open(name string) (fsstore.File, error) {
	f, err := d.Disk.Open(name)
	if err != nil {
		return nil, err
	}
	d.r.mu.Lock()
	defer d.r.mu.Unlock()
	full := d.full(name)
	if !d.r.known[full] {
		d.r.add(Op{kind: opCreate, Name: full})
	}
	return &recordedFile{f, d, full}, nil
}

type recordedFile struct {
	fsstore.File
	d    *recording
	name string
}

func (f *recordedFile) WriteAt(p []byte, off int64) (int, error) {
	f.d.note(Op{kind: opWrite, Name: f.name, offset: off, data: slices.Clone(p)})
	return f.File.WriteAt(p, off)
}

func (f *recordedFile) Truncate(size int64) error {
	f.d.note(Op{kind: opTruncate, Name: f.name, offset: size})
	return f.File.Truncate(size)
}

func (f *recordedFile) Sync() error {
	f.d.note(Op{kind: opSync, Name: f.name})
	return nil
}
