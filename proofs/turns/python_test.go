package turns

import (
	"bufio"
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/ubunye-go/modelregistry/internal/storetest"
	"github.com/ubunye-go/modelregistry/internal/testfetch"
)

// A release is a release of the Python program, with the features of its
// registry.
type release struct {
	number  string
	deletes bool
	gates   bool // it stores gates with the model, and can skip them
}

var releases = []release{
	{"0.1.7", false, false},
	{"0.3.0", true, false},
	{"0.5.0", true, false},
	{"0.8.0", true, true},
}

//go:embed driver.py
var driverSource string

// packages returns the folder with the packages of a release. A machine
// installs them once for each version of Python. If it can't install them, the
// test is skipped.
func (r release) packages(t *testing.T) string {
	t.Helper()
	dir, err := r.install()
	if err != nil {
		storetest.Unavailable(t, err)
	}
	return dir
}

func (r release) install() (string, error) {
	requirements := "requirements-" + r.number + ".txt"
	pinned, err := os.ReadFile(requirements)
	if err != nil {
		return "", err
	}
	python, err := exec.Command("python3", "-VV").Output()
	if err != nil {
		return "", fmt.Errorf("python3: %w", err)
	}
	return testfetch.Dir("ubunye-"+r.number, append(python, pinned...), func(dir string) error {
		out, err := exec.Command("python3", "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
			"--no-warn-script-location", "--target", dir, "--requirement", requirements).CombinedOutput()
		if err != nil {
			return fmt.Errorf("pip: %w\n%s", err, out)
		}
		return nil
	})
}

// A driver is a Python process that answers commands.
type driver struct {
	release
	commands io.WriteCloser
	answers  *bufio.Reader
	problems *bytes.Buffer
}

// start starts a driver, which ends with the test.
func (r release) start(t *testing.T) *driver {
	t.Helper()
	cmd := exec.Command("python3", "-c", driverSource)
	cmd.Env = append(os.Environ(), "PYTHONPATH="+r.packages(t), "PYTHONDONTWRITEBYTECODE=1")
	d := &driver{release: r, problems: &bytes.Buffer{}}
	cmd.Stderr = d.problems
	var out io.ReadCloser
	var err error
	if d.commands, err = cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if out, err = cmd.StdoutPipe(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	d.answers = bufio.NewReader(out)
	t.Cleanup(func() {
		d.commands.Close()
		if err := cmd.Wait(); err != nil {
			t.Errorf("the Python process: %v\n%s", err, d.problems)
		}
	})
	return d
}

// An answer is the driver's answer to a command.
type answer struct {
	Before, After *listing
	Error         string
	Result        json.RawMessage
}

// A listing is Python's listing of the model.
type listing struct {
	Versions   []entry
	Production string // the list shows it, too
	Gates      map[string]json.Number
}

type entry struct {
	Version      string
	Stage        string
	RegisteredAt string  `json:"registered_at"`
	Staged       *string `json:"promoted_to_staging"`
	Served       *string `json:"promoted_to_prod"`
	Archived     *string `json:"archived_at"`
	PromotedBy   *string `json:"promoted_by"`
	Metrics      map[string]any
	Metadata     map[string]any
	Content      string
}

// version converts an entry to a version of the spec.
func (e entry) version() *version {
	v := &version{number: e.Version, stage: e.Stage, metrics: e.Metrics, metadata: e.Metadata, content: e.Content}
	v.registered, v.staged, v.served, v.archived = stampOf(&e.RegisteredAt), stampOf(e.Staged), stampOf(e.Served), stampOf(e.Archived)
	if e.PromotedBy != nil {
		v.by = *e.PromotedBy
	}
	return v
}

func stampOf(text *string) stamp {
	if text == nil {
		return stamp{}
	}
	t, err := time.Parse(time.RFC3339Nano, *text)
	if err != nil {
		panic(err) // neither side writes such a time
	}
	return stamp{t.UTC(), t.UTC()}
}

// ask sends one command and waits for its answer.
func (d *driver) ask(command map[string]any) (*answer, error) {
	line, err := json.Marshal(command)
	if err != nil {
		return nil, err
	}
	if _, err := d.commands.Write(append(line, '\n')); err != nil {
		return nil, fmt.Errorf("ask Python: %w\n%s", err, d.problems)
	}
	reply, err := d.answers.ReadBytes('\n')
	if err != nil {
		return nil, fmt.Errorf("Python's answer to %s: %w\n%s", line, err, d.problems)
	}
	a := &answer{}
	decoder := json.NewDecoder(bytes.NewReader(reply))
	decoder.UseNumber()
	return a, decoder.Decode(a)
}

// command returns a step in the form that the driver reads.
func (s step) command(content string) map[string]any {
	c := map[string]any{"do": s.do}
	put := func(key string, value any, given bool) {
		if given {
			c[key] = value
		}
	}
	least := func(gate string) map[string]any {
		if gate == "none" {
			return map[string]any{}
		}
		return map[string]any{"min_auc": json.Number(gate)}
	}
	put("version", s.version, s.version != "")
	put("to", s.to, s.to != "")
	put("force", true, s.force)
	put("stale", true, s.stale)
	put("promoted_by", s.actor(), s.named && s.do == "promote")
	put("metrics", map[string]any{"auc": json.Number(s.auc)}, s.do == "edit")
	if s.do == "register" {
		put("registered_by", s.actor(), s.named)
		put("content", content, true)
		put("metrics", metrics(s.auc), true)
	}
	if s.gate != "" {
		put("gates", least(s.gate), true)
	}
	if s.stored != "" {
		put("promotion_gates", least(s.stored), true)
	}
	return c
}
