// Package crashtest records what a folder store does to its disk and builds
// every state that a crash could have left of it, and fails the disk at chosen
// operations. It is for tests.
//
// The model of a disk is the pessimist's one that crash-consistency tools use
// (Pillai et al., "All File Systems Are Not Created Equal", OSDI 2014): bytes
// that were not synced may be lost, half there, or zero; folder entries that were not
// synced may be lost; a rename happens whole or not at all.
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
	opRemove // a file, or a folder with all that is in it
	opSync
)

// An Op is one recorded operation.
type Op struct {
	kind   opKind
	Name   string // relative to the store, slash-separated
	to     string
	offset int64 // of a write; the size of a truncation
	data   []byte
}

// IsSync reports whether the operation makes something durable.
func (o Op) IsSync() bool { return o.kind == opSync }

// A Recorder is a disk that notes every change before it makes it.
type Recorder struct {
	fsstore.Disk
	dir   string // the store's folder
	mu    sync.Mutex
	known map[string]bool // names that exist as far as the record tells
	ops   []Op
}

// NewRecorder returns a recorder for the store in dir, which is empty.
func NewRecorder(dir string) *Recorder {
	return &Recorder{dir: dir, known: map[string]bool{".": true}}
}

// Wrap is for [fsstore.Store.Wrap].
func (r *Recorder) Wrap(d fsstore.Disk) fsstore.Disk {
	r.Disk = d
	return r
}

// Ops returns what was recorded so far.
func (r *Recorder) Ops() []Op {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.ops)
}

func (r *Recorder) note(o Op) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.add(o)
}

func (r *Recorder) add(o Op) {
	switch o.kind {
	case opMkdir, opCreate:
		r.known[o.Name] = true
	case opRename:
		for name := range r.known {
			if rest, ok := strings.CutPrefix(name, o.Name+"/"); ok {
				delete(r.known, name)
				r.known[o.to+"/"+rest] = true
			}
		}
		delete(r.known, o.Name)
		r.known[o.to] = true
	case opRemove:
		for name := range r.known {
			if name == o.Name || strings.HasPrefix(name, o.Name+"/") {
				delete(r.known, name)
			}
		}
	}
	r.ops = append(r.ops, o)
}

// adopt notes what was written to a staged tree behind the disk's back, by the
// program that saved its model there.
func (r *Recorder) adopt(name string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return filepath.WalkDir(filepath.Join(r.dir, name), func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(r.dir, file)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		if r.known[rel] || d.Name() == ".lock" {
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

// Mkdir records and makes a folder.
func (r *Recorder) Mkdir(name string) error {
	err := r.Disk.Mkdir(name)
	if err == nil {
		r.note(Op{kind: opMkdir, Name: name})
	}
	return err
}

// Rename records and renames.
func (r *Recorder) Rename(from, to string) error {
	if inStaging(from) {
		if err := r.adopt(from); err != nil {
			return err
		}
	}
	err := r.Disk.Rename(from, to)
	if err == nil {
		r.note(Op{kind: opRename, Name: from, to: to})
	}
	return err
}

// Remove records and removes.
func (r *Recorder) Remove(name string) error {
	err := r.Disk.Remove(name)
	if err == nil {
		r.note(Op{kind: opRemove, Name: name})
	}
	return err
}

// RemoveAll records and removes a folder with what is in it.
func (r *Recorder) RemoveAll(name string) error {
	err := r.Disk.RemoveAll(name)
	if err == nil {
		r.note(Op{kind: opRemove, Name: name})
	}
	return err
}

// Sync records and syncs.
func (r *Recorder) Sync(name string) error {
	if inStaging(name) {
		if err := r.adopt(path.Dir(name)); err != nil {
			return err
		}
	}
	r.note(Op{kind: opSync, Name: name})
	return nil // nothing crashes here but the model
}

// Open records a file's making and what is written to it.
func (r *Recorder) Open(name string) (fsstore.File, error) {
	f, err := r.Disk.Open(name)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.known[name] {
		r.add(Op{kind: opCreate, Name: name})
	}
	return &recorded{f, r, name}, nil
}

type recorded struct {
	fsstore.File
	r    *Recorder
	name string
}

func (f *recorded) WriteAt(p []byte, off int64) (int, error) {
	f.r.note(Op{kind: opWrite, Name: f.name, offset: off, data: slices.Clone(p)})
	return f.File.WriteAt(p, off)
}

func (f *recorded) Truncate(size int64) error {
	f.r.note(Op{kind: opTruncate, Name: f.name, offset: size})
	return f.File.Truncate(size)
}

func (f *recorded) Sync() error {
	f.r.note(Op{kind: opSync, Name: f.name})
	return nil
}
