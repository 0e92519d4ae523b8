package fsstore

import (
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ubunye-go/modelregistry/driver"
)

// decided makes a store append lines in an Append whose decide reads the log
// from a position on. It returns the lines that decide read.
func decided(t *testing.T, s *Store, from int64, c *driver.Commit) (read string, done driver.AppendResult) {
	t.Helper()
	done, err := s.Append(t.Context(), "uc", "m", func(v driver.View) (*driver.Commit, error) {
		lines, _, err := v.Log(from)
		read = string(lines)
		return c, err
	})
	if err != nil {
		t.Fatal(err)
	}
	return read, done
}

func document(int64) (io.WriterTo, string) { return strings.NewReader("{}"), "" }

// A log is read again if its bytes can change while its stamp stays the same.
// The log has a torn tail, which another process replaces by as many bytes
// within one tick of the clock; or another process reached it under another
// lock; or it is a bucket's copy.
func TestLogIsReadAgain(t *testing.T) {
	t.Parallel()
	at := time.Now().Add(time.Hour).Truncate(time.Second)
	stop := func(t *testing.T, name string) {
		t.Helper()
		if err := os.Chtimes(name, at, at); err != nil {
			t.Fatal(err)
		}
	}
	for name, test := range map[string]func(t *testing.T, a, b *Store, log string) driver.AppendResult{
		"a torn tail": func(t *testing.T, a, b *Store, log string) driver.AppendResult {
			add(t, a, &driver.Commit{Lines: lines("one")})
			write(t, log, "one\ntorn")
			stop(t, log)
			_, done := decided(t, a, 4, &driver.Commit{Checkpoint: &driver.Checkpoint{Make: document}})
			add(t, b, &driver.Commit{Lines: lines("two")})
			stop(t, log)
			return done
		},
		"another lock": func(t *testing.T, a, b *Store, log string) driver.AppendResult {
			_, done := decided(t, a, 0, &driver.Commit{Lines: lines("one"), Checkpoint: &driver.Checkpoint{Make: func(int64) (io.WriterTo, string) {
				if err := os.Remove(filepath.Join(filepath.Dir(log), lockName)); err != nil {
					t.Fatal(err)
				}
				add(t, b, &driver.Commit{Lines: lines("two")})
				return document(0)
			}}})
			return done
		},
		"a bucket's copy": func(t *testing.T, a, _ *Store, log string) driver.AppendResult {
			slots := filepath.Join(filepath.Dir(log), historyName)
			if err := os.MkdirAll(slots, 0o777); err != nil {
				t.Fatal(err)
			}
			write(t, filepath.Join(slots, "9999999998-1.jsonl"), `{"commit":"a","number":1,"end":4}`+"\none\n")
			_, done := decided(t, a, 0, &driver.Commit{Checkpoint: &driver.Checkpoint{Make: document}})
			write(t, filepath.Join(slots, "9999999997-2.jsonl"), `{"commit":"b","number":2,"end":8}`+"\ntwo\n")
			return done
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			a, b := open(t, dir), open(t, dir)
			log := filepath.Join(dir, "uc", "m", logName)
			done := test(t, a, b, log)
			if changed, err := a.Changed(t.Context(), "uc", "m", done.Revision); !changed || err != nil {
				t.Errorf("changed: %v, %v", changed, err)
			}
			if got, _ := decided(t, a, 4, &driver.Commit{Lines: lines("three")}); got != "two\n" {
				t.Errorf("read %q", got)
			}
			if got := read(t, log); got != "one\ntwo\nthree\n" {
				t.Errorf("the log is %q", got)
			}
		})
	}
}

// readsNone is a disk that fails the test if a log is read.
type readsNone struct {
	Disk
	t *testing.T
}

func (d readsNone) ReadFrom(name string, offset int64) ([]byte, FileID, error) {
	if path.Base(name) == logName {
		d.t.Errorf("%s is read from %d on", name, offset)
	}
	return d.Disk.ReadFrom(name, offset)
}

// Readers of this store don't read its own appends again, not even while the
// document of the append is being written.
func TestOwnAppendIsNotReadAgain(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	s.Wrap(func(d Disk) Disk { return readsNone{d, t} })
	look := func(end int64) {
		t.Helper()
		err := s.Read(t.Context(), "uc", "m", func(v driver.View) error {
			lines, at, err := v.Log(end)
			if len(lines) > 0 || at != end {
				t.Errorf("LogBefore(%[2]d) = %[1]q", lines, at)
			}
			if changed, err := s.Changed(t.Context(), "uc", "m", v.Revision()); changed || err != nil {
				t.Errorf("changed: %v, %v", changed, err)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}
	if _, err := s.Append(t.Context(), "uc", "m", func(v driver.View) (*driver.Commit, error) {
		v.(*View).read = true // the log is empty
		return &driver.Commit{Lines: lines("one"), Checkpoint: &driver.Checkpoint{Make: func(end int64) (io.WriterTo, string) { look(end); return document(end) }}}, nil
	}); err != nil {
		t.Fatal(err)
	}
	look(4)
}
