package modelregistry_test

import (
	"bytes"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	mr "github.com/ubunye-go/modelregistry"
)

// A large file is hashed while it is copied, and its digest in the manifest is
// right.
func TestProgressOfACopy(t *testing.T) {
	t.Parallel()
	const size = 20<<20 + 17
	from := t.TempDir()
	large := bytes.Repeat([]byte("0123456789abcdef!"), size/17+1)[:size]
	writeFile(t, filepath.Join(from, "small"), "weights")
	writeFile(t, filepath.Join(from, "large"), string(large))
	r, dir := newStore(t, nil)
	var reported []mr.Progress
	v, err := r.Register(t.Context(), fraud, mr.FromDir(from), &mr.RegisterOptions{
		Progress: func(p mr.Progress) { reported = append(reported, p) }})
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
	last := reported[len(reported)-1]
	if want := (mr.Progress{Copied: size + 7, Hashed: size + 7 + ours, Total: size + 7 + ours}); last != want {
		t.Errorf("the end was reported as %+v, want %+v", last, want)
	}
	for i, p := range reported[1:] {
		if before := reported[i]; p.Copied < before.Copied || p.Hashed < before.Hashed || p.Total < before.Total {
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
	half, reported := make([]byte, 1<<19), make(chan mr.Progress, 1000)
	save := func(dir string) error {
		if err := os.WriteFile(filepath.Join(dir, "weights"), half, 0o666); err != nil {
			return err
		}
		for p := range reported { // while it is at it
			if p == (mr.Progress{Saved: 1 << 19}) {
				break
			}
		}
		return os.WriteFile(filepath.Join(dir, "more"), half, 0o666)
	}
	_, err := r.Register(t.Context(), fraud, mr.FromFunc(save), &mr.RegisterOptions{
		Progress: func(p mr.Progress) { last = p; reported <- p }})
	if err != nil {
		t.Fatal(err)
	}
	if last.Saved != 1<<20 || last.Copied != 0 || last.Hashed <= 1<<20 || last.Hashed != last.Total {
		t.Errorf("the last progress was %+v", last)
	}
}

// A move reports the progress of checking the artifact, and reads it once.
func TestProgressOfAMove(t *testing.T) {
	t.Parallel()
	r, dir := newStore(t, nil)
	ctx := t.Context()
	save := func(dir string) error {
		return os.WriteFile(filepath.Join(dir, "weights"), make([]byte, 20<<20), 0o666)
	}
	for range 2 {
		if _, err := r.Register(ctx, fraud, mr.FromFunc(save), nil); err != nil {
			t.Fatal(err)
		}
	}
	size := int64(0)
	for _, name := range []string{"metadata.json", "metrics.json", "model/weights"} {
		info, err := os.Stat(modelPath(dir, "versions", "1.0.0", name))
		if err != nil {
			t.Fatal(err)
		}
		size += info.Size()
	}
	var last mr.Progress
	tell, all := func(p mr.Progress) { last = p }, mr.Progress{Hashed: size, Total: size}
	for _, step := range []struct {
		name string
		do   func() error
		want mr.Progress
	}{
		{"Promote", func() error {
			_, err := r.Promote(ctx, fraud.At("1.0.0"), mr.Production, &mr.MoveOptions{Progress: tell})
			return err
		}, all},
		{"Rollback", func() error {
			_, err := r.RollbackTo(ctx, fraud.At("1.0.1"), &mr.MoveOptions{Progress: tell, Force: true})
			return err
		}, all},
		{"Demote", func() error { // looks at no file
			_, err := r.Demote(ctx, fraud.At("1.0.1"), mr.Development, &mr.MoveOptions{Progress: tell})
			return err
		}, mr.Progress{}},
		{"GetModel", func() error {
			_, err := r.GetModel(ctx, fraud.At("1.0.0"), &mr.GetOptions{Verify: true, Progress: tell})
			return err
		}, all},
	} {
		last = mr.Progress{}
		if err := step.do(); err != nil || last != step.want {
			t.Errorf("%s: the end was reported as %+v, %v; want %+v", step.name, last, err, step.want)
		}
	}
}

// A write that fails while a large file is copied fails its registration. The
// system reports the failure once, and the sync at the end would succeed. The
// test is not parallel, because it sets what all registries share.
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
