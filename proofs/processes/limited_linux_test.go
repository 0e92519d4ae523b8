package processes

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"testing"
	"testing/fstest"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/internal/storetest"
)

// Variables in the environment of a process with other rights or limits: its
// umask, its limit on the size of a file, and whether it runs as another user.
const (
	umaskVariable     = "MODELREGISTRY_PROCESSES_UMASK"
	sizeLimitVariable = "MODELREGISTRY_PROCESSES_SIZE_LIMIT"
	userVariable      = "MODELREGISTRY_PROCESSES_USER"
)

// The user and the group of this number own no files.
const nobody = 65534

// limited maps names to what a process with other rights or limits can do in a
// store.
var limited = map[string]func(t *testing.T, r *mr.ModelRegistry, dir string){
	"write": func(t *testing.T, r *mr.ModelRegistry, dir string) {
		v := storetest.Register(t, r, "", manyMetrics())
		storetest.Promote(t, r, v.Version, mr.Staging)
	},
	"read, and find changes refused": func(t *testing.T, r *mr.ModelRegistry, dir string) {
		wantReadable(t, r)
		wantRefused(t, dir, r, syscall.EACCES)
	},
	"find it unreadable": func(t *testing.T, r *mr.ModelRegistry, dir string) {
		_, err := r.ListVersions(t.Context(), fraud)
		storetest.WantError(t, err, "list", fraud, "", syscall.EACCES, fs.ErrPermission)
	},
	"find files too large": func(t *testing.T, r *mr.ModelRegistry, dir string) {
		wantRefused(t, dir, r, syscall.EFBIG)
	},
	"find the artifact too large": func(t *testing.T, r *mr.ModelRegistry, dir string) {
		check := storetest.Unchanged(t, dir)
		_, err := r.Register(t.Context(), fraud, mr.FromFS(fstest.MapFS{"w": {Data: make([]byte, 1<<20)}}), nil)
		storetest.WantError(t, err, "register", fraud, "", syscall.EFBIG)
		check()
		storetest.Register(t, r, "", nil) // whose artifact is small
	},
	"register, with the document too large": func(t *testing.T, r *mr.ModelRegistry, dir string) {
		before := len(storetest.StagesOf(t, r))
		storetest.Register(t, r, "", nil)
		if n := len(storetest.StagesOf(t, openStore(t, dir, nil))); n != before+1 {
			t.Errorf("%d versions, want %d", n, before+1)
		}
	},
}

func init() {
	for name, task := range limited {
		tasks[name] = func(t *testing.T, dir string) {
			limit(t)
			task(t, openStore(t, dir, nil), dir)
		}
	}
}

// limit sets the rights and limits of this process as its environment says.
func limit(t *testing.T) {
	t.Helper()
	number := func(variable string, base int) (n uint64, set bool) {
		text := os.Getenv(variable)
		if text == "" {
			return 0, false
		}
		n, err := strconv.ParseUint(text, base, 64)
		if err != nil {
			t.Fatal(err)
		}
		return n, true
	}
	if mask, set := number(umaskVariable, 8); set {
		syscall.Umask(int(mask))
	}
	if size, set := number(sizeLimitVariable, 10); set {
		signal.Ignore(syscall.SIGXFSZ) // which would end the process
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: size, Max: size}); err != nil {
			t.Fatal(err)
		}
	}
	if os.Getenv(userVariable) != "" {
		if err := errors.Join(syscall.Setgroups(nil), syscall.Setgid(nobody), syscall.Setuid(nobody)); err != nil {
			t.Fatal(err)
		}
	}
}

// run runs a task in a new process.
func run(t *testing.T, task, dir string, env ...string) {
	t.Helper()
	if out, err := command(task, dir, env...).CombinedOutput(); err != nil {
		t.Errorf("%s %q: %v\n%s", task, env, err, out)
	}
}

// manyMetrics returns metrics that take more space in the document than in the
// history, because each has a line there.
func manyMetrics() map[string]any {
	m := map[string]any{}
	for i := range 100 {
		m[fmt.Sprint("m", i)] = i
	}
	return m
}
