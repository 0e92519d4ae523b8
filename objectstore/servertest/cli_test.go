package servertest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"gocloud.dev/blob"

	"github.com/ubunye-go/modelregistry/objectstore"
)

// programDir is the folder in which the command line is built, once. It is
// removed after all tests.
var programDir string

var program = sync.OnceValues(func() (path string, err error) {
	if programDir, err = os.MkdirTemp("", "modelregistry-servertest-"); err != nil {
		return "", err
	}
	path = filepath.Join(programDir, "ubunye")
	if runtime.GOOS == "windows" {
		path += ".exe"
	}
	build := exec.Command("go", "build", "-o", programDir+string(filepath.Separator), "./ubunye", "./ubunye-cloud")
	build.Dir = filepath.Join("..", "..", "examples")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return path, nil
})

// A service is a place for the command line's registry. The command opens it as
// its users do: by a URL and the environment.
type service struct {
	url    func(bucket string) string
	env    []string
	bucket *blob.Bucket // the same bucket, for the test itself
}

func s3Service(t *testing.T) service {
	addr := s3Server(t)
	return service{
		func(b string) string {
			return fmt.Sprintf("s3://%s/team/models?endpoint=http://%s&use_path_style=true&region=%s&disable_https=true", b, addr, region)
		},
		[]string{"AWS_ACCESS_KEY_ID=" + accessKey, "AWS_SECRET_ACCESS_KEY=" + secretKey},
		s3Bucket(t, s3Client(addr, nil), bucket),
	}
}

func gcsService(t *testing.T) service {
	addr := gcsServer(t)
	return service{
		func(b string) string { return "gs://" + b + "/team/models" },
		[]string{"STORAGE_EMULATOR_HOST=" + addr},
		gcsBucket(t, addr, bucket),
	}
}

func azureService(t *testing.T) service {
	addr := azureServer(t)
	return service{
		func(b string) string { return "azblob://" + b + "/team/models" },
		[]string{
			"AZURE_STORAGE_ACCOUNT=" + azureAccount, "AZURE_STORAGE_KEY=" + azureKey,
			"AZURE_STORAGE_DOMAIN=" + addr, "AZURE_STORAGE_PROTOCOL=http", "AZURE_STORAGE_IS_LOCAL_EMULATOR=true",
		},
		azureBucket(t, azureClient(t, addr, bucket, azureKey)),
	}
}

// The command line works on each service as it does on a folder.
func TestCommandLine(t *testing.T) {
	t.Parallel()
	for name, start := range map[string]func(*testing.T) service{"S3": s3Service, "GCS": gcsService, "Azure": azureService} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			commandLine(t, start(t))
		})
	}
}

func commandLine(t *testing.T, s service) {
	program, err := program()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "weights.bin"), []byte("weights"), 0o666); err != nil {
		t.Fatal(err)
	}
	cache := filepath.Join(dir, "cache")
	run := func(bucket, command string, args ...string) (string, error) {
		cmd := exec.Command(program, append([]string{"models", command, "--store", s.url(bucket)}, args...)...)
		// As in a container whose user has no home.
		cmd.Env = append(append(os.Environ(), "XDG_CACHE_HOME=", "HOME=", "UBUNYE_CACHE="+cache), s.env...)
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	risk := []string{"-u", "fraud", "-m", "Risk"}
	register := append([]string{"register", "--artifact", filepath.Join(dir, "weights.bin"), "--metric", "auc=0.9"}, risk...)
	promote := append([]string{"promote", "-v", "1.0.1", "--to", "production", "--by", "alice", "--reason", "it is better"}, risk...)
	for _, tt := range []struct{ args, want []string }{
		{register, []string{"1.0.0"}},
		{register, []string{"1.0.1"}},
		{promote, []string{"1.0.1", "production"}},
		{append([]string{"list"}, risk...), []string{"1.0.0", "development", "1.0.1", "production"}},
		{[]string{"info", "--ref", "fraud/Risk@production"}, []string{`"version": "1.0.1"`, `"auc": 0.9`, `"path": `}},
		{append([]string{"history"}, risk...), []string{"1.0.0", "1.0.1", "alice", "it is better"}},
		{[]string{"verify"}, []string{"1 model and 2 versions checked: 0 problems, 0 notices"}},
		{[]string{"sweep"}, []string{"nothing to sweep"}},
	} {
		out, err := run(bucket, tt.args[0], tt.args[1:]...)
		if err != nil {
			t.Errorf("%q: %v: %s", tt.args, err, out)
		}
		for _, want := range tt.want {
			if !strings.Contains(out, want) {
				t.Errorf("%q: want %q in the output %s", tt.args, want, out)
			}
		}
	}
	out, err := run(bucket, "info", "--ref", "fraud/Risk@production")
	_, path, _ := strings.Cut(out, `"path": "`)
	path, _, _ = strings.Cut(path, `"`)
	if data, readErr := os.ReadFile(filepath.Join(path, "weights.bin")); string(data) != "weights" || !strings.HasPrefix(path, cache) {
		t.Errorf("the artifact in %s holds %q, %v, %v, want it below %s", path, data, readErr, err, cache)
	}
	sweeps(t, s.bucket, func(args ...string) (string, error) { return run(bucket, "sweep", args...) })
	if out, err := run("no-such-bucket", "list"); err == nil || !strings.Contains(out, "no such bucket") {
		t.Errorf("without a bucket: %v: %s", err, out)
	}
}

// sweeps leaves the remains of a registration that died, and checks that the
// command line finds them.
func sweeps(t *testing.T, b *blob.Bucket, sweep func(args ...string) (string, error)) {
	store, err := objectstore.New(b, &objectstore.Options{Prefix: "team/models", CacheDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	name := fraud
	name.UseCase, name.Model = "fraud", "Risk"
	st, err := store.Stage(t.Context(), name.UseCase, name.Model)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(st.Dir(), "half"), []byte("of it"), 0o666); err != nil {
		t.Fatal(err)
	}
	if err := st.Seal(t.Context()); err != nil {
		t.Fatal(err)
	}
	listed, applied := []string{"removed: no version of fraud/Risk", "--apply does it"}, []string{`"applied": true`, `"objects": 1`, `"model_name": "Risk"`}
	var client *s3.Client
	if b.As(&client) {
		begin(t, client, "team/models/fraud/Risk/.staging/"+strings.Repeat("0a", 16)+"/model/large.bin")
		listed, applied = append(listed, "model/large.bin", "1000 bytes", "parts removed"), append(applied, `model/large.bin"`, `"bytes": 1000`, `"newest": `)
	}
	for _, tt := range []struct{ args, want []string }{
		{nil, []string{"nothing to sweep"}}, // the upload may be under way
		{[]string{"--older-than", "1ms"}, listed},
		{[]string{"--older-than", "1ms", "--apply", "--output", "json"}, applied},
		{[]string{"--older-than", "1ms"}, []string{"nothing to sweep"}},
	} {
		out, err := sweep(tt.args...)
		if err != nil {
			t.Errorf("sweep %q: %v: %s", tt.args, err, out)
		}
		for _, want := range tt.want {
			if !strings.Contains(out, want) {
				t.Errorf("sweep %q: want %q in the output %s", tt.args, want, out)
			}
		}
	}
}
