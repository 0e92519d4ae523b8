package users

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/fstest"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/internal/storetest"
)

var fraud = mr.ModelName{UseCase: "fraud_detection", Model: "FraudRiskModel"}

// The users. None has an entry in /etc/passwd, as in a container.
const (
	group = 60010
	alice = 60011
	bob   = 60012
)

// Variables in the environment of a process: its store and its umask.
const (
	storeVariable = "MODELREGISTRY_USERS_STORE"
	umaskVariable = "MODELREGISTRY_USERS_UMASK"
)

func TestMain(m *testing.M) {
	store := os.Getenv(storeVariable)
	if store == "" {
		os.Exit(runTests(m))
	}
	umask, err := strconv.ParseInt(os.Getenv(umaskVariable), 8, 0)
	if err == nil {
		syscall.Umask(int(umask))
		err = work(store, os.Args[1], os.Args[2:])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

var artifact = fstest.MapFS{
	"weights.bin":      {Data: []byte("weights"), Mode: 0o644},
	"tokens/de/vocab":  {Data: []byte("a\nb\n"), Mode: 0o600},
	"bin/tokenizer.sh": {Data: []byte("#!/bin/sh\necho tokens\n"), Mode: 0o700},
}

// work runs one operation in a process. A warning counts as an error, because
// the parent wants no output.
func work(store, op string, args []string) error {
	ctx := context.Background()
	r, err := mr.Open(store, &mr.Options{Logger: slog.New(slog.NewTextHandler(os.Stderr, nil)), Checkpoint: mr.Always})
	if err != nil {
		return err
	}
	switch op {
	case "register":
		_, err = r.Register(ctx, fraud, mr.FromFS(artifact), nil)
	case "die":
		_, err = r.Register(ctx, fraud, mr.FromFS(artifact), &mr.RegisterOptions{Progress: func(p mr.Progress) {
			if p.Hashed > 0 {
				syscall.Kill(os.Getpid(), syscall.SIGKILL)
			}
		}})
	case "move":
		_, err = r.Register(ctx, fraud, mr.MoveDir(args[0]), nil)
	case "promote":
		_, err = r.Promote(ctx, fraud.At(args[0]), mr.Production, nil)
	case "get":
		var m *mr.Model
		if m, err = r.GetModel(ctx, fraud.At(args[0]), &mr.GetOptions{Verify: true}); err == nil {
			err = exec.Command(filepath.Join(m.Path, "bin", "tokenizer.sh")).Run()
			err = errors.Join(err, m.Close())
		}
	case "verify":
		var report *mr.VerifyReport
		if report, err = r.Verify(ctx, nil); err == nil && len(report.Findings) > 0 {
			err = fmt.Errorf("findings %v", report.Findings)
		}
	case "repair":
		_, err = r.Repair(ctx, fraud, &mr.RepairOptions{Apply: true})
	default:
		err = fmt.Errorf("no operation %q", op)
	}
	return errors.Join(err, r.Close())
}

// program is the path of a copy of this program that every user may run.
var program string

// runTests copies the program before any process is started. A process that was
// forked during the copy would have the copy open.
func runTests(m *testing.M) int {
	dir, err := os.MkdirTemp("", "users")
	if err == nil {
		defer os.RemoveAll(dir)
		program = filepath.Join(dir, "program")
		err = errors.Join(os.Chmod(dir, 0o755), copyProgram(program))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

func copyProgram(to string) error {
	from, err := os.Open("/proc/self/exe")
	if err != nil {
		return err
	}
	defer from.Close()
	f, err := os.Create(to)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, from)
	return errors.Join(err, f.Close(), os.Chmod(to, 0o755))
}

// A team is a folder that a group shares.
type team struct {
	*testing.T
	store string
}

func newTeam(t *testing.T) *team {
	t.Helper()
	if os.Getuid() != 0 {
		storetest.Unavailable(t, "only root can become other users")
	}
	dir, err := os.MkdirTemp("", "users")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	m := &team{t, filepath.Join(dir, "store")}
	err = errors.Join(os.Chmod(dir, 0o755), os.Mkdir(m.store, 0o770), os.Chown(m.store, 0, group), os.Chmod(m.store, 0o770|os.ModeSetgid))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// as returns the process of a user.
func (m *team) as(uid uint32, umask string, op string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(m.Context(), program, append([]string{op}, args...)...)
	cmd.Env = []string{storeVariable + "=" + m.store, umaskVariable + "=" + umask, "PATH=" + os.Getenv("PATH")}
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: group}}
	return cmd
}

// run runs a process of a user and wants no output.
func (m *team) run(uid uint32, umask string, op string, args ...string) {
	m.Helper()
	if out, err := m.as(uid, umask, op, args...).CombinedOutput(); err != nil || len(out) > 0 {
		m.Errorf("user %d with umask %s, %s %v: got error %v, want none, and no output\n%s", uid, umask, op, args, err, out)
	}
}

func (m *team) path(name string) string {
	return filepath.Join(m.store, fraud.UseCase, fraud.Model, name)
}

// Users can register the first versions of a model at the same moment. Each can
// use the folders that another made.
func TestFirstVersionsAtOnce(t *testing.T) {
	t.Parallel()
	for range 20 {
		m := newTeam(t)
		var all sync.WaitGroup
		for i, umask := range []string{"077", "027", "022", "002"} {
			all.Go(func() { m.run(alice+uint32(i%2), umask, "register") })
		}
		all.Wait()
		m.run(alice, "077", "promote", "1.0.0")
		m.run(bob, "022", "promote", "1.0.1")
		m.run(alice, "022", "verify")
		m.run(bob, "022", "verify")
		if t.Failed() {
			return
		}
	}
}

// With any umask, the other users can read, run and change what one user wrote,
// also after a repair by root.
func TestUsersTakeTurns(t *testing.T) {
	t.Parallel()
	m := newTeam(t)
	m.run(alice, "002", "register")
	m.run(bob, "077", "register")
	m.run(bob, "077", "promote", "1.0.0")
	m.run(alice, "002", "get", "1.0.1")
	m.run(alice, "022", "promote", "1.0.1")
	m.run(bob, "022", "get", "1.0.0")
	history, err := os.ReadFile(m.path("history.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	history[100] ^= 1
	if err := os.WriteFile(m.path("history.jsonl"), history, 0); err != nil {
		t.Fatal(err)
	}
	m.run(0, "022", "repair")
	m.run(alice, "002", "promote", "1.0.0")
	m.run(bob, "077", "register")
}

// The next registration by another user removes the staging folder of a killed
// process.
func TestStagingOfAnotherUserIsRemoved(t *testing.T) {
	t.Parallel()
	m := newTeam(t)
	m.run(bob, "022", "register")
	if out, err := m.as(alice, "077", "die").CombinedOutput(); err == nil {
		t.Fatalf("the process was not killed: %s", out)
	}
	if left, _ := filepath.Glob(m.path(".staging/*")); len(left) != 1 {
		t.Fatalf("the killed process left %q, want its staging folder", left)
	}
	m.run(bob, "022", "register")
	if left, _ := filepath.Glob(m.path(".staging/*")); len(left) > 0 {
		t.Errorf("after another user's registration the staging folder holds %q, want nothing", left)
	}
}

// A user can move a folder with files of another user into the store, although
// the system refuses to take their write bits.
func TestMoveFilesOfAnotherUser(t *testing.T) {
	t.Parallel()
	m := newTeam(t)
	source := filepath.Join(m.store, ".source")
	file := filepath.Join(source, "weights.bin")
	err := errors.Join(os.Mkdir(source, 0o770), os.Chown(source, alice, group), os.Chmod(source, 0o770), os.WriteFile(file, []byte("weights"), 0o640), os.Chown(file, alice, group))
	if err != nil {
		t.Fatal(err)
	}
	m.run(bob, "022", "move", source)
	if _, err := os.Stat(source); err == nil {
		t.Error("the folder was copied, want it moved")
	}
	m.run(alice, "022", "promote", "1.0.0")
	m.run(bob, "022", "verify")
}

// Verify reports files and folders that the group of a shared folder can't use.
func TestVerifyReportsFilesThatAreNotShared(t *testing.T) {
	t.Parallel()
	m := newTeam(t)
	m.run(alice, "022", "register")
	m.run(alice, "022", "verify")
	for _, closed := range []map[string]fs.FileMode{
		{"history.jsonl": 0o600, "registry.json": 0o600, ".lock": 0o640, "versions/1.0.0": 0o700},
		{"versions": 0o755, ".staging": 0o700},
		{"": 0o700},
	} {
		for name, mode := range closed {
			if err := os.Chmod(m.path(name), mode); err != nil {
				t.Fatal(err)
			}
		}
		out, err := m.as(alice, "022", "verify").CombinedOutput()
		if err == nil {
			t.Fatalf("Verify reports nothing, want %v", closed)
		}
		for name := range closed {
			if at := "not shared: " + path.Join(fraud.String(), name) + ":"; !strings.Contains(string(out), at) {
				t.Errorf("Verify reports\n%s\nwant %q in it", out, at)
			}
		}
		for name := range closed {
			if err := os.Chmod(m.path(name), 0o770|os.ModeSetgid); err != nil {
				t.Fatal(err)
			}
		}
		m.run(alice, "022", "verify")
	}
}

// A temporary file of a killed process does not block other users, even if they
// can't open it.
func TestTemporaryFilesOfAnotherUser(t *testing.T) {
	t.Parallel()
	m := newTeam(t)
	m.run(alice, "022", "register")
	leave := func() {
		t.Helper()
		for _, name := range []string{".registry.json.tmp", ".history.jsonl.tmp"} {
			if err := errors.Join(os.WriteFile(m.path(name), []byte("half a"), 0o600), os.Chown(m.path(name), alice, group)); err != nil {
				t.Fatal(err)
			}
		}
	}
	leave()
	m.run(bob, "022", "promote", "1.0.0")
	document, err := os.ReadFile(m.path("registry.json"))
	if err != nil || !bytes.Contains(document, []byte(`"production"`)) {
		t.Errorf("the document is (%v)\n%s\nwant a version in production", err, document)
	}
	leave()
	history, err := os.ReadFile(m.path("history.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	damaged := strings.Replace(string(history), "register", "regisTer", 1)
	if err := os.WriteFile(m.path("history.jsonl"), []byte(damaged), 0); err != nil {
		t.Fatal(err)
	}
	m.run(bob, "022", "repair")
	m.run(alice, "022", "promote", "1.0.0")
}
