package modelregistry_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/internal/document"
)

// The environment of a child: what it does, where, under which umask and limit
// of a file's size, and whether as another user.
const (
	diskTask  = "MODELREGISTRY_TEST_DISK"
	diskDir   = "MODELREGISTRY_TEST_DISK_DIR"
	diskUmask = "MODELREGISTRY_TEST_DISK_UMASK"
	diskLimit = "MODELREGISTRY_TEST_DISK_LIMIT"
	diskUser  = "MODELREGISTRY_TEST_DISK_USER"
)

// nobody is a user, and a group, that owns nothing.
const nobody = 65534

// TestDiskChild is no test of its own: the others run it in processes that have
// other rights and limits.
func TestDiskChild(t *testing.T) {
	task, dir := os.Getenv(diskTask), os.Getenv(diskDir)
	if task == "" {
		return
	}
	if mask := os.Getenv(diskUmask); mask != "" {
		n, err := strconv.ParseUint(mask, 8, 32)
		if err != nil {
			t.Fatal(err)
		}
		syscall.Umask(int(n))
	}
	if limit := os.Getenv(diskLimit); limit != "" {
		n, err := strconv.ParseUint(limit, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		signal.Ignore(syscall.SIGXFSZ) // which would end the process
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: n, Max: n}); err != nil {
			t.Fatal(err)
		}
	}
	if os.Getenv(diskUser) != "" {
		if err := errors.Join(syscall.Setgroups(nil), syscall.Setgid(nobody), syscall.Setuid(nobody)); err != nil {
			t.Fatal(err)
		}
	}
	r := openStore(t, dir, nil)
	switch task {
	case "write": // what must succeed
		v := register(t, r, "", manyMetrics())
		promote(t, r, v.Version, mr.Staging)
	case "read":
		readsAll(t, r)
	case "refused":
		readsAll(t, r)
		refused(t, dir, r, syscall.EACCES)
	case "unreadable":
		_, err := r.ListVersions(t.Context(), fraud)
		wantError(t, err, "list", fraud, "", syscall.EACCES, fs.ErrPermission)
	case "too large":
		refused(t, dir, r, syscall.EFBIG)
	case "artifact too large":
		check := unchanged(t, dir)
		_, err := r.Register(t.Context(), fraud, mr.FromFS(fstest.MapFS{"w": {Data: make([]byte, 1<<20)}}), nil)
		wantError(t, err, "register", fraud, "", syscall.EFBIG)
		check()
		register(t, r, "", nil) // a small one
	case "document too large":
		before := len(stagesOf(t, r))
		register(t, r, "", nil)
		if n := len(stagesOf(t, openStore(t, dir, nil))); n != before+1 {
			t.Errorf("%d versions, want %d", n, before+1)
		}
	default:
		t.Fatalf("unknown task %q", task)
	}
}

// diskChild runs a task in a process of its own.
func diskChild(t *testing.T, task, dir string, env ...string) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestDiskChild$", "-test.timeout=1m")
	cmd.Env = append(append(os.Environ(), diskTask+"="+task, diskDir+"="+dir), env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%s %q: %v\n%s", task, env, err, out)
	}
}

// manyMetrics take more room in the document, where each has a line, than in
// the history.
func manyMetrics() map[string]any {
	m := map[string]any{}
	for i := range 100 {
		m[fmt.Sprint("m", i)] = i
	}
	return m
}

// readsAll reads all there is of a store that holds something.
func readsAll(t *testing.T, r *mr.ModelRegistry) {
	t.Helper()
	for v := range stagesOf(t, r) {
		m, err := r.GetModel(t.Context(), fraud.At(v), nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := r.VerifyTree(t.Context(), m.Version); err != nil {
			t.Error(err)
		}
	}
}

// refused tries every kind of change, of a version in development or staging,
// and wants the cause, and nothing changed.
func refused(t *testing.T, dir string, r *mr.ModelRegistry, cause error) {
	t.Helper()
	check := sameFiles(t, dir)
	_, err := r.Register(t.Context(), fraud, artifact(), nil)
	wantError(t, err, "register", fraud, "", cause)
	_, err = r.Promote(t.Context(), fraud.At("1.0.0"), mr.Production, nil)
	wantError(t, err, "promote", fraud, "1.0.0", cause)
	_, err = r.Archive(t.Context(), fraud.At("1.0.0"), nil)
	wantError(t, err, "archive", fraud, "1.0.0", cause)
	check()
}

// sameFiles returns a function that fails the test if a file has become
// another, or came or went. A file that was written and cut back counts as the
// same.
func sameFiles(t *testing.T, dir string) func() {
	t.Helper()
	before := files(t, dir)
	return func() {
		t.Helper()
		if diff := cmp.Diff(before, files(t, dir)); diff != "" {
			t.Errorf("the files changed (-before +after):\n%s", diff)
		}
	}
}

// mountTmpfs mounts a file system of its own, until the test ends.
func mountTmpfs(t *testing.T, options string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	mountOn(t, dir, options)
	return dir
}

func mountOn(t *testing.T, dir, options string) {
	t.Helper()
	if os.Geteuid() != 0 {
		unavailable(t, "mounting takes root")
	}
	if err := syscall.Mount("modelregistry-test", dir, "tmpfs", 0, options); err != nil {
		unavailable(t, err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
}

// clean checks that nothing is left of changes that failed, and that the
// history and every version in it is whole. It returns the stages.
func clean(t *testing.T, dir string, r *mr.ModelRegistry) map[string]mr.ModelStage {
	t.Helper()
	for _, pattern := range []string{".staging/*", ".registry.json.tmp", ".orphans"} {
		if left, _ := filepath.Glob(modelPath(dir, pattern)); left != nil {
			t.Errorf("left %q", left)
		}
	}
	data, err := os.ReadFile(modelPath(dir, "history.jsonl"))
	if err != nil || !bytes.HasSuffix(data, []byte("}\n")) {
		t.Errorf("the history ends in %q, %v", data[max(0, len(data)-20):], err)
	}
	history(t, dir)
	fresh := openStore(t, dir, nil)
	readsAll(t, fresh)
	stages := stagesOf(t, fresh)
	if diff := cmp.Diff(stages, stagesOf(t, r)); diff != "" {
		t.Errorf("a fresh registry reads otherwise (-fresh +held):\n%s", diff)
	}
	folders, err := os.ReadDir(modelPath(dir, "versions"))
	if err != nil || len(folders) != len(stages) {
		t.Errorf("%d folders for %d versions, %v", len(folders), len(stages), err)
	}
	return stages
}

// inStep checks that the document is ours and stands at the last event.
func inStep(t *testing.T, dir string) {
	t.Helper()
	data, err := os.ReadFile(modelPath(dir, "registry.json"))
	if err != nil {
		t.Fatal(err)
	}
	d, err := document.Parse(data)
	if events := history(t, dir); err != nil || d.Mark == nil || !d.Intact || d.Mark.Event != int64(len(events)) {
		t.Errorf("the document is not in step: %v", err)
	}
}

// ballast makes files that take some room, to be given back.
func ballast(t *testing.T, dir string) (names []string) {
	t.Helper()
	for i := range 20 {
		names = append(names, filepath.Join(dir, fmt.Sprint("ballast", i)))
		writeFile(t, names[i], strings.Repeat("x", 1<<13))
	}
	return names
}

// fill takes all that is left of a disk, to the last byte or file, and returns
// how to give it back, and the ballast with it.
func fill(t *testing.T, dir string, names []string, inodes bool) (free func()) {
	t.Helper()
	for {
		name := filepath.Join(dir, fmt.Sprint("filler", len(names)))
		f, err := os.Create(name)
		if err == nil {
			names = append(names, name)
			if !inodes {
				_, err = f.Write(make([]byte, 1<<16))
			}
			f.Close()
		}
		if errors.Is(err, syscall.ENOSPC) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return func() {
		for _, name := range names {
			if err := os.Remove(name); err != nil {
				t.Error(err)
			}
		}
	}
}

// Invariant 6: a disk that fills up refuses changes with ENOSPC, keeps what it
// has, and holds nothing of what it refused; with room again, it all goes on.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, options string
		inodes        bool
	}{
		{"bytes", "size=1m", false},
		{"inodes", "size=8m,nr_inodes=100", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := mountTmpfs(t, tt.options)
			store := filepath.Join(dir, "store")
			r := openStore(t, store, nil)
			weight := ballast(t, dir)
			want := map[string]mr.ModelStage{}
			var err error
			for i := 0; err == nil; i++ { // a growing artifact each, until one does not fit
				if i > 1000 {
					t.Fatal("it does not fill up")
				}
				var v mr.ModelVersion
				if v, err = r.Register(t.Context(), fraud, mr.FromFS(fstest.MapFS{"w": {Data: make([]byte, i*8192)}}), nil); err == nil {
					want[v.Version] = mr.Development
				}
			}
			wantError(t, err, "register", fraud, "", syscall.ENOSPC)
			if diff := cmp.Diff(want, clean(t, store, r)); diff != "" {
				t.Error(diff)
			}
			free := fill(t, dir, weight, tt.inodes)
			failed := 0
			for i := range 200 { // each takes some bytes of the history, and no further file
				version, to := fmt.Sprintf("1.0.%d", i%len(want)), []mr.ModelStage{mr.Staging, mr.Production}[i/len(want)%2]
				if want[version] == to || want[version] == mr.Production {
					continue
				}
				_, err := r.Promote(t.Context(), fraud.At(version), to, nil)
				if err == nil {
					for v, stage := range want {
						if stage == mr.Production && to == mr.Production {
							want[v] = mr.Archived
						}
					}
					want[version] = to
				} else {
					failed++
					wantError(t, err, "promote", fraud, version, syscall.ENOSPC)
				}
			}
			_, err = r.Register(t.Context(), fraud, artifact(), nil)
			wantError(t, err, "register", fraud, "", syscall.ENOSPC)
			if diff := cmp.Diff(want, clean(t, store, r)); diff != "" {
				t.Error(diff)
			}
			if tt.inodes != (failed == 0) { // a checkpoint that can't be written fails no change
				t.Errorf("%d promotions failed", failed)
			}
			free()
			v := register(t, r, "", nil)
			promote(t, r, v.Version, mr.Staging)
			want[v.Version] = mr.Staging
			if diff := cmp.Diff(want, clean(t, store, r)); diff != "" {
				t.Error(diff)
			}
			inStep(t, store)
		})
	}
}

// Invariant 6: a first registration that finds no room leaves nothing at all.
func TestFullDiskFirstRegistration(t *testing.T) {
	t.Parallel()
	dir := mountTmpfs(t, "size=1m")
	store := filepath.Join(dir, "a", "store")
	r := openStore(t, store, nil)
	_, err := r.Register(t.Context(), fraud, mr.FromFS(fstest.MapFS{"w": {Data: make([]byte, 2<<20)}}), nil)
	wantError(t, err, "register", fraud, "", syscall.ENOSPC)
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left %v, %v", left, err)
	}
	register(t, r, "", nil)
	clean(t, store, r)
}

// Invariant 6: a limit of a file's size stops the artifact, the history or the
// document, and each says so or fails no change.
func TestFileSizeLimit(t *testing.T) {
	t.Parallel()
	prepare := func(t *testing.T, n int) (dir string, history, document int64) {
		r, dir := newStore(t, nil)
		for range n {
			register(t, r, "", manyMetrics())
		}
		size := func(name string) int64 {
			info, err := os.Stat(modelPath(dir, name))
			if err != nil {
				t.Fatal(err)
			}
			return info.Size()
		}
		return dir, size("history.jsonl"), size("registry.json")
	}
	limit := func(n int64) string { return fmt.Sprintf("%s=%d", diskLimit, n) }
	t.Run("artifact", func(t *testing.T) {
		t.Parallel()
		dir, _, _ := prepare(t, 1)
		diskChild(t, "artifact too large", dir, limit(1<<18))
		clean(t, dir, openStore(t, dir, nil))
	})
	t.Run("history", func(t *testing.T) {
		t.Parallel()
		dir, history, _ := prepare(t, 3)
		check := sameFiles(t, dir)
		diskChild(t, "too large", dir, limit(history+20)) // in the middle of the line
		check()
		r := openStore(t, dir, nil)
		register(t, r, "", nil)
		clean(t, dir, r)
		inStep(t, dir)
	})
	t.Run("document", func(t *testing.T) {
		t.Parallel()
		dir, history, document := prepare(t, 8)
		if document < history+2000 {
			t.Fatalf("the document has %d bytes, the history %d", document, history)
		}
		diskChild(t, "document too large", dir, limit(history+1500))
		r := openStore(t, dir, nil)
		clean(t, dir, r)
		register(t, r, "", nil)
		inStep(t, dir)
	})
}

// Invariant 6: on a disk that is read-only, or becomes so, reading goes on, and
// every change says EROFS; once it can be written again, so it is.
func TestReadOnlyRemount(t *testing.T) {
	t.Parallel()
	dir := mountTmpfs(t, "size=4m")
	remount := func(flags uintptr) {
		t.Helper()
		if err := syscall.Mount("", dir, "", syscall.MS_REMOUNT|flags, ""); err != nil {
			t.Fatal(err)
		}
	}
	store := filepath.Join(dir, "store")
	r := openStore(t, store, nil)
	register(t, r, "1.0.0", nil)
	inProduction(t, r, "1.1.0")
	for range 2 {
		remount(syscall.MS_RDONLY)
		for _, r := range []*mr.ModelRegistry{r, openStore(t, store, nil)} {
			readsAll(t, r)
			refused(t, store, r, syscall.EROFS)
			readsAll(t, r)
		}
		_, err := openStore(t, filepath.Join(dir, "new"), nil).Register(t.Context(), fraud, artifact(), nil)
		wantError(t, err, "register", fraud, "", syscall.EROFS)
		remount(0)
		v := register(t, r, "", nil)
		promote(t, r, v.Version, mr.Production)
		clean(t, store, r)
		inStep(t, store)
		wantStages(t, openStore(t, store, nil), stagesOf(t, r))
	}
}

// sharedDir is a folder that every user can reach.
func sharedDir(t *testing.T, mode fs.FileMode) (dir string) {
	t.Helper()
	base, err := os.MkdirTemp("", "modelregistry-test")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(base) })
	dir = filepath.Join(base, "store")
	if err := errors.Join(os.Chmod(base, 0o755), os.Mkdir(dir, 0o755), os.Chown(dir, -1, nobody), os.Chmod(dir, mode)); err != nil {
		t.Fatal(err)
	}
	return dir
}

// Invariant 6: another user reads what the modes let him read, and is told
// EACCES where they don't; in a folder that is shared by a group, he writes
// too.
func TestAnotherUser(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		unavailable(t, "becoming another user takes root")
	}
	user := diskUser + "=nobody"
	t.Run("may read", func(t *testing.T) {
		t.Parallel()
		dir := sharedDir(t, 0o755)
		diskChild(t, "write", dir, diskUmask+"=022")
		check := unchanged(t, dir)
		diskChild(t, "refused", dir, user)
		check()
		diskChild(t, "write", dir, diskUmask+"=022")
		clean(t, dir, openStore(t, dir, nil))
	})
	t.Run("may not", func(t *testing.T) {
		t.Parallel()
		dir := sharedDir(t, 0o755)
		diskChild(t, "write", dir, diskUmask+"=077")
		check := unchanged(t, dir)
		diskChild(t, "unreadable", dir, user)
		check()
	})
	t.Run("shares a group", func(t *testing.T) {
		t.Parallel()
		dir := sharedDir(t, 0o775|fs.ModeSetgid)
		for range 2 {
			diskChild(t, "write", dir, diskUmask+"=002")
			diskChild(t, "write", dir, diskUmask+"=002", user)
		}
		if n := len(clean(t, dir, openStore(t, dir, nil))); n != 4 {
			t.Errorf("%d versions", n)
		}
		inStep(t, dir)
	})
}

// Files and folders get the modes that the umask leaves them; the files of a
// version lose their write bits; and a second process of the same user writes
// on.
func TestUmask(t *testing.T) {
	t.Parallel()
	for _, mask := range []fs.FileMode{0o077, 0o002, 0o022} {
		t.Run(fmt.Sprintf("%03o", mask), func(t *testing.T) {
			t.Parallel()
			env := []string{fmt.Sprintf("%s=%03o", diskUmask, mask)}
			dir := t.TempDir()
			if os.Geteuid() == 0 { // who may write whatever the modes say
				dir = sharedDir(t, 0o755)
				if err := os.Chown(dir, nobody, nobody); err != nil {
					t.Fatal(err)
				}
				env = append(env, diskUser+"=nobody")
			}
			diskChild(t, "write", dir, env...)
			diskChild(t, "write", dir, env...)
			if n := len(clean(t, dir, openStore(t, dir, nil))); n != 2 {
				t.Errorf("%d versions", n)
			}
			err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
				if err != nil || name == dir {
					return err
				}
				info, err := d.Info()
				if err != nil {
					return err
				}
				want := 0o666 &^ mask
				switch {
				case d.IsDir():
					want = 0o777 &^ mask
				case strings.Contains(name, "/versions/"):
					want = 0o444 &^ mask
				}
				if got := info.Mode().Perm(); got != want {
					t.Errorf("%s is %03o, want %03o", strings.TrimPrefix(name, dir), got, want)
				}
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
}

// versions/ on a mount of its own can't take a version by a rename. The error
// names the folder and the reason, and nothing is left.
func TestVersionsOnAMountOfItsOwn(t *testing.T) {
	r, dir := newStore(t, nil)
	versions := modelPath(dir, "versions")
	if err := os.MkdirAll(versions, 0o777); err != nil {
		t.Fatal(err)
	}
	mountOn(t, versions, "size=1m")
	_, err := r.Register(t.Context(), fraud, artifact(), nil)
	wantError(t, err, "register", fraud, "", syscall.EXDEV)
	if !strings.Contains(fmt.Sprint(err), "versions is a mount of its own") {
		t.Errorf("the error is %v, want one that says that versions is a mount of its own", err)
	}
	if list, err := r.ListVersions(t.Context(), fraud); err == nil {
		t.Errorf("listed %d versions, want none", len(list))
	}
}
