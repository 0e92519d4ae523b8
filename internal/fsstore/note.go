package fsstore

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"path"
	"time"

	"github.com/ubunye-go/modelregistry/driver"
)

// A note names the document that the store put in place last, in the words of
// the caller (Checkpoint.Make). It is kept in the model's lock file, because
// another program that writes the document would drop it from there. The note
// is not synced. Within one boot of the system every process reads the bytes
// that were written. After a power cut and a reboot, some of the latest renames
// may be undone, and the store can't know which. So a note counts only within
// the boot in which it was written.
//
// A document is put in place like this, under the lock:
//
//  1. the temporary file is written and synced
//  2. the note says: At the old document, To the new one
//  3. the temporary file is renamed over the document
//  4. the note says: At the new document
//
// A process that is killed between 2 and 4 leaves a note with To. The temporary
// file shows which document is in place: while it exists, the rename did not
// happen. The next writer of a document settles that note before it touches the
// temporary file (settleNote).
type note struct {
	Number int64  `json:"note"`         // the note with the higher number counts
	Boot   string `json:"boot"`         // of the system; empty if it is not known
	At     string `json:"at"`           // the document in place; empty if it is not known
	To     string `json:"to,omitempty"` // the document that takes its place

	// Older releases do not write the following. They show whether several
	// machines write to the model: see machines.go.
	Before string `json:"before,omitempty"` // the last other boot that wrote a note
	Time   int64  `json:"time,omitempty"`   // of the note, in Unix seconds
	Host   string `json:"host,omitempty"`   // the machine's name
	Inode  uint64 `json:"inode,omitempty"`  // of the lock file
}

// The lock file has room for two notes. Each note overwrites the older one, so
// that one is always whole. Some systems let only the lock's holder access the
// locked bytes, so the lock is on the first byte, which no note uses.
const (
	noteAt   = 1
	noteRoom = 511
)

// readNote returns the note in a lock file, the zero note if it has none, and
// which file it read.
func readNote(d Disk, lockFile string) (last note, id FileID, err error) {
	data, id, err := d.ReadFrom(lockFile, noteAt)
	if errors.Is(err, fs.ErrNotExist) {
		return note{}, id, nil
	}
	if err != nil {
		return note{}, id, err
	}
	for from := 0; from < len(data); from += noteRoom {
		line, _, _ := bytes.Cut(data[from:], []byte("\n"))
		text, ok := bytes.CutSuffix(line, seal(line[:max(0, len(line)-sealSize)]))
		var n note
		if ok && json.Unmarshal(text, &n) == nil && n.Number > last.Number {
			last = n
		}
	}
	return last, id, nil
}

// writeNote writes a note into a lock file. Its number is one above that of the
// last note.
func writeNote(d Disk, lockFile string, n note) error {
	n.Time, n.Host = time.Now().Unix(), hostName()
	line, err := n.line()
	if err == nil && len(line) > noteRoom {
		n.Host = "" // less important than the rest
		line, err = n.line()
	}
	if err != nil {
		return err
	}
	if len(line) > noteRoom {
		return fmt.Errorf("note of %d bytes: %w", len(line), fs.ErrInvalid)
	}
	f, err := d.Open(lockFile)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(line, noteAt+n.Number%2*noteRoom)
	return errors.Join(err, f.Close())
}

func (n note) line() ([]byte, error) {
	text, err := json.Marshal(n)
	if err != nil {
		return nil, err
	}
	return append(append(text, seal(text)...), '\n'), nil
}

const sealSize = len(" 00000000")

// seal returns the end of a note: a checksum, so that a partly written note
// does not count.
func seal(text []byte) []byte {
	return fmt.Appendf(nil, " %08x", crc32.ChecksumIEEE(text))
}

// current returns the document that is in place according to a note. It is
// empty if that is not known.
func (n note) current(d Disk, dir, boot string) (at string, err error) {
	if n.Boot == "" || !sameBoot(n.Boot, boot) {
		return "", nil
	}
	if n.To != "" {
		temp, err := d.Stamp(path.Join(dir, documentTemp))
		if err != nil {
			return "", err
		}
		if !temp.Exists {
			return n.To, nil
		}
	}
	return n.At, nil
}

// replaceDocument puts a document in place of the document that the view
// showed, and notes it with a text, as Checkpoint.Make returns it. If another
// program wrote the document since, its document stays, and the error matches
// ErrOvertaken. The folder is not synced: if the rename is lost, the log brings
// the older document up to date. The returned stamp is that of the new document
// before it was renamed into place, so that a later write by another program
// shows as a different stamp.
func (s *Store) replaceDocument(v *View, data io.WriterTo, text string) (placed Stamp, err error) {
	d, dir := v.disk, v.rev.dir
	temp := path.Join(dir, documentTemp)
	now, err := s.settleNote(d, dir)
	if err != nil {
		return placed, err
	}
	if err = writeFile(d, temp, data); err == nil {
		d.ShareLike(temp, path.Join(dir, documentName))
		placed, err = stampOf(d, temp)
	}
	if err == nil {
		err = v.overtaken()
	}
	if err != nil {
		return placed, errors.Join(err, discard(d, temp))
	}
	lockFile := path.Join(dir, lockName)
	next := now
	next.Number, next.To = now.Number+1, text
	if text == "" {
		next.At = "" // without a text, the new document could not be distinguished from the old one
	}
	if err = writeNote(d, lockFile, next); err == nil {
		if err = d.Rename(temp, path.Join(dir, documentName)); isInUse(err) {
			err = fmt.Errorf("%w: %w", driver.ErrInUse, err)
		}
	}
	now.Number, next.Number = next.Number+1, next.Number+1
	if err != nil {
		if undo := writeNote(d, lockFile, now); undo != nil {
			return placed, errors.Join(err, undo) // the temporary file stays, and shows that the rename did not happen
		}
		return placed, errors.Join(err, discard(d, temp))
	}
	next.At, next.To = text, ""
	_ = writeNote(d, lockFile, next) // if this fails, the missing temporary file shows the same
	return placed, nil
}

// settleNote returns the note of a model for this boot, without To. It records
// if the last note shows that another machine wrote to the model. It must run
// before the temporary file is touched, because a note with To depends on that
// file.
func (s *Store) settleNote(d Disk, dir string) (now note, err error) {
	lockFile := path.Join(dir, lockName)
	before, id, err := readNote(d, lockFile)
	if err != nil {
		return note{}, err
	}
	s.noteMachine(d, dir, before, id)
	now = note{Number: before.Number, Boot: s.boot(), Before: before.Before, Inode: id.Inode}
	if !sameBoot(before.Boot, now.Boot) {
		now.Before = before.Boot
	}
	if now.At, err = before.current(d, dir, now.Boot); err != nil || before.To == "" {
		return now, err
	}
	now.Number++
	return now, writeNote(d, lockFile, now)
}
