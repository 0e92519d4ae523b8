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

// Stores has, for each store that is checked, a function that opens a registry
// on the store at a given place.
type Stores map[string]func(where string) (*mr.ModelRegistry, error)

// A Load says how many workers use a store, and how much each does.
type Load struct {
	Store, Where string
	Processes    int  // 0 runs the workers in this process
	Workers      int  // in each process
	Shared       bool // the workers of a process share one registry, and so share appends
	Operations   int  // of each worker
	Kills        int  // the number of processes to kill and replace
}

// A job is the work of a child process.
type job struct {
	Load
	Client int // the number of its first worker
}

const jobVariable = "MODELREGISTRY_LINEARIZABILITY_JOB"

var modelName = mr.ModelName{UseCase: "fraud_detection", Model: "FraudRiskModel"}

// Main is called by TestMain. In a child process of Run it does the work and
// does not return. In any other process it does nothing.
func (s Stores) Main() {
	text := os.Getenv(jobVariable)
	if text == "" {
		return
	}
	var j job
	err := json.Unmarshal([]byte(text), &j)
	if err == nil {
		_, err = io.ReadFull(os.Stdin, make([]byte, 1)) // Run starts all at the same time
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
		return fmt.Errorf("no store has the name %q", j.Store)
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

// Run puts the load on a store that was not used before, and returns the
// history. It fails if a worker fails, or with errors.ErrUnsupported if the
// load needs several processes and they share no clock.
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
	defer cancel() // kills the processes that still run
	run := &run{load: l, history: h, ended: make(chan *process)}
	return h, run.all(ctx)
}

type run struct {
	load    Load
	history *History
	clients int
	lines   atomic.Int64
	killAt  atomic.Int64  // the number of lines at which the next kill is due
	kill    chan struct{} // a kill is due
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
			for p := range running { // an arbitrary one
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
				return fmt.Errorf("worker process: %w\n%s", p.err, p.stderr.Bytes())
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

// schedule makes the next kill due at a random number of lines from now.
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
