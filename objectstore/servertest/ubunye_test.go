package servertest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/internal/storetest"
	"github.com/ubunye-go/modelregistry/internal/testfetch"
	"github.com/ubunye-go/modelregistry/objectstore"
	"github.com/ubunye-go/modelregistry/registrytest"
)

// ubunyePackages returns the folder of Ubunye 0.8.0, s3fs and their
// dependencies, at the pinned versions. A machine downloads them once.
var ubunyePackages = sync.OnceValues(func() (dir string, err error) {
	pins, err := filepath.Abs(filepath.Join("testdata", "ubunye", "requirements.txt"))
	if err != nil {
		return "", err
	}
	key, err := os.ReadFile(pins)
	if err != nil {
		return "", err
	}
	// Packages contain binaries for one Python on one system.
	which, err := exec.Command("python3", "-c", "import sys, sysconfig; print(sys.version, sysconfig.get_platform())").Output()
	if err != nil {
		return "", fmt.Errorf("python3: %w", err)
	}
	return testfetch.Dir("ubunye-s3fs", append(key, which...), func(dir string) error {
		pip := exec.Command("python3", "-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check",
			"--no-deps", "--only-binary=:all:", "--target", dir, "--requirement", pins)
		if out, err := pip.CombinedOutput(); err != nil {
			return fmt.Errorf("pip: %w: %s", err, out)
		}
		return nil
	})
})

// A python uses a store through the real Ubunye. Each operation runs in a
// process of its own.
type python struct {
	t     testing.TB
	store string
	env   []string
}

func newPython(t testing.TB, store string, env ...string) *python {
	t.Helper()
	if !*long && !storetest.MustRunAll() {
		t.Skip("the test needs Ubunye; -long downloads it from the Python package index")
	}
	packages, err := ubunyePackages()
	if err != nil {
		storetest.Unavailable(t, fmt.Errorf("Ubunye 0.8.0 can't be tried: %w", err))
	}
	return &python{t, store, append(os.Environ(), append(env, "PYTHONPATH="+packages, "PYTHONDONTWRITEBYTECODE=1")...)}
}

// turn calls one operation of testdata/ubunye/turn.py and decodes its answer.
func (p *python) turn(into any, args ...string) {
	p.t.Helper()
	cmd := exec.Command("python3", append([]string{filepath.Join("testdata", "ubunye", "turn.py"), p.store}, args...)...)
	cmd.Env = p.env
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err == nil {
		err = json.Unmarshal(out, into)
	}
	if err != nil {
		p.t.Fatalf("Ubunye's %s: %v: %s", strings.Join(args, " "), err, stderr.String())
	}
}

func (p *python) want(want string, args ...string) {
	p.t.Helper()
	var got string
	if p.turn(&got, args...); got != want {
		p.t.Errorf("Ubunye's %s gives %q, want %q", strings.Join(args, " "), got, want)
	}
}

func (p *python) wantList(want map[string]string) {
	p.t.Helper()
	var got map[string]string
	p.turn(&got, "list")
	if diff := cmp.Diff(want, got); diff != "" {
		p.t.Errorf("Ubunye lists (-want +got):\n%s", diff)
	}
}

// A place is a store that Go and Python open, each by its own name for it.
type place struct {
	open   func(opts *mr.Options) *mr.ModelRegistry
	python *python
}

// folderAndBucket are the places that Go and Python can share.
var folderAndBucket = map[string]func(t *testing.T) place{
	"folder": func(t *testing.T) place {
		dir := t.TempDir()
		return place{func(opts *mr.Options) *mr.ModelRegistry {
			s, err := mr.NewFolderStore(dir, nil)
			if err != nil {
				t.Fatal(err)
			}
			return registrytest.NewOn(t, s, opts)
		}, newPython(t, dir)}
	},
	"bucket": func(t *testing.T) place {
		addr := s3Server(t)
		client := s3Client(addr, nil)
		return place{func(opts *mr.Options) *mr.ModelRegistry {
			s, err := objectstore.New(s3Bucket(t, client, bucket), &objectstore.Options{Prefix: "registry", CacheDir: t.TempDir()})
			if err != nil {
				t.Fatal(err)
			}
			return registrytest.NewOn(t, s, opts)
		}, newPython(t, "s3://"+bucket+"/registry", "AWS_ENDPOINT_URL=http://"+addr, "AWS_DEFAULT_REGION="+region,
			"AWS_ACCESS_KEY_ID="+accessKey, "AWS_SECRET_ACCESS_KEY="+secretKey, "AWS_EC2_METADATA_DISABLED=true")}
	},
}

// historyLines returns a line for each event of a model: the operation, the
// version, and the move of each version that it changed.
func historyLines(t testing.TB, r *mr.ModelRegistry) (list []string) {
	t.Helper()
	for e, err := range r.History(t.Context(), fraud, nil) {
		if err != nil {
			t.Fatal(err)
		}
		line := strings.TrimSpace(fmt.Sprint(e.Op, " ", e.Version))
		for _, c := range e.Changes {
			line += fmt.Sprintf(" %s:%s>%s", c.Version, c.From, c.To)
		}
		list = append(list, line)
	}
	return list
}

// A running program, on a folder or a bucket, sees promotions by the real
// Ubunye. The program's next change records them first, and Ubunye reads the
// result. Both places give the same history.
func TestTurnsWithUbunyeAndARunningProgram(t *testing.T) {
	t.Parallel()
	for name, start := range folderAndBucket {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := start(t)
			r := p.open(&mr.Options{ExternalChanges: true})
			registrytest.Put(t, r, fraud.In(mr.Production), files)
			registrytest.Put(t, r, fraud.At("1.0.1"), files)
			p.python.wantList(map[string]string{"1.0.0": "production", "1.0.1": "development"})

			p.python.want("production", "promote", "1.0.1", "production")
			wantProduction(t, r, "1.0.1")
			p.python.want("1.0.2", "register", "0.9")
			v, err := r.Promote(t.Context(), fraud.At("1.0.0"), mr.Production, nil)
			if err != nil || v.Version != "1.0.0" || v.Stage != mr.Production {
				t.Fatalf("promoting 1.0.0 gives %+v, %v", v, err)
			}
			wantProduction(t, r, "1.0.0")
			p.python.want("1.0.0", "production")
			p.python.wantList(map[string]string{"1.0.0": "production", "1.0.1": "archived", "1.0.2": "development"})

			// Another program, without the option, sees it because the history
			// says that the model is shared.
			plain := p.open(nil)
			wantProduction(t, plain, "1.0.0")
			p.python.want("production", "promote", "1.0.2", "production")
			wantProduction(t, plain, "1.0.2")
			wantProduction(t, r, "1.0.2")
			if _, err := plain.Rollback(t.Context(), fraud, nil); err != nil {
				t.Fatal(err)
			}
			wantProduction(t, r, "1.0.0")
			p.python.wantList(map[string]string{"1.0.0": "production", "1.0.1": "archived", "1.0.2": "archived"})

			want := []string{
				"register 1.0.0 1.0.0:>development",
				"promote 1.0.0 1.0.0:development>production",
				"register 1.0.1 1.0.1:>development",
				"foreign 1.0.0:production>archived 1.0.1:development>production 1.0.2:>development",
				"promote 1.0.0 1.0.1:production>archived 1.0.0:archived>production",
				"foreign 1.0.0:production>archived 1.0.2:development>production",
				"rollback 1.0.0 1.0.2:production>archived 1.0.0:archived>production",
			}
			if diff := cmp.Diff(want, historyLines(t, p.open(nil))); diff != "" {
				t.Errorf("the history (-want +got):\n%s", diff)
			}
		})
	}
}

// A running program without the option sees an external promotion with its next
// change, and from then on at each read.
func TestNextChangeRecordsUbunyesPromotion(t *testing.T) {
	t.Parallel()
	for name, start := range folderAndBucket {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := start(t)
			r := p.open(nil)
			registrytest.Put(t, r, fraud.In(mr.Production), files)
			registrytest.Put(t, r, fraud.At("1.0.1"), files)
			p.python.want("production", "promote", "1.0.1", "production")
			registrytest.Put(t, r, fraud.At("1.0.2"), files)
			wantProduction(t, r, "1.0.1")
			p.python.wantList(map[string]string{"1.0.0": "archived", "1.0.1": "production", "1.0.2": "development"})
			p.python.want("archived", "archive", "1.0.1")
			if v, err := r.GetVersion(t.Context(), fraud.In(mr.Production)); err == nil {
				t.Errorf("%s is in production, want none", v.Version)
			}
			want := []string{
				"register 1.0.0 1.0.0:>development",
				"promote 1.0.0 1.0.0:development>production",
				"register 1.0.1 1.0.1:>development",
				"foreign 1.0.0:production>archived 1.0.1:development>production",
				"register 1.0.2 1.0.2:>development",
				"foreign 1.0.1:production>archived", // not recorded yet
			}
			if diff := cmp.Diff(want, historyLines(t, r)); diff != "" {
				t.Errorf("the history (-want +got):\n%s", diff)
			}
		})
	}
}

// A version that Ubunye deletes is not listed again, and its number is not
// given out again.
func TestUbunyesDeletionIsRecorded(t *testing.T) {
	t.Parallel()
	for name, start := range folderAndBucket {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := start(t)
			r := p.open(nil)
			registrytest.Put(t, r, fraud.In(mr.Production), files)
			registrytest.Put(t, r, fraud.At("1.0.1"), files)
			p.python.want("deleted", "delete", "1.0.1")
			p.python.wantList(map[string]string{"1.0.0": "production"})
			registrytest.Put(t, r, fraud.At(""), files)
			want := map[string]mr.ModelStage{"1.0.0": mr.Production, "1.0.2": mr.Development}
			registrytest.WantStages(t, r, fraud, want)
			registrytest.WantStages(t, p.open(nil), fraud, want)
			p.python.wantList(map[string]string{"1.0.0": "production", "1.0.2": "development"})
			events := []string{
				"register 1.0.0 1.0.0:>development",
				"promote 1.0.0 1.0.0:development>production",
				"register 1.0.1 1.0.1:>development",
				"foreign 1.0.1:development>",
				"register 1.0.2 1.0.2:>development",
			}
			if diff := cmp.Diff(events, historyLines(t, r)); diff != "" {
				t.Errorf("the history (-want +got):\n%s", diff)
			}
		})
	}
}

// A model that Ubunye started in a bucket goes on, and reads check its
// document.
func TestModelThatUbunyeBegan(t *testing.T) {
	t.Parallel()
	for name, start := range folderAndBucket {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := start(t)
			p.python.want("1.0.0", "register", "0.8")
			r := p.open(nil)
			registrytest.WantStages(t, r, fraud, map[string]mr.ModelStage{"1.0.0": mr.Development})
			registrytest.Put(t, r, fraud.In(mr.Production), files)
			wantProduction(t, r, "1.0.1")
			p.python.want("production", "promote", "1.0.0", "production")
			wantProduction(t, r, "1.0.0")
			m, err := r.GetModel(t.Context(), fraud.In(mr.Production), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer m.Close()
			if data, err := os.ReadFile(filepath.Join(m.Path, "weights.bin")); string(data) != "weights of Python's" {
				t.Errorf("the file is %q, %v", data, err)
			}
			p.python.wantList(map[string]string{"1.0.0": "production", "1.0.1": "archived"})
		})
	}
}

func wantProduction(t testing.TB, r *mr.ModelRegistry, version string) {
	t.Helper()
	m, err := r.GetModel(t.Context(), fraud.In(mr.Production), nil)
	if err != nil {
		t.Errorf("the version in production: got error %v, want %s", err, version)
		return
	}
	defer m.Close()
	if m.Version.Version != version {
		t.Errorf("%s is in production, want %s", m.Version.Version, version)
	}
}
