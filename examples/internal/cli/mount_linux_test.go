package cli

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ubunye-go/modelregistry/internal/testmount"
)

// A write to a mounted bucket is refused with the flag that allows it.
func TestOneMachineFlag(t *testing.T) {
	unavailable := t.Skipf
	if os.Getenv("MODELREGISTRY_TEST_ALL") == "1" {
		unavailable = t.Fatalf
	}
	if os.Geteuid() != 0 {
		unavailable("mounting takes root")
	}
	source, dir := t.TempDir(), t.TempDir()
	if out, err := exec.Command("bindfs", "-o", "subtype=rclone", source, dir).CombinedOutput(); err != nil {
		unavailable("bindfs: %v: %s", err, out)
	}
	testmount.UnmountAfter(t, dir)
	weights := filepath.Join(source, "w.bin")
	if err := os.WriteFile(weights, []byte("weights"), 0o666); err != nil {
		t.Fatal(err)
	}
	run := func(more ...string) (status int, out, messages string) {
		var o, m bytes.Buffer
		args := []string{"models", "register", "-s", filepath.Join(dir, "store"), "-u", "uc", "-m", "m", "--artifact", weights}
		status = Run(t.Context(), append(args, more...), &o, &m, nil)
		return status, o.String(), m.String()
	}
	if status, _, messages := run(); status != 1 || !strings.Contains(messages, "is in a bucket that rclone mounts on "+dir) || !strings.Contains(messages, "--one-machine") {
		t.Errorf("exit status %d with %q, want 1 with the mount and the flag", status, messages)
	}
	if status, out, _ := run("--output", "json"); status != 1 || !strings.Contains(out, `"code": "unsupported"`) {
		t.Errorf("exit status %d with %s, want 1 with the code unsupported", status, out)
	}
	if status, _, messages := run("--one-machine"); status != 0 || messages != "" {
		t.Errorf("with the flag: exit status %d with %q, want 0 without a message", status, messages)
	}
}
