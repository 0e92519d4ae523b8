package modelregistry_test

import (
	"errors"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/internal/testmount"
)

// mountAs mounts a folder through FUSE until the test ends, as a program of
// another name does.
func mountAs(t *testing.T, program, source string) (dir string) {
	t.Helper()
	if os.Geteuid() != 0 {
		unavailable(t, "mounting takes root")
	}
	dir = filepath.Join(t.TempDir(), "a mount")
	if err := os.Mkdir(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("bindfs", "-o", "subtype="+program, source, dir).CombinedOutput(); err != nil {
		unavailable(t, "bindfs: "+err.Error()+": "+string(out))
	}
	testmount.UnmountAfter(t, dir)
	return dir
}

// A store in a mounted bucket can be read, and is written to only if the caller
// says that no other machine does.
func TestMountedBucketIsRefused(t *testing.T) {
	t.Parallel()
	source := t.TempDir()
	store := filepath.Join(source, "store")
	register(t, openStore(t, store, nil), "1.0.0", nil)
	dir := mountAs(t, "s3fs", source)
	check := unchanged(t, store)
	r := openStore(t, filepath.Join(dir, "store"), nil)
	wantStages(t, r, map[string]mr.ModelStage{"1.0.0": mr.Development})
	m, err := r.GetModel(t.Context(), fraud.At("1.0.0"), &mr.GetOptions{Verify: true})
	if err != nil {
		t.Fatal(err)
	}
	m.Close()
	if report, err := r.Verify(t.Context(), nil); err != nil || len(report.Findings) > 0 {
		t.Errorf("Verify: %v, %v; want no finding", report, err)
	}
	if c, err := r.CheckPromotion(t.Context(), fraud.At("1.0.0"), mr.Production, nil); err != nil || !c.Allowed {
		t.Errorf("CheckPromotion: %v, %v; want it allowed", c, err)
	}

	empty := filepath.Join(dir, "new", "store") // made by its first registration
	for what, change := range map[string]func(r *mr.ModelRegistry) error{
		"Register": func(r *mr.ModelRegistry) error {
			_, err := r.Register(t.Context(), fraud, mr.FromFunc(func(string) error {
				t.Error("the files were saved before the refusal")
				return nil
			}), nil)
			return err
		},
		"Promote": func(r *mr.ModelRegistry) error {
			_, err := r.Promote(t.Context(), fraud.At("1.0.0"), mr.Production, nil)
			return err
		},
		"Register in a new store": func(*mr.ModelRegistry) error {
			_, err := openStore(t, empty, nil).Register(t.Context(), fraud, artifact(), nil)
			return err
		},
		"Repair": func(r *mr.ModelRegistry) error {
			writeFile(t, modelPath(store, ".registry.json.tmp"), "left")
			defer os.Remove(modelPath(store, ".registry.json.tmp"))
			_, err := r.Repair(t.Context(), fraud, &mr.RepairOptions{Apply: true})
			return err
		},
	} {
		err := change(r)
		var refused *mr.MountError
		if !errors.As(err, &refused) || !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("%s: got %v, want a MountError", what, err)
			continue
		}
		if refused.Mount != dir || refused.Program != "s3fs" || !strings.HasPrefix(refused.URL, "s3://") || !strings.HasPrefix(refused.Folder, dir) {
			t.Errorf("%s: got %+v, want s3fs on %s and a URL", what, refused, dir)
		}
	}
	check()
	if _, err := os.Lstat(filepath.Join(source, "new")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the refused registration left a folder: %v", err)
	}

	one := openStore(t, filepath.Join(dir, "store"), &mr.Options{OneMachine: true})
	register(t, one, "1.0.1", nil)
	s, err := mr.NewFolderStore(filepath.Join(dir, "store"), &mr.Options{OneMachine: true})
	if err != nil {
		t.Fatal(err)
	}
	wrapped := mr.New(s, nil)
	defer wrapped.Close()
	register(t, wrapped, "1.0.2", nil)
}

// A use case may be in a bucket while the rest of the store is not. A bind
// mount of a part of the bucket, and a link to it, are the bucket.
func TestMountedBucketInAStore(t *testing.T) {
	t.Parallel()
	bucket := mountAs(t, "gcsfuse", t.TempDir())
	store := t.TempDir()
	inside := filepath.Join(store, "in_bucket")
	for _, dir := range []string{inside, filepath.Join(bucket, "part")} {
		if err := os.Mkdir(dir, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := exec.Command("mount", "--bind", filepath.Join(bucket, "part"), inside).CombinedOutput(); err != nil {
		t.Fatalf("mount: %v: %s", err, out)
	}
	testmount.UnmountAfter(t, inside)
	r := openStore(t, store, nil)
	register(t, r, "1.0.0", nil)
	var refused *mr.MountError
	if _, err := r.Register(t.Context(), mr.ModelName{UseCase: "in_bucket", Model: "m"}, artifact(), nil); !errors.As(err, &refused) || refused.Mount != inside {
		t.Errorf("got %v, want a MountError about %s", err, inside)
	}
	register(t, r, "1.0.1", nil)

	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(filepath.Join(bucket, "part"), link); err != nil {
		t.Fatal(err)
	}
	if _, err := openStore(t, link, nil).Register(t.Context(), fraud, artifact(), nil); !errors.As(err, &refused) {
		t.Errorf("through a link: got %v, want a MountError", err)
	}
}

// The first write to a network file system warns, and no other call does.
func TestNetworkMountWarnsOnce(t *testing.T) {
	t.Parallel()
	const text = "the store is on a network file system (fuse.sshfs on "
	var log lockedBuffer
	logged := &mr.Options{Logger: slog.New(slog.NewTextHandler(&log, nil))}
	dir := mountAs(t, "sshfs", t.TempDir())
	store := filepath.Join(dir, "store")
	register(t, openStore(t, store, &mr.Options{OneMachine: true, Logger: logged.Logger}), "1.0.0", nil)
	r := openStore(t, store, logged)
	wantStages(t, r, map[string]mr.ModelStage{"1.0.0": mr.Development})
	if log.String() != "" {
		t.Errorf("before the first write the log has %s, want nothing", &log)
	}
	register(t, r, "1.0.1", nil)
	register(t, r, "1.0.2", nil)
	if _, err := r.Register(t.Context(), mr.ModelName{UseCase: "u", Model: "m"}, artifact(), nil); err != nil {
		t.Error(err)
	}
	if n := strings.Count(log.String(), text); n != 1 {
		t.Errorf("the log has %d warnings, want 1:\n%s", n, &log)
	}
}

// A program behind FUSE that no list names is no bucket.
func TestOtherMountIsNotRefused(t *testing.T) {
	t.Parallel()
	var log lockedBuffer
	r := openStore(t, mountAs(t, "something", t.TempDir()), &mr.Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	register(t, r, "1.0.0", nil)
	if log.String() != "" {
		t.Errorf("the log has %s, want nothing", &log)
	}
}
