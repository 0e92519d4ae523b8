//go:build unix

package fsstore_test

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ubunye-go/modelregistry/driver"
	"github.com/ubunye-go/modelregistry/internal/fsroot"
	"github.com/ubunye-go/modelregistry/internal/fsstore"
)

// running opens a store on a machine that was started some time ago.
func running(t *testing.T, dir, boot string, ago time.Duration) *fsstore.Store {
	t.Helper()
	s := booted(t, dir, boot, nil)
	t.Cleanup(func() { s.Close() })
	s.SetBootTime(func() time.Time { return time.Now().Add(-ago) })
	return s
}

// writes makes a machine write to the model.
func writes(t *testing.T, dir, boot string, ago time.Duration) {
	t.Helper()
	if done, err := place(t, running(t, dir, boot, ago), "of "+boot); err != nil || done.DocumentErr != nil {
		t.Fatal(err, done.DocumentErr)
	}
}

// machines returns the record of a second machine as Inspect finds it.
func machines(t *testing.T, s *fsstore.Store) (texts []string) {
	t.Helper()
	for it, err := range s.Inspect(t.Context(), "uc", "m") {
		if err != nil {
			t.Fatal(err)
		}
		if it.Kind == driver.ItemMachines {
			texts = append(texts, it.Text)
		}
	}
	return texts
}

// setNote puts a note into the lock file. INODE stands for the file's inode.
func setNote(t *testing.T, dir, text string) {
	t.Helper()
	name := filepath.Join(dir, "uc", "m", ".lock")
	info, err := os.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	_, inode := fsroot.Identity(info)
	text = strings.Replace(text, "INODE", fmt.Sprint(inode), 1)
	line := fmt.Sprintf("\x00%s %08x\n", text, crc32.ChecksumIEEE([]byte(text)))
	if err := os.WriteFile(name, []byte(line), 0o666); err != nil {
		t.Fatal(err)
	}
}

// A record is made exactly if two machines that were running at the same time
// wrote to the model, as far as the note shows that.
func TestSecondMachineIsRecorded(t *testing.T) {
	t.Parallel()
	const hour = time.Hour
	now := time.Now().Unix()
	for name, tt := range map[string]struct {
		before func(t *testing.T, dir string) (model string)
		ago    time.Duration // when machine b was started, which then writes
		want   bool
	}{
		"the first write": {func(t *testing.T, dir string) string { return dir }, hour, false},
		"the same machine": {func(t *testing.T, dir string) string {
			writes(t, dir, "b", hour)
			return dir
		}, hour, false},
		"after a reboot": {func(t *testing.T, dir string) string {
			writes(t, dir, "a", hour)
			return dir
		}, 0, false},
		"another machine meanwhile": {func(t *testing.T, dir string) string {
			writes(t, dir, "a", 0)
			return dir
		}, hour, true},
		"another machine, and no boot time": {func(t *testing.T, dir string) string {
			if _, err := place(t, booted(t, dir, "a", nil), "of a"); err != nil {
				t.Fatal(err)
			}
			return dir
		}, time.Duration(1<<63 - 1), false},
		"a copy of another machine's store": {func(t *testing.T, dir string) string {
			writes(t, dir, "a", hour)
			copied := t.TempDir()
			if err := os.CopyFS(copied, os.DirFS(dir)); err != nil {
				t.Fatal(err)
			}
			return copied
		}, hour, false},
		"machines that take turns": {func(t *testing.T, dir string) string {
			writes(t, dir, "b", 0)
			writes(t, dir, "a", 0)
			writes(t, dir, "a", 0)
			return dir
		}, 0, true},
		"a note of an older release": {func(t *testing.T, dir string) string {
			writes(t, dir, "b", hour)
			setNote(t, dir, `{"note":9,"boot":"a","at":"of b"}`)
			return dir
		}, hour, false},
		"a note like ours": {func(t *testing.T, dir string) string {
			writes(t, dir, "b", hour)
			setNote(t, dir, fmt.Sprintf(`{"note":9,"boot":"a","at":"of b","time":%d,"inode":INODE}`, now))
			return dir
		}, hour, true},
		"a note from the future": {func(t *testing.T, dir string) string {
			writes(t, dir, "b", hour)
			setNote(t, dir, fmt.Sprintf(`{"note":9,"boot":"a","at":"of b","time":%d,"inode":INODE}`, now+7200))
			return dir
		}, hour, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := tt.before(t, t.TempDir())
			s := running(t, dir, "b", tt.ago)
			if tt.ago > 100*time.Hour {
				s.SetBootTime(func() time.Time { return time.Time{} })
			}
			if done, err := place(t, s, "last"); err != nil || done.DocumentErr != nil {
				t.Fatal(err, done.DocumentErr)
			}
			got := machines(t, s)
			if len(got) > 0 != tt.want {
				t.Fatalf("the record says %q, want one: %t", got, tt.want)
			}
			if tt.want && (len(got) != 1 || !strings.Contains(got[0], "(boot a) wrote to this model") || !strings.Contains(got[0], "(boot b) was running")) {
				t.Errorf("the record says %q, want both machines in it", got)
			}
		})
	}
}

// The record of the first time stays, and a removed record comes back when it
// happens again.
func TestRecordOfMachinesStays(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	const hour = time.Hour
	writes(t, dir, "a", hour)
	writes(t, dir, "b", hour)
	s := running(t, dir, "c", hour)
	first := machines(t, s)
	writes(t, dir, "a", hour)
	writes(t, dir, "c", hour)
	if again := machines(t, s); len(first) != 1 || len(again) != 1 || again[0] != first[0] {
		t.Errorf("the record said %q, and later %q, want the same", first, again)
	}
	if err := os.Remove(filepath.Join(dir, "uc", "m", ".machines")); err != nil {
		t.Fatal(err)
	}
	if got := machines(t, s); len(got) != 0 {
		t.Errorf("after it was removed the record says %q, want none", got)
	}
	writes(t, dir, "a", hour)
	if got := machines(t, s); len(got) != 1 || !strings.Contains(got[0], "(boot c) wrote") {
		t.Errorf("the new record says %q, want c in it", got)
	}
}

// A record that can't be made is a warning and fails no change.
func TestRecordOfMachinesFails(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	writes(t, dir, "a", time.Hour)
	var log bytes.Buffer
	s := running(t, dir, "b", time.Hour)
	s.Log = slog.New(slog.NewTextHandler(&log, nil))
	s.Wrap(func(d fsstore.Disk) fsstore.Disk { return noMachines{d} })
	if done, err := place(t, s, "last"); err != nil || done.DocumentErr != nil {
		t.Errorf("got document error %v and error %v, want none", done.DocumentErr, err)
	}
	if !strings.Contains(log.String(), "uc/m/.machines: not recorded that two machines wrote") {
		t.Errorf("the log has %q, want the warning", &log)
	}
}

type noMachines struct{ fsstore.Disk }

func (d noMachines) Make(name string) error {
	if filepath.Base(name) == ".machines" {
		return &os.PathError{Op: "make", Path: name, Err: errors.New("no room")}
	}
	return d.Disk.Make(name)
}

// Whatever is in the place of the record, it is no error, and can't fake a
// line.
func TestRecordOfMachinesOfAnyKind(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	writes(t, dir, "a", time.Hour)
	name := filepath.Join(dir, "uc", "m", ".machines")
	s := running(t, dir, "a", time.Hour)
	for _, tt := range []struct {
		make func() error
		want string
	}{
		{func() error { return os.WriteFile(name, nil, 0o666) }, ""},
		{func() error { return os.WriteFile(name, []byte("a\x1b[31m\u202eb\nc"), 0o666) }, "a?[31m?b"},
		{func() error { return os.WriteFile(name, bytes.Repeat([]byte("x"), 1<<20), 0o666) }, strings.Repeat("x", 1<<10)},
		{func() error { return os.Mkdir(name, 0o777) }, ""},
	} {
		if err := errors.Join(os.RemoveAll(name), tt.make()); err != nil {
			t.Fatal(err)
		}
		if got := machines(t, s); len(got) != 1 || got[0] != tt.want {
			t.Errorf("the record is %.80q, want %.80q", got, tt.want)
		}
	}
}
