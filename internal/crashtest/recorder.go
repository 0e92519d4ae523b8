// Package crashtest records what a folder store does to its disk and builds
// every state that a crash could have left of it, and fails the disk at chosen
// operations. It is for tests.
//
// The model of a disk is the pessimist's one that crash-consistency tools use
// (Pillai et al., "All File Systems Are Not Created Equal", OSDI 2014). What was not
// synced may be there or not, each change by itself and in any order: bytes also
// in part, or as zeros where the file grew without its data; truncations; a folder's entries.
// Syncing a file makes its bytes durable, not its name; syncing a folder its entries,
// not what they hold.
//
// One thing is taken to be atomic, as it is on every journaling file system: a rename. It happens whole
// or not at all, over another file and between folders too, and syncing the folder that it leads to makes it
// durable. So no state has a tree under both its names, or under none.
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

// An opKind is what an operation does.
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
	To     string // of a rename
	offset int64  // of a write; the size of a truncation
	data   []byte
}

func (o Op) String() string {
	s := opNames[o.kind] + " " + o.Name
	if o.To != "" {
		s += " to " + o.To
	}
	return s
}

// Is reports whether the operation is of a kind: "mkdir", "create", "write",
// "truncate", "rename", "remove" or "sync".
func (o Op) Is(kind string) bool { return opNames[o.kind] == kind }

// A Record is what happened to a folder.
type Record struct {
	Ops  []Op
	base int // so many operations made what was there in the beginning, durably
}

// A Recorder notes every change before it makes it, or once it has happened.
// It covers a folder that may hold the store's own folder and those above it.
type Recorder struct {
	dir    string
	mu     sync.Mutex
	known  map[string]bool // names that exist as far as the record tells
	record Record
}

// NewRecorder returns a recorder for a folder that holds a state, which is
// taken to be durable; nil for an empty one.
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

// Wrap is for [fsstore.Store.Wrap]. It may be called for several disks, at
// folders within the recorder's.
func (r *Recorder) Wrap(d fsstore.Disk) fsstore.Disk {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.forget()
	rel, err := filepath.Rel(r.dir, d.Dir())
	if err != nil {
		panic(err)
	}
	return &recording{d, r, filepath.ToSlash(rel)}
}

// forget notes what was removed behind the disk's back: a store removes the
// folders that it made for itself.
func (r *Recorder) forget() {
	for _, name := range r.below(".") {
		if _, err := os.Lstat(filepath.Join(r.dir, filepath.FromSlash(name))); err != nil {
			r.add(Op{kind: opRemove, Name: name})
		}
	}
}

// below returns the known names below a folder, a folder behind what is in it.
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

// Record returns what was recorded so far.
func (r *Recorder) Record() Record {
	r.mu.Lock()
	defer r.mu.Unlock()
	return Record{slices.Clone(r.record.Ops), r.record.base}
}

// Len returns how many operations were recorded so far.
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

// adopt notes what was written to a staged tree behind the disk's back, by the
// program that saved its model there.
func (r *Recorder) adopt(name string) error {
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

// A recording is one disk of a recorder's.
type recording struct {
	fsstore.Disk
	r    *Recorder
	name string // of the disk's folder
}

func (d *recording) note(o Op) {
	d.r.mu.Lock()
	defer d.r.mu.Unlock()
	d.r.add(o)
}

func (d *recording) full(name string) string { return path.Join(d.name, name) }

// Lstat also notes lock files, which are not made through the disk.
func (d *recording) Lstat(name string) (fs.FileInfo, error) {
	info, err := d.Disk.Lstat(name)
	if err != nil || path.Base(name) != ".lock" {
		return info, err
	}
	d.r.mu.Lock()
	defer d.r.mu.Unlock()
	if full := d.full(name); !d.r.known[full] {
		d.r.add(Op{kind: opCreate, Name: full})
	}
	return info, nil
}

func (d *recording) Mkdir(name string) error {
	err := d.Disk.Mkdir(name)
	if err == nil {
		d.note(Op{kind: opMkdir, Name: d.full(name)})
	}
	return err
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

// RemoveAll records the removal of each thing by itself, for a crash may come
// between.
func (d *recording) RemoveAll(name string) error {
	d.r.mu.Lock()
	defer d.r.mu.Unlock()
	full := d.full(name)
	if _, err := d.Disk.Lstat(name); err == nil && inStaging(full) {
		if err := d.r.adopt(full); err != nil {
			return err
		}
	}
	if err := d.Disk.RemoveAll(name); err != nil || !d.r.known[full] {
		return err
	}
	for _, gone := range append(d.r.below(full), full) {
		d.r.add(Op{kind: opRemove, Name: gone})
	}
	return nil
}

// Sync records and does not sync: nothing crashes here but the model.
func (d *recording) Sync(name string) error {
	d.r.mu.Lock()
	defer d.r.mu.Unlock()
	full := d.full(name)
	if inStaging(full) {
		if err := d.r.adopt(path.Dir(full)); err != nil {
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
