//go:build unix

package modelregistry_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	mr "github.com/ubunye-go/modelregistry"
)

// In a folder that a group may write to, the group may read and change all that
// is made there, whatever umask each user has.
func TestUmaskLocksNoUserOut(t *testing.T) { // not parallel: the umask is the process's
	before := syscall.Umask(0o002)
	defer syscall.Umask(before)
	ctx := t.Context()
	dir := filepath.Join(t.TempDir(), "store")
	if err := os.Mkdir(dir, 0o770); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o770|fs.ModeSetgid); err != nil {
		t.Fatal(err)
	}
	source := t.TempDir()
	open := func() *mr.ModelRegistry {
		r, err := mr.Open(dir, nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { r.Close() })
		return r
	}
	check := func(when string) {
		t.Helper()
		err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			info, err := d.Info()
			if err != nil {
				return err
			}
			want := fs.FileMode(0o660)
			switch {
			case d.IsDir():
				want = 0o770
			case strings.Contains(name, "/versions/"):
				want = 0o440
			}
			if got := info.Mode().Perm(); got&want != want || got&0o007 != 0 || d.IsDir() && info.Mode()&fs.ModeSetgid == 0 {
				t.Errorf("%s, %s has the mode %v, want the rights %v for the group and none for others", when, name, info.Mode(), want)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	name := mr.ModelName{UseCase: "fraud", Model: "Risk"}
	add := func(umask int) {
		t.Helper()
		syscall.Umask(umask)
		writeFile(t, filepath.Join(source, "sub", "weights.bin"), "weights")
		for _, a := range []mr.Artifact{mr.FromDir(source), mr.FromFunc(func(dir string) error {
			return os.WriteFile(filepath.Join(dir, "saved"), []byte("saved"), 0o666)
		})} {
			r := open()
			v, err := r.Register(ctx, name, a, nil)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := r.Promote(ctx, v.Ref(), mr.Production, nil); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.RemoveAll(filepath.Join(source, "sub")); err != nil {
			t.Fatal(err)
		}
	}
	add(0o077)
	check("after the first changes under umask 077")
	add(0o007)
	add(0o077)
	check("after changes under several umasks")

	history := filepath.Join(dir, "fraud", "Risk", "history.jsonl")
	data, err := os.ReadFile(history)
	if err != nil {
		t.Fatal(err)
	}
	data[100] ^= 1
	if err := os.WriteFile(history, data, 0o666); err != nil {
		t.Fatal(err)
	}
	report, err := open().Repair(ctx, name, &mr.RepairOptions{Apply: true})
	if err != nil || !report.Applied {
		t.Fatalf("Repair: %+v, %v", report, err)
	}
	check("after a repair under umask 077")
}
