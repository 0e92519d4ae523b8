package servertest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The command line works on a bucket as it does on a folder.
func TestCommandLine(t *testing.T) {
	t.Parallel()
	if !*long && os.Getenv("MODELREGISTRY_TEST_ALL") != "1" {
		t.Skip("linking the program takes a while; -long does")
	}
	server, dir := s3Server(t), t.TempDir()
	program := filepath.Join(dir, "ubunye")
	build := exec.Command("go", "build", "-o", program, "./ubunye")
	build.Dir = filepath.Join("..", "..", "examples")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if err := os.WriteFile(filepath.Join(dir, "weights.bin"), []byte("weights"), 0o666); err != nil {
		t.Fatal(err)
	}
	run := func(bucket string, args ...string) (string, error) {
		url := fmt.Sprintf("s3://%s/team/models?endpoint=http://%s&use_path_style=true&region=%s&disable_https=true", bucket, server, region)
		cmd := exec.Command(program, append([]string{"models", args[0], "--store", url, "-u", "fraud", "-m", "Risk"}, args[1:]...)...)
		cmd.Env = append(os.Environ(), "AWS_ACCESS_KEY_ID="+accessKey, "AWS_SECRET_ACCESS_KEY="+secretKey, "XDG_CACHE_HOME="+dir, "HOME="+dir)
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	for _, args := range [][]string{
		{"register", "--artifact", filepath.Join(dir, "weights.bin"), "--metric", "auc=0.9"},
		{"promote", "-v", "1.0.0", "--to", "production"},
		{"list"},
		{"info", "-v", "1.0.0"},
	} {
		if out, err := run(bucket, args...); err != nil || !strings.Contains(out, "1.0.0") {
			t.Errorf("%q: %v: %s", args, err, out)
		}
	}
	if out, err := run("no-such-bucket", "list"); err == nil || !strings.Contains(out, "no such bucket") {
		t.Errorf("without a bucket: %v: %s", err, out)
	}
}
