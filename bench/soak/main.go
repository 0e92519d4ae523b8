// Command soak measures the memory of long-lived processes. A writer registers
// and promotes versions of one model, and a follower serves the version in
// production by a Live. The command prints a table of what both use, beside the
// size of the document:
//
//	go run ./bench/soak -minutes 3
//
// It reads /proc, so it runs on Linux only.
package main

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/ubunye-go/modelregistry/bench"
)

func main() {
	minutes := flag.Float64("minutes", 3, "how long the soak runs")
	versions := flag.Int("versions", 10_000, "versions of the model at the start, one or more")
	every := flag.Duration("every", 15*time.Second, "time between two lines of the table")
	checkpoint := flag.Duration("checkpoint", 0, "time between two checkpoints that the writer asks for; 0 for none but those that are due")
	role := flag.String("role", "", "writer or follower, for the two processes that soak starts")
	flag.Parse()
	var err error
	switch {
	case *role != "":
		err = work(*role, flag.Arg(0), *checkpoint)
	case *versions < 1:
		err = errors.New("-versions is less than 1")
	default:
		err = soak(time.Duration(*minutes*float64(time.Minute)), *versions, *every, *checkpoint)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "soak:", err)
		os.Exit(1)
	}
}

// soak runs both processes in a temporary folder and prints the table.
func soak(length time.Duration, versions int, every, checkpoint time.Duration) (err error) {
	dir, err := os.MkdirTemp("", "soak")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if _, err := bench.Generate(dir, versions); err != nil {
		return err
	}
	writer, err := start("writer", dir, checkpoint)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, writer.stop()) }()
	follower, err := start("follower", dir, checkpoint)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, follower.stop()) }()

	columns := " heap MB | RSS MB | peak RSS MB | descriptors | goroutines |"
	fmt.Printf("| seconds | document MB | writer: versions |%s follower: calls |%[1]s\n|%s\n", columns, strings.Repeat("---|", 14))
	for begin := time.Now(); time.Since(begin) < length; {
		time.Sleep(every)
		document, err := os.Stat(filepath.Join(dir, bench.Name.UseCase, bench.Name.Model, "registry.json"))
		if err != nil {
			return err
		}
		w, err := writer.sample()
		if err != nil {
			return err
		}
		f, err := follower.sample()
		if err != nil {
			return err
		}
		fmt.Printf("| %.0f | %.1f | %s | %s |\n", time.Since(begin).Seconds(), float64(document.Size())/1e6, w, f)
	}
	return nil
}

// A process is a writer or a follower. It answers each line of its input with a
// sample, and ends at the end of its input.
type process struct {
	role    string
	cmd     *exec.Cmd
	in      io.WriteCloser
	answers *bufio.Scanner
}

func start(role, dir string, checkpoint time.Duration) (*process, error) {
	p := &process{role: role, cmd: exec.Command(os.Args[0], "-role", role, "-checkpoint", checkpoint.String(), dir)}
	p.cmd.Stderr = os.Stderr
	in, err := p.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.in, p.answers = in, bufio.NewScanner(out)
	return p, p.cmd.Start()
}

func (p *process) sample() (string, error) {
	if _, err := fmt.Fprintln(p.in); err != nil {
		return "", fmt.Errorf("%s: %w", p.role, err)
	}
	if !p.answers.Scan() {
		return "", fmt.Errorf("%s: it has ended", p.role)
	}
	return p.answers.Text(), nil
}

func (p *process) stop() error {
	p.in.Close()
	if err := p.cmd.Wait(); err != nil {
		return fmt.Errorf("%s: %w", p.role, err)
	}
	return nil
}
