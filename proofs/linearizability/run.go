package linearizability

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"

	mr "github.com/ubunye-go/modelregistry"
)

// Stores says for each store that is checked how a registry is opened on it, given
// where it is.
type Stores map[string]func(where string) (*mr.ModelRegistry, error)

// A Load is who works on a store, and how much.
type Load struct {
	Store, Where string
	Processes    int  // 0: the workers run in this process
	Workers      int  // of each process
	Shared       bool // the workers of a process share one registry, and thus appends
	Operations   int  // of each worker
	Kills        int  // processes that are killed on the way, and replaced
}

// job is what a child process is told.
type job struct {
	Load
	Client int // of its first worker
}

const jobVariable = "MODELREGISTRY_LINEARIZABILITY_JOB"

var modelName = mr.ModelName{UseCase: "fraud_detection", Model: "FraudRiskModel"}

// Main is for TestMain: in a process that Run started it works, and does not return.
func (s Stores) Main() {
	text := os.Getenv(jobVariable)
	if text == "" {
		return
	}
	var j job
	err := json.Unmarshal([]byte(text), &j)
	if err == nil {
		_, err = io.ReadFull(os.Stdin, make([]byte, 1)) // all begin at once
	}
	if err == nil {
		err = s.work(context.Background(), j, os.Stdout)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// work runs the workers of one process.
func (s Stores) work(ctx context.Context, j job, out io.Writer) error {
	open := s[j.Store]
	if open == nil {
		return fmt.Errorf("no store is called %q", j.Store)
	}
	recorder := &Recorder{w: out}
	errs := make([]error, j.Workers)
	var shared *mr.ModelRegistry
	var wg sync.WaitGroup
	for i := range j.Workers {
		r := shared
		if r == nil {
			var err error
			if r, err = open(j.Where); err != nil {
				return err
			}
			defer r.Close()
			if j.Shared {
				shared = r
			}
		}
		w := &Worker{Registry: r, Model: modelName, Client: j.Client + i, Record: recorder}
		wg.Go(func() { errs[i] = w.Run(ctx, j.Operations) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// Run puts the load on a store that nobody used before and returns what happened.
func (s Stores) Run(ctx context.Context, l Load) (*History, error) {
	h := &History{}
	if l.Processes == 0 {
		r, w := io.Pipe()
		go func() { w.CloseWithError(s.work(ctx, job{Load: l}, w)) }()
		h.read(r, func() {})
		_, err := r.Read(nil)
		if errors.Is(err, io.EOF) {
			err = nil
		}
		return h, err
	}
	if !commonClock {
		return nil, errors.ErrUnsupported
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // kills what still runs
	run := &run{load: l, history: h, ended: make(chan *process)}
	return h, run.all(ctx)
}

type run struct {
	load    Load
	history *History
	clients int
	lines   atomic.Int64
	killAt  atomic.Int64  // the next line to kill a process at
	kill    chan struct{} // one is due
	ended   chan *process
}

type process struct {
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	stderr bytes.Buffer
	err    error
	killed bool
}

func (r *run) all(ctx context.Context) error {
	r.kill = make(chan struct{}, 1)
	running := map[*process]bool{}
	for range r.load.Processes {
		p, err := r.start(ctx)
		if err != nil {
			return err
		}
		running[p] = true
	}
	if r.load.Kills > 0 {
		r.schedule()
	}
	for p := range running {
		p.stdin.Write([]byte("\n"))
	}
	for kills := 0; len(running) > 0; {
		select {
		case <-r.kill:
			for p := range running { // any
				p.killed = true
				p.cmd.Process.Kill()
				break
			}
			if kills++; kills < r.load.Kills {
				r.schedule()
			}
		case p := <-r.ended:
			delete(running, p)
			if p.err != nil && !p.killed {
				return fmt.Errorf("a worker: %w\n%s", p.err, p.stderr.Bytes())
			}
			if p.killed && p.err != nil {
				next, err := r.start(ctx)
				if err != nil {
					return err
				}
				running[next] = true
				next.stdin.Write([]byte("\n"))
			}
		}
	}
	return nil
}

// schedule has a process killed some records from now.
func (r *run) schedule() {
	perProcess := 2 * r.load.Workers * r.load.Operations
	r.killAt.Store(r.lines.Load() + 1 + rand.Int64N(int64(perProcess)))
}

func (r *run) start(ctx context.Context) (*process, error) {
	j, err := json.Marshal(job{Load: r.load, Client: r.clients})
	if err != nil {
		return nil, err
	}
	r.clients += r.load.Workers
	p := &process{cmd: exec.CommandContext(ctx, os.Args[0])}
	p.cmd.Env = append(os.Environ(), jobVariable+"="+string(j))
	p.cmd.Stderr = &p.stderr
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		r.history.read(stdout, func() {
			if r.lines.Add(1) == r.killAt.Load() {
				r.kill <- struct{}{}
			}
		})
		p.err = p.cmd.Wait()
		select {
		case r.ended <- p:
		case <-ctx.Done():
		}
	}()
	return p, nil
}
