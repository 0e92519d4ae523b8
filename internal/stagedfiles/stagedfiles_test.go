package stagedfiles

import (
	"errors"
	"io"
	"io/fs"
	"testing"
)

// A failing writer has the errors that its methods return.
type failing struct{ write, close error }

func (f failing) Write(p []byte) (int, error) {
	if f.write != nil {
		return 0, f.write
	}
	return len(p), nil
}
func (f failing) Close() error { return f.close }
func (f failing) Abort() error { return nil }

var errDisk = errors.New("the disk fails")

// A tree with an incomplete file can't be sealed.
func TestFailedFileSpoilsTheTree(t *testing.T) {
	t.Parallel()
	for what, test := range map[string]struct {
		open  error
		to    failing
		bytes int
		want  error
	}{
		"sound":          {nil, failing{}, 4, nil},
		"open fails":     {errDisk, failing{}, 4, errDisk},
		"a write fails":  {nil, failing{write: errDisk}, 4, errDisk},
		"a close fails":  {nil, failing{close: errDisk}, 4, errDisk},
		"bytes missing":  {nil, failing{}, 3, io.ErrUnexpectedEOF},
		"bytes too many": {nil, failing{}, 5, fs.ErrInvalid},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			var l List
			w, err := l.Create("model/w", 4, func() (Writer, error) { return test.to, test.open })
			if err == nil {
				_, err = w.Write(make([]byte, test.bytes))
				err = errors.Join(err, w.Close())
			}
			if !errors.Is(err, test.want) {
				t.Errorf("writing: %v, want %v", err, test.want)
			}
			if err := l.Seal(); !errors.Is(err, test.want) {
				t.Errorf("sealing: %v, want %v", err, test.want)
			}
		})
	}
}

// Discard aborts the open files, and ends the tree.
func TestDiscardEndsTheTree(t *testing.T) {
	t.Parallel()
	var l List
	w, err := l.Create("model/w", 4, func() (Writer, error) { return failing{}, nil })
	if err != nil {
		t.Fatal(err)
	}
	l.Discard()
	if err := w.Close(); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("closing an open file: %v, want fs.ErrClosed", err)
	}
	if err := l.Seal(); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("sealing the tree: %v, want fs.ErrClosed", err)
	}
	if _, err := l.Create("model/x", 4, nil); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("creating a file: %v, want fs.ErrClosed", err)
	}
}
