package fsstore_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ubunye-go/modelregistry/driver"
	"github.com/ubunye-go/modelregistry/internal/crashtest"
	"github.com/ubunye-go/modelregistry/internal/fsstore"
)

// place appends a line and puts a document in place. The document's bytes are
// its note, unless the document is noNote.
func place(t *testing.T, s *fsstore.Store, document string) (driver.AppendResult, error) {
	t.Helper()
	return s.Append(t.Context(), "uc", "m", func(v driver.View) (*driver.Commit, error) {
		if _, _, err := v.Document(); err != nil {
			return nil, err
		}
		note := document
		if document == noNote {
			note = ""
		}
		return &driver.Commit{
			Lines:      [][]byte{[]byte("line of " + document)},
			Checkpoint: &driver.Checkpoint{Make: func(int64) (io.WriterTo, string) { return bytes.NewReader([]byte(document)), note }},
		}, nil
	})
}

// noNote is a document that has none.
const noNote = "without a note"

// These name boots. Windows has no names for them, so they are times there.
const thisBoot, nextBoot = "1790000000", "1790001000"

// noted returns the document and its note as a store finds them that was just
// opened.
func noted(t *testing.T, dir, boot string) (document, note string, ok bool) {
	t.Helper()
	s := booted(t, dir, boot, nil)
	defer s.Close()
	err := s.Read(context.Background(), "uc", "m", func(v driver.View) error {
		data, _, err := v.Document()
		document = string(data)
		note, ok = v.(driver.NotedView).Note()
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return document, note, ok
}

func booted(t *testing.T, dir, boot string, faulty *crashtest.Faulty) *fsstore.Store {
	t.Helper()
	s, err := fsstore.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	s.SetBoot(func() string { return boot })
	if faulty != nil {
		s.Wrap(func(d fsstore.Disk) fsstore.Disk { return faulty.Wrap(crashtest.NoSync{Disk: d}) })
	}
	return s
}

// failsAt puts a document in place while operation number at fails, and also
// all later operations if stays is set. It returns false if there are fewer
// operations.
func failsAt(t *testing.T, dir, document string, at int, stays bool) bool {
	t.Helper()
	var faulty crashtest.Faulty
	s := booted(t, dir, thisBoot, &faulty)
	defer s.Close()
	faulty.Fail(crashtest.Fault{At: at, Err: syscall.EIO, Stays: stays})
	place(t, s, document)
	_, hit := faulty.Heal()
	return hit != ""
}

func killedAt(t *testing.T, dir, document string, at int) bool {
	return failsAt(t, dir, document, at, true)
}

// first makes a store with a document in place.
func first(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	s := booted(t, dir, thisBoot, nil)
	defer s.Close()
	for _, document := range []string{"one before", "first"} {
		if _, err := place(t, s, document); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// After any failure, either the note names the document in place, or there is
// no note.
func TestNoteAfterAFault(t *testing.T) {
	t.Parallel()
	for _, document := range []string{"second", noNote} {
		for at, more := 1, true; more; at++ {
			for _, stays := range []bool{false, true} {
				dir := first(t)
				more = failsAt(t, dir, document, at, stays)
				there, note, ok := noted(t, dir, thisBoot)
				if ok && note != there || !ok && document != noNote {
					t.Errorf("operation %d failed, later ones too: %t: the note is %q, %t, the document %q", at, stays, note, ok, there)
				}
			}
		}
	}
	dir := first(t)
	s := booted(t, dir, thisBoot, nil)
	defer s.Close()
	s.Wrap(func(d fsstore.Disk) fsstore.Disk { return &stuckDisk{Disk: d} })
	if done, err := place(t, s, "second"); err != nil || !errors.Is(done.DocumentErr, syscall.EIO) {
		t.Errorf("got document error %v and error %v, want a document error only", done.DocumentErr, err)
	}
	if there, note, ok := noted(t, dir, thisBoot); !ok || note != "first" || there != "first" {
		t.Errorf("neither the rename nor the way back worked: the note is %q, %t, the document %q", note, ok, there)
	}
}

// A stuckDisk can't rename, and after an attempt can't open a lock file.
type stuckDisk struct {
	fsstore.Disk
	tried bool
}

func (d *stuckDisk) Rename(from, to string) error {
	d.tried = true
	return &os.LinkError{Op: "rename", Old: from, New: to, Err: syscall.EIO}
}

func (d *stuckDisk) Open(name string) (fsstore.File, error) {
	if d.tried && filepath.Base(name) == ".lock" {
		return nil, &os.PathError{Op: "open", Path: name, Err: syscall.EIO}
	}
	return d.Disk.Open(name)
}

// A process may be killed at any operation, and the next process, which takes
// over, may be killed too. The note names the document in place.
func TestNoteIsOfTheDocumentInPlace(t *testing.T) {
	t.Parallel()
	check := func(dir string, at ...int) {
		t.Helper()
		document, note, ok := noted(t, dir, thisBoot)
		if !ok || note != document {
			t.Errorf("killed at operation %v: the note is %q, %t, the document %q", at, note, ok, document)
		}
		if _, note, ok := noted(t, dir, nextBoot); ok {
			t.Errorf("killed at operation %v: after a reboot the note still is %q", at, note)
		}
	}
	seen := map[string]bool{}
	for one := 1; ; one++ {
		dir := first(t)
		if !killedAt(t, dir, "second", one) {
			break
		}
		check(dir, one)
		document, _, _ := noted(t, dir, thisBoot)
		left, _ := filepath.Glob(filepath.Join(dir, "uc", "m", ".*.tmp"))
		state := fmt.Sprint(document, len(left), notesIn(readLock(t, dir)))
		if seen[state] {
			continue
		}
		seen[state] = true
		for two := 1; ; two++ {
			dir := first(t)
			killedAt(t, dir, "second", one)
			if !killedAt(t, dir, "third", two) {
				break
			}
			check(dir, one, two)
		}
	}
	if len(seen) < 4 {
		t.Errorf("the kills left only %d kinds of states: %v", len(seen), seen)
	}
}

// notesIn returns the notes in a lock file, without what differs between two
// stores: times, inodes and checksums.
func notesIn(lock string) (notes []string) {
	for at := 1; at < len(lock); at += 511 {
		line, _, _ := strings.Cut(lock[at:], "\n")
		n, _, _ := strings.Cut(line, `,"time":`)
		notes = append(notes, n)
	}
	return notes
}

func readLock(t *testing.T, dir string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, "uc", "m", ".lock"))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// One of two notes is always whole. There is no note if neither is whole, if
// the boot has no name, or if the caller gave none.
func TestIncompleteNoteIsIgnored(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		boot  string
		spoil func(lock string) string
		want  string
	}{
		"no lock file":   {thisBoot, func(string) string { return "" }, ""},
		"half a note":    {thisBoot, func(lock string) string { return lock[:20] }, ""},
		"both changed":   {thisBoot, func(lock string) string { return strings.ReplaceAll(lock, "first", "fiasc") }, ""},
		"the last one":   {thisBoot, func(lock string) string { return strings.Replace(lock, `"note":2`, `"note":7`, 1) }, "first"},
		"the one before": {thisBoot, func(lock string) string { return strings.Replace(lock, `"note":1`, `"note":7`, 1) }, "first"},
		"no boot":        {"", func(lock string) string { return lock }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			s := booted(t, dir, tt.boot, nil)
			defer s.Close()
			if _, err := place(t, s, "first"); err != nil {
				t.Fatal(err)
			}
			lock := readLock(t, dir)
			if err := os.WriteFile(filepath.Join(dir, "uc", "m", ".lock"), []byte(tt.spoil(lock)), 0o666); err != nil {
				t.Fatal(err)
			}
			if _, note, ok := noted(t, dir, tt.boot); ok != (tt.want != "") || note != tt.want {
				t.Errorf("the note is %q, %t, want %q", note, ok, tt.want)
			}
			if _, err := place(t, s, "second"); err != nil {
				t.Fatal(err)
			}
			if _, note, ok := noted(t, dir, tt.boot); ok != (tt.boot != "") || ok && note != "second" {
				t.Errorf("after the next document the note is %q, %t", note, ok)
			}
		})
	}
	dir := t.TempDir()
	s := booted(t, dir, thisBoot, nil)
	defer s.Close()
	if _, err := place(t, s, "first"); err != nil {
		t.Fatal(err)
	}
	_, err := s.Append(t.Context(), "uc", "m", func(v driver.View) (*driver.Commit, error) {
		return &driver.Commit{Checkpoint: &driver.Checkpoint{Make: func(int64) (io.WriterTo, string) { return bytes.NewReader([]byte("second")), "" }}}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, note, ok := noted(t, dir, thisBoot); ok {
		t.Errorf("a document without a note has the note %q", note)
	}
}

// A document that another program writes after the view was taken stays, up to
// the moment before the rename.
func TestDocumentOfAnotherProgramStays(t *testing.T) {
	t.Parallel()
	for _, when := range []string{"sync history.jsonl", "open .registry.json.tmp", "sync .registry.json.tmp"} {
		for _, how := range []string{"in place", "in place within a tick", "by a rename"} {
			t.Run(when+" "+how, func(t *testing.T) {
				t.Parallel()
				dir := t.TempDir()
				first := booted(t, dir, thisBoot, nil)
				defer first.Close()
				if _, err := place(t, first, "before"); err != nil {
					t.Fatal(err)
				}
				name := filepath.Join(dir, "uc", "m", "registry.json")
				s := booted(t, dir, thisBoot, nil)
				defer s.Close()
				s.Wrap(func(d fsstore.Disk) fsstore.Disk {
					if how == "in place within a tick" {
						d = coarseDisk{d, time.Now().Add(-time.Second).Truncate(time.Second)}
					}
					return hookedDisk{d, func(op string) {
						if op != when {
							return
						}
						to := name
						if how == "by a rename" {
							to += ".tmp"
						}
						err := os.WriteFile(to, []byte("theirs"), 0o666)
						if err == nil && to != name {
							err = os.Rename(to, name)
						}
						if err != nil {
							t.Error(err)
						}
					}}
				})
				done, err := place(t, s, "ours")
				if err != nil || !errors.Is(done.DocumentErr, driver.ErrOvertaken) {
					t.Errorf("got document error %v and error %v, want ErrOvertaken and none", done.DocumentErr, err)
				}
				document, note, ok := noted(t, dir, thisBoot)
				if document != "theirs" || note != "before" || !ok {
					t.Errorf("the document is %q with note %q, %t", document, note, ok)
				}
				if left, _ := filepath.Glob(filepath.Join(dir, "uc", "m", ".*.tmp")); left != nil {
					t.Errorf("the commit left %q", left)
				}
			})
		}
	}
}

// A coarseDisk stamps all files with one whole second.
type coarseDisk struct {
	fsstore.Disk
	second time.Time
}

func (d coarseDisk) Stamp(name string) (fsstore.Stamp, error) {
	s, err := d.Disk.Stamp(name)
	if s.Exists {
		s.Time = d.second.UnixNano()
	}
	return s, err
}

// A hookedDisk calls a function before each open and after each sync, with "op
// file".
type hookedDisk struct {
	fsstore.Disk
	at func(op string)
}

func (d hookedDisk) Open(name string) (fsstore.File, error) {
	d.at("open " + filepath.Base(name))
	f, err := d.Disk.Open(name)
	return hookedFile{f, func() { d.at("sync " + filepath.Base(name)) }}, err
}

type hookedFile struct {
	fsstore.File
	synced func()
}

func (f hookedFile) Sync() error {
	err := f.File.Sync()
	f.synced()
	return err
}
