package modelregistry_test

import (
	"bytes"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	mr "github.com/ubunye-go/modelregistry"
)

// A large file is hashed behind its copy, and what the manifest says of it holds.
func TestProgressOfACopy(t *testing.T) {
	t.Parallel()
	const size = 20<<20 + 17
	from := t.TempDir()
	large := bytes.Repeat([]byte("0123456789abcdef!"), size/17+1)[:size]
	writeFile(t, filepath.Join(from, "small"), "weights")
	writeFile(t, filepath.Join(from, "large"), string(large))
	r, dir := newStore(t, nil)
	var told []mr.Progress
	v, err := r.Register(t.Context(), fraud, mr.FromDir(from), &mr.RegisterOptions{
		Progress: func(p mr.Progress) { told = append(told, p) }})
	if err != nil {
		t.Fatal(err)
	}
	var ours int64 // metadata and metrics
	for _, name := range []string{"metadata.json", "metrics.json"} {
		info, err := os.Stat(modelPath(dir, "versions", v.Version, name))
		if err != nil {
			t.Fatal(err)
		}
		ours += info.Size()
	}
	last := told[len(told)-1]
	if want := (mr.Progress{Copied: size + 7, Hashed: size + 7 + ours, Total: size + 7 + ours}); last != want {
		t.Errorf("the end was told as %+v, want %+v", last, want)
	}
	for i, p := range told[1:] {
		if before := told[i]; p.Copied < before.Copied || p.Hashed < before.Hashed || p.Total < before.Total {
			t.Errorf("progress went back from %+v to %+v", before, p)
		}
	}
	if err := r.VerifyTree(t.Context(), v); err != nil {
		t.Error(err)
	}
}

func TestProgressOfASave(t *testing.T) {
	t.Parallel()
	r, _ := newStore(t, nil)
	var last mr.Progress
	save := func(dir string) error { return os.WriteFile(filepath.Join(dir, "weights"), make([]byte, 1<<20), 0o666) }
	_, err := r.Register(t.Context(), fraud, mr.FromFunc(save), &mr.RegisterOptions{
		Progress: func(p mr.Progress) { last = p }})
	if err != nil {
		t.Fatal(err)
	}
	if last.Copied != 0 || last.Hashed <= 1<<20 || last.Hashed != last.Total {
		t.Errorf("the end was told as %+v", last)
	}
}

// What could not be written while a large file was copied fails its registration: the system tells of it once, and the
// sync at the end would succeed. Not parallel, for it sets what all registries share.
func TestLostWriteOfALargeFile(t *testing.T) {
	from := t.TempDir()
	large := filepath.Join(from, "large")
	writeFile(t, large, "")
	if err := os.Truncate(large, 65<<20); err != nil {
		t.Fatal(err)
	}
	mr.FailSyncBehind(t, syscall.EIO)
	r, dir := newStore(t, nil)
	same := unchanged(t, dir)
	_, err := r.Register(t.Context(), fraud, mr.FromDir(from), nil)
	wantError(t, err, "register", fraud, "", syscall.EIO)
	same()
	if _, err := r.Register(t.Context(), fraud, mr.FromDir(from), nil); err != nil {
		t.Errorf("the disk is well again: %v", err)
	}
}
