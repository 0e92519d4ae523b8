package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/examples/breastcancer"
	"github.com/ubunye-go/modelregistry/examples/internal/program"
	"github.com/ubunye-go/modelregistry/examples/train/pipeline"
)

const (
	clients     = 8
	maxRequests = 200_000 // of one client
	interval    = 500 * time.Millisecond
	// share is the time that a delivery may take beyond the interval on an idle
	// machine. slack is how long the test waits on a busy machine.
	share, slack = 50 * time.Millisecond, time.Minute
)

var tumours = modelregistry.ModelName{UseCase: breastcancer.UseCase, Model: breastcancer.ModelName}

// A stage is the test's set-up: a store, and a server in a process of its own.
type stage struct {
	*testing.T
	store  string
	url    string
	server *exec.Cmd
	log    *syncBuffer
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// newStage trains two versions: 1.0.0, in production, and 1.0.1, which the
// gates refused.
func newStage(t *testing.T) *stage {
	t.Helper()
	s := &stage{T: t, store: filepath.Join(t.TempDir(), "store"), log: &syncBuffer{}}
	var out, errs bytes.Buffer
	if code := pipeline.Run(t.Context(), []string{"-store", s.store, "-actor", "ann"}, &out, &errs); code != program.OK {
		t.Fatalf("train: exit code %d\n%s%s", code, &out, &errs)
	}
	return s
}

// start starts the server, and waits until it prints its address.
func (s *stage) start() {
	s.Helper()
	s.server = process(asServer, "-store", s.store, "-addr", "127.0.0.1:0", "-interval", interval.String())
	s.server.Stderr = s.log
	out, err := s.server.StdoutPipe()
	if err == nil {
		err = s.server.Start()
	}
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() {
		s.server.Process.Kill()
		s.server.Wait()
		if s.Failed() {
			s.Logf("the server's log:\n%s", s.log)
		}
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	found := regexp.MustCompile(`^serving cancer_screening/TumourClassifier@production on (http://\S+)\n$`).FindStringSubmatch(line)
	if found == nil {
		s.Fatalf("the server printed %q, %v\n%s", line, err, s.log)
	}
	s.url = found[1]
}

// change changes the registry from another process.
func (s *stage) change(args ...string) {
	s.Helper()
	if out, err := process(asWriter, append([]string{s.store}, args...)...).CombinedOutput(); err != nil {
		s.Fatalf("another process: %q: %v\n%s", args, err, out)
	}
}

func (s *stage) get(path string, into any) int {
	s.Helper()
	res, err := http.Get(s.url + path)
	if err != nil {
		s.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		s.Fatal(err)
	}
	if text, ok := into.(*string); ok {
		*text = string(body)
	} else if err := json.Unmarshal(body, into); err != nil {
		s.Fatalf("%v in %s", err, body)
	}
	return res.StatusCode
}

func waitFor(t testing.TB, event string, limit time.Duration, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(limit); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %v", event, limit)
		}
	}
}

// A traffic has the facts that the clients share: the versions that were in
// production, in order, and the latest of them that has answered.
type traffic struct {
	mu       sync.Mutex
	versions []string
	seen     int             // index of the last that answered
	at       time.Time       // when it answered first
	took     []time.Duration // from each promotion to the first answer
	requests atomic.Int64
	by       map[string]int
	stop     atomic.Bool
}

func (l *traffic) now() int { l.mu.Lock(); defer l.mu.Unlock(); return l.seen }

// answered records an answer. When the request was sent, the version with the
// index asked had already answered, so no earlier version may answer any more.
func (l *traffic) answered(asked int, version string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := asked; i < len(l.versions); i++ {
		if l.versions[i] == version {
			if i > l.seen {
				l.seen, l.at = i, time.Now()
			}
			l.requests.Add(1)
			l.by[version]++
			return nil
		}
	}
	return fmt.Errorf("version %s answers, after %q, of which %d had answered", version, l.versions, asked+1)
}

// delays measures how busy the machine is: how much longer than expected a
// sleep and the read of a file take. The returned function ends the measurement
// and returns the longest delay.
func (s *stage) delays() (stop func() time.Duration) {
	const nap = time.Millisecond
	done, worst := make(chan struct{}), make(chan time.Duration)
	go func() {
		var most time.Duration
		for {
			select {
			case <-done:
				worst <- most
				return
			default:
			}
			start := time.Now()
			time.Sleep(nap)
			os.ReadFile(filepath.Join(s.store, tumours.UseCase, tumours.Model, "registry.json"))
			most = max(most, time.Since(start)-nap)
		}
	}()
	return func() time.Duration { close(done); return <-worst }
}

// next has a writer promote a version to production, and waits until it
// answers. That takes the interval and the share, and the time that the machine
// adds: the server's check, the load, the answer and the client that records it
// may each be delayed by as much as the test was.
func (s *stage) next(l *traffic, version string, bring func()) {
	s.Helper()
	l.mu.Lock()
	l.versions = append(l.versions, version)
	want := len(l.versions) - 1
	l.mu.Unlock()
	delays := s.delays()
	bring()
	done := time.Now()
	waitFor(s, version+" answers", interval+slack, func() bool { return l.now() == want })
	took, delay := l.at.Sub(done), delays()
	l.took = append(l.took, took)
	s.Logf("%s answered %v after it was promoted, on a machine that was up to %v late", version, took.Round(time.Millisecond), delay.Round(time.Millisecond))
	if took > interval+share+4*delay {
		s.Errorf("%s answered only after %v", version, took)
	}
}

// client sends requests until it is stopped, and checks every answer against
// the model that the answer names.
func client(l *traffic, url string, n int, models map[string]*breastcancer.Model, cases []breastcancer.Case) error {
	c := &http.Client{Transport: &http.Transport{}, Timeout: 30 * time.Second}
	defer c.CloseIdleConnections()
	for i := n; i < maxRequests && !l.stop.Load(); i++ {
		asked, which := l.now(), cases[i%len(cases)]
		body := fmt.Sprintf(`{"case": %d}`, which.Number)
		if i%2 == 0 {
			features, err := json.Marshal(which.Features)
			if err != nil {
				return err
			}
			body = fmt.Sprintf(`{"features": %s}`, features)
		}
		res, err := c.Post(url+"/predict", "application/json", strings.NewReader(body))
		if err != nil {
			return err
		}
		var a answer
		err = json.NewDecoder(res.Body).Decode(&a)
		io.Copy(io.Discard, res.Body)
		res.Body.Close()
		switch {
		case res.StatusCode != http.StatusOK || err != nil:
			return fmt.Errorf("status %s, %v", res.Status, err)
		case models[a.Version] == nil:
			return fmt.Errorf("version %q answers", a.Version)
		case a.Probability != models[a.Version].Predict(which):
			return fmt.Errorf("case %d: %s answers %v, and the model predicts %v", which.Number, a.Version, a.Probability, models[a.Version].Predict(which))
		}
		if err := l.answered(asked, a.Version); err != nil {
			return err
		}
	}
	return nil
}

// While 8 clients are busy, other processes promote, roll back, and promote a
// broken version to production. No request fails. Every answer is that of the
// version it names. The new version answers within the interval, and the broken
// version never does.
func TestServeFollowsTheRegistry(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.start()
	models := map[string]*breastcancer.Model{}
	r, err := modelregistry.Open(s.store, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for _, version := range []string{"1.0.0", "1.0.1"} {
		m, err := r.GetModel(t.Context(), tumours.At(version), nil)
		if err == nil {
			models[version], err = breastcancer.Load(m.Path)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	cases, err := breastcancer.Cases()
	if err != nil {
		t.Fatal(err)
	}

	l := &traffic{versions: []string{"1.0.0"}, by: map[string]int{}}
	var wg sync.WaitGroup
	for i := range clients {
		wg.Go(func() {
			if err := client(l, s.url, i*50, models, cases); err != nil {
				t.Errorf("client %d: %v", i, err)
			}
		})
	}
	defer func() { l.stop.Store(true); wg.Wait() }()
	some := func() { // some more requests are answered
		t.Helper()
		before := l.requests.Load()
		waitFor(t, "answers", slack, func() bool { return l.requests.Load() >= before+50 })
	}
	some()
	for op := "promote"; ; op = "rollback" {
		s.next(l, "1.0.1", func() { s.change(op, "1.0.1", "bob") })
		some()
		s.next(l, "1.0.0", func() { s.change("rollback", "", "carl") })
		some()
		// On a busy machine it may take several until one comes in time.
		best := slices.Min(l.took)
		if best <= interval+share {
			break
		}
		if len(l.took) >= 20 {
			t.Fatalf("no version answered sooner than %v after it was promoted", best)
		}
	}

	// A version that can't be loaded. Its number may appear, but it never
	// answers.
	broken := filepath.Join(t.TempDir(), "model")
	if err := os.MkdirAll(broken, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(broken, breastcancer.ModelFile), []byte(`{"kind": "none"}`), 0o666); err != nil {
		t.Fatal(err)
	}
	s.change("register", broken, "mallory")
	s.change("promote", "1.0.2", "mallory")
	var status struct {
		Version, Wanted string
		Failures        int
		LastError       string `json:"last_error"`
	}
	waitFor(t, "the failure to show", interval+slack, func() bool {
		code := s.get("/healthz", &status)
		return code == http.StatusOK && status.Failures > 0
	})
	if status.Version != "1.0.0" || status.Wanted != "1.0.2" || !strings.Contains(status.LastError, "model.json") {
		t.Errorf("the health is %+v", status)
	}
	some()
	waitFor(t, "another try", slack, func() bool { s.get("/healthz", &status); return status.Failures > 1 })

	s.next(l, "1.0.1", func() { s.change("rollback", "1.0.1", "dora") })
	some()
	var model struct{ Version, Stage, Promoted_by string }
	if code := s.get("/model", &model); code != http.StatusOK || model.Version != "1.0.1" || model.Stage != "production" || model.Promoted_by != "dora" {
		t.Errorf("GET /model: status %d, %+v", code, model)
	}
	l.stop.Store(true)
	wg.Wait()
	t.Logf("%d answers: %v", l.requests.Load(), l.by)

	var metrics string
	s.get("/metrics", &metrics)
	for _, want := range []string{
		fmt.Sprintf(`prediction_seconds_count{version="1.0.0"} %d`, l.by["1.0.0"]), fmt.Sprintf(`prediction_seconds_count{version="1.0.1"} %d`, l.by["1.0.1"]),
		`model_info{ref="cancer_screening/TumourClassifier@production",version="1.0.1"} 1`, "model_behind 0", "model_failures 0",
	} {
		if !strings.Contains(metrics, want+"\n") {
			t.Errorf("the metrics do not contain %s", want)
		}
	}
	if strings.Contains(metrics, `version="1.0.2"`) {
		t.Error("the broken version is in the metrics")
	}
	if p, err := r.ProductionAt(t.Context(), tumours, time.Now()); err != nil || p.Version != "1.0.1" || p.By != "dora" {
		t.Errorf("the version in production is %+v, %v", p, err)
	}
}

// A request that is under way when the server is stopped is answered. A later
// request is not accepted.
func TestServeFinishesRequestsUnderWay(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("on this system no signal asks a process to end")
	}
	s := newStage(t)
	s.start()
	addr := strings.TrimPrefix(s.url, "http://")
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(2 * time.Minute))
	const body = `{"case": 1}`
	fmt.Fprintf(conn, "POST /predict HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\nExpect: 100-continue\r\n\r\n", addr, len(body))
	in := bufio.NewReader(conn)
	if line, err := in.ReadString('\n'); err != nil || !strings.Contains(line, "100 Continue") { // the server is handling the request
		t.Fatalf("got %q, %v", line, err)
	}
	in.ReadString('\n')
	if err := s.server.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "no more connections", slack, func() bool {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			c.Close()
		}
		return err != nil
	})
	io.WriteString(conn, body)
	res, err := http.ReadResponse(in, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var a answer
	if err := json.NewDecoder(res.Body).Decode(&a); err != nil || a.Version != "1.0.0" || res.StatusCode != http.StatusOK {
		t.Errorf("%s: %+v, %v", res.Status, a, err)
	}
	if err := s.server.Wait(); err != nil {
		t.Errorf("the server ends with %v", err)
	}
	if log := s.log.String(); !strings.Contains(log, "model closed") {
		t.Errorf("the model is not closed:\n%s", log)
	}
}
