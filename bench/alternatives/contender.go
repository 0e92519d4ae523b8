package main

import (
	"bufio"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

//go:embed worker.py
var worker []byte

// Both files are the output of "pip freeze" in an environment with nothing but
// the package.
var (
	//go:embed requirements-mlflow.txt
	mlflowRequirements []byte
	//go:embed requirements-ubunye.txt
	ubunyeRequirements []byte
)

// A contender is a registry that is measured.
type contender struct {
	name    string
	worker  []string // the command that runs operations
	imports []string // the command that imports the registry and does nothing with it
}

// contenders returns this package, MLflow and Ubunye, in this order. It
// installs the last two in dir.
func contenders(dir string) ([]contender, error) {
	script := filepath.Join(dir, "worker.py")
	if err := os.WriteFile(script, worker, 0o666); err != nil {
		return nil, err
	}
	mlflow, err := install(filepath.Join(dir, "mlflow"), mlflowRequirements)
	if err != nil {
		return nil, err
	}
	ubunye, err := install(filepath.Join(dir, "ubunye"), ubunyeRequirements)
	if err != nil {
		return nil, err
	}
	return []contender{
		{"this package", []string{os.Args[0]}, []string{os.Args[0], "-h"}}, // -h opens no store
		{"MLflow", []string{mlflow, script, "mlflow"}, []string{mlflow, "-c", "from mlflow import MlflowClient"}},
		{"Ubunye", []string{ubunye, script, "ubunye"}, []string{ubunye, "-c", "from ubunye.models import ModelRegistry"}},
	}, nil
}

// install makes a Python environment in dir and returns its interpreter.
func install(dir string, requirements []byte) (python string, err error) {
	fmt.Fprintln(os.Stderr, "installing", dir)
	if err := output(exec.Command("python3", "-m", "venv", dir)); err != nil {
		return "", err
	}
	list := filepath.Join(dir, "requirements.txt")
	if err := os.WriteFile(list, requirements, 0o666); err != nil {
		return "", err
	}
	python = filepath.Join(dir, "bin", "python")
	return python, output(exec.Command(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement", list))
}

// once runs one operation in a process of its own and returns how long the
// process took.
func (c contender) once(store string, operation ...string) (time.Duration, error) {
	return timed(append(append(c.worker[:len(c.worker):len(c.worker)], store), operation...))
}

// timed runs a command and returns how long it took.
func timed(command []string) (time.Duration, error) {
	cmd := exec.Command(command[0], command[1:]...)
	start := time.Now()
	err := output(cmd)
	return time.Since(start), err
}

// output runs a command. Its output is part of the error if it fails.
func output(cmd *exec.Cmd) error {
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", strings.Join(cmd.Args, " "), err, out)
	}
	return nil
}

// A server is a process of a contender that keeps its store open.
type server struct {
	name    string
	cmd     *exec.Cmd
	in      io.WriteCloser
	answers *bufio.Scanner
}

func (c contender) serve(store string) (*server, error) {
	args := append(c.worker[1:len(c.worker):len(c.worker)], store, "serve")
	s := &server{name: c.name, cmd: exec.Command(c.worker[0], args...)}
	s.cmd.Stderr = os.Stderr
	in, err := s.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	s.in, s.answers = in, bufio.NewScanner(out)
	return s, s.cmd.Start()
}

// do runs an operation. It returns how long that took, without the time of the
// conversation, and its result.
func (s *server) do(operation ...string) (took time.Duration, result string, err error) {
	if _, err := fmt.Fprintln(s.in, strings.Join(operation, " ")); err != nil {
		return 0, "", fmt.Errorf("%s: %w", s.name, err)
	}
	if !s.answers.Scan() {
		return 0, "", fmt.Errorf("%s: %s: the process has ended", s.name, operation[0])
	}
	text, result, _ := strings.Cut(s.answers.Text(), " ")
	ns, err := strconv.ParseInt(text, 10, 64)
	return time.Duration(ns), result, err
}

func (s *server) stop() error {
	return errors.Join(s.in.Close(), s.cmd.Wait())
}
