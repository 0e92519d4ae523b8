package fsstore

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ubunye-go/modelregistry/driver"
)

// The next writer cuts off a torn line. A reader ignores it and leaves it in
// the log.
func TestTornTailIsCut(t *testing.T) {
	t.Parallel()
	for _, torn := range []string{"", "{2", "\x00\x00\x00\x00", "{2\x00\x00}\n", strings.Repeat("x", 10000)} {
		dir := t.TempDir()
		file := filepath.Join(dir, "uc", "m", logName)
		write(t, file, "{1}\n"+torn)
		s := open(t, dir)
		if got := log(t, s); got != "{1}\n" {
			t.Errorf("%.10q: read %q", torn, got)
		}
		if got := read(t, file); got != "{1}\n"+torn {
			t.Errorf("%.10q: reading changed the log", torn)
		}
		done, err := add(t, s, &driver.Commit{Lines: lines("{a}", "{b}")})
		if err != nil {
			t.Fatal(err)
		}
		want := "{1}\n{a} \n{b}\n"
		if got := read(t, file); got != want || done.End != int64(len(want)) {
			t.Errorf("%.10q: the log is %q, its end %d", torn, got, done.End)
		}
	}
}

func TestLogFrom(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "uc", "m", logName), "{1}\n{2}\n{3")
	s := open(t, dir)
	err := s.Read(t.Context(), "uc", "m", func(v driver.View) error {
		for from, want := range map[int64]string{0: "{1}\n{2}\n", 4: "{2}\n", 8: ""} {
			data, end, err := v.Log(from)
			if err != nil || string(data) != want || end != 8 {
				t.Errorf("Log(%d) = %q, end %d, %v", from, data, end, err)
			}
		}
		if _, _, err := v.Log(100); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Log after the end: got error %v, want fs.ErrNotExist", err)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	err = s.Read(t.Context(), "uc", "other", func(v driver.View) error {
		data, ok, err := v.Document()
		if data != nil || ok || err != nil {
			t.Errorf("a missing document: got %q, %t, %v", data, ok, err)
		}
		_, _, err = v.Log(1)
		return err
	})
	if !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}

// A failure before the lines are written changes nothing.
func TestAppendDecides(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	boom := errors.New("boom")
	_, err := s.Append(t.Context(), "uc", "m", func(driver.View) (*driver.Commit, error) { return nil, boom })
	if err != boom {
		t.Error(err)
	}
	done, err := add(t, s, &driver.Commit{Lines: lines("{1}"), Checkpoint: &driver.Checkpoint{Make: func(end int64) (io.WriterTo, string) { return bytes.NewReader(fmt.Appendf(nil, "%d", end)), "" }}})
	if err != nil || done.End != 4 || done.DocumentErr != nil {
		t.Fatalf("Append = %+v, %v", done, err)
	}
	if got := read(t, s.path("uc/m/"+documentName)); got != "4" {
		t.Errorf("the document is %q", got)
	}
	// A document that can't be written does not fail the change.
	write(t, s.path("uc/m/"+documentTemp+"/in-the-way"), "")
	done, err = add(t, s, &driver.Commit{Lines: lines("{2}"), Checkpoint: &driver.Checkpoint{Make: func(int64) (io.WriterTo, string) { return bytes.NewReader([]byte("x")), "" }}})
	if err != nil || done.DocumentErr == nil || done.End != 8 {
		t.Errorf("Append with a document that can't be written = %+v, %v", done, err)
	}
	if got := read(t, s.path("uc/m/"+documentName)); got != "4" {
		t.Errorf("the document is %q", got)
	}
	if got := log(t, s); got != "{1}\n{2}\n" {
		t.Errorf("the log is %q", got)
	}
}
