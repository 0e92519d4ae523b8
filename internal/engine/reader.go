package engine

import (
	"errors"
	"io/fs"

	"github.com/ubunye-go/modelregistry/driver"
	"github.com/ubunye-go/modelregistry/internal/document"
	"github.com/ubunye-go/modelregistry/internal/index"
	"github.com/ubunye-go/modelregistry/internal/pyjson"
)

// DocumentFile and LogFile are the names of a model's document and log in
// errors.
const (
	DocumentFile = "registry.json"
	LogFile      = "history.jsonl"
)

// A Reader reads what a view shows of a model. If a file is damaged, the error
// is a *driver.CorruptError that names it.
type Reader struct {
	driver.View
	Name driver.Name
}

// ReadDocument reads and parses the document. If that fails, the error is a
// *driver.CorruptError.
func (r Reader) ReadDocument() (d *document.Document, exists bool, err error) {
	data, exists, err := r.Document()
	switch {
	case errors.Is(err, fs.ErrInvalid):
		return nil, true, r.Corrupt(DocumentFile, 0, err)
	case err != nil || !exists:
		return nil, exists, err
	}
	if d, err = document.Parse(data); err != nil {
		var syntax *pyjson.SyntaxError
		errors.As(err, &syntax)
		return nil, true, r.Corrupt(DocumentFile, syntax.Offset, err)
	}
	return d, true, nil
}

// Position reads which event the document includes. It reports false if there
// is no document, or if it is not as we wrote it.
func (r Reader) Position() (at document.Mark, ours bool, err error) {
	if v, ok := r.View.(driver.PartView); ok {
		parts, size, err := v.OpenDocument()
		if err != nil {
			return at, false, unreadable(err)
		}
		if parts != nil {
			at, ours, err = document.ReadPosition(parts, size)
			return at, ours, unreadable(errors.Join(err, parts.Close()))
		}
	}
	data, ok, err := r.Document()
	if err != nil || !ok {
		return at, false, unreadable(err)
	}
	at, ours = document.Position(data)
	return at, ours, nil
}

// unreadable returns nil for the error of a document that is missing or can't
// be one. A full read reports it.
func unreadable(err error) error {
	if errors.Is(err, fs.ErrInvalid) || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// ReadLog reads the log from a position on. What can't be a log is corrupt.
func (r Reader) ReadLog(from int64) (lines []byte, end int64, err error) {
	lines, end, err = r.Log(from)
	if errors.Is(err, fs.ErrInvalid) {
		err = r.Corrupt(LogFile, from, err)
	}
	return lines, end, err
}

// Corrupt returns a *driver.CorruptError about one of the model's files.
func (r Reader) Corrupt(file string, offset int64, err error) error {
	return &driver.CorruptError{Path: r.Name.String() + "/" + file, Offset: offset, Err: err}
}

// damaged returns err, as a *driver.CorruptError if the index found damage.
func (r Reader) damaged(err error) error {
	var d *index.DamageError
	switch {
	case !errors.As(err, &d):
		return err
	case d.Document:
		return r.Corrupt(DocumentFile, d.Offset, d.Err)
	}
	return r.Corrupt(LogFile, d.Offset, d.Err)
}
