package servertest

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"gocloud.dev/blob"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/driver"
	"github.com/ubunye-go/modelregistry/objectstore"
	"github.com/ubunye-go/modelregistry/registrytest"
)

var changes = flag.Int("changes", 50, "how many changes each writer makes through the bad network")

const (
	processes = 4
	writers   = 2 // in each

	childAddr    = "SERVERTEST_ADDR"
	childCache   = "SERVERTEST_CACHE"
	childNumber  = "SERVERTEST_NUMBER"
	childChanges = "SERVERTEST_CHANGES"
)

func registryOn(t testing.TB, b *blob.Bucket) *mr.ModelRegistry {
	t.Helper()
	return registrytest.NewOn(t, storeAt(t, b, ""), nil)
}

// TestChild is not a test of its own. It is a process that changes a registry.
// It prints which changes were acknowledged, and for which it got no answer.
func TestChild(t *testing.T) {
	addr := os.Getenv(childAddr)
	if addr == "" {
		return
	}
	var each int
	fmt.Sscan(os.Getenv(childChanges), &each)
	b := s3Bucket(t, s3Client(addr, impatient), bucket)
	s, err := objectstore.New(b, &objectstore.Options{Prefix: "models", CacheDir: os.Getenv(childCache)})
	if err != nil {
		t.Fatal(err)
	}
	r := mr.New(s, nil)
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() { write(r, fmt.Sprintf("%s-%d", os.Getenv(childNumber), w), each) })
	}
	wg.Wait()
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}

func oneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", " ") }

// write registers a version and moves it up and down.
func write(r *mr.ModelRegistry, who string, each int) {
	ctx := context.Background()
	say := func(change string, err error) {
		switch {
		case err == nil:
			fmt.Println("ACK", change)
		case errors.Is(err, mr.ErrUncertain):
			fmt.Println("UNSURE", change, oneLine(err))
		default:
			fmt.Println("FAILED", change, oneLine(err))
		}
	}
	var now mr.ModelVersion
	for i := range each {
		change := fmt.Sprintf("%s-%d", who, i)
		var v mr.ModelVersion
		var err error
		switch now.Stage { // a move to its own stage would not be a change
		case "":
			v, err = r.Register(ctx, fraud, mr.FromFS(files), &mr.RegisterOptions{Reason: change})
		case mr.Development:
			v, err = r.Promote(ctx, fraud.At(now.Version), mr.Staging, &mr.MoveOptions{Reason: change})
		default:
			v, err = r.Demote(ctx, fraud.At(now.Version), mr.Development, &mr.MoveOptions{Reason: change})
		}
		say(change, err)
		if err == nil {
			now = v
			continue
		}
		for now.Version != "" { // read whether the change happened
			if v, err := r.GetVersion(ctx, fraud.At(now.Version)); err == nil {
				now = v
				break
			}
		}
	}
}

// Invariant 4, over a network that loses answers, delays requests and cuts
// uploads: each acknowledged change exists exactly once, and no failed change
// exists.
func TestManyProcessesBadNetwork(t *testing.T) {
	t.Parallel()
	each := *changes
	server := s3Server(t)
	proxy := newProxy(t, server)
	proxy.drop.Store(80)
	proxy.cut.Store(60)
	proxy.delay.Store(100)
	cache := t.TempDir()
	said := map[string]string{}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for p := range processes {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestChild$")
		cmd.Env = append(os.Environ(), childAddr+"="+proxy.addr, childCache+"="+cache, fmt.Sprintf("%s=%d", childNumber, p), fmt.Sprintf("%s=%d", childChanges, each))
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		wg.Go(func() {
			for in := bufio.NewScanner(out); in.Scan(); {
				verdict, rest, _ := strings.Cut(in.Text(), " ")
				change, why, _ := strings.Cut(rest, " ")
				if verdict == "ACK" || verdict == "UNSURE" || verdict == "FAILED" {
					mu.Lock()
					said[change] = strings.TrimSpace(verdict + " " + why)
					mu.Unlock()
				}
			}
			if err := cmd.Wait(); err != nil {
				t.Errorf("process %d: %v", p, err)
			}
		})
	}
	wg.Wait()
	if len(said) != processes*writers*each {
		t.Errorf("the processes report %d changes, want %d", len(said), processes*writers*each)
	}
	b := s3Bucket(t, s3Client(server, nil), bucket)
	found := reasons(t, b)
	acked := 0
	for change, verdict := range said {
		n := found[change]
		delete(found, change)
		if verdict != "ACK" {
			t.Logf("%s: %s; the history has it %d times", change, verdict, n)
		}
		switch {
		case verdict == "ACK":
			if acked++; n != 1 {
				t.Errorf("change %s was acknowledged, and the history has it %d times", change, n)
			}
		case strings.HasPrefix(verdict, "UNSURE"):
			if n > 1 {
				t.Errorf("the history has change %s %d times", change, n)
			}
		case n > 0:
			t.Errorf("the history has change %s, which was reported as: %s", change, verdict)
		}
	}
	if len(found) > 0 {
		t.Errorf("the history has changes that no process made: %v", found)
	}
	t.Logf("%d of %d changes acknowledged; %d answers lost, %d uploads cut, %d requests delayed",
		acked, len(said), proxy.dropped.Load(), proxy.cuts.Load(), proxy.delayed.Load())
	if acked < len(said)*9/10 || proxy.dropped.Load() == 0 || proxy.cuts.Load() == 0 {
		t.Errorf("too few faults happened for a test")
	}
	registrytest.NewOn(t, storeAt(t, b, "models"), nil) // verified at the end
}

// reasons counts the reasons in the history.
func reasons(t testing.TB, b *blob.Bucket) map[string]int {
	t.Helper()
	count := map[string]int{}
	err := storeAt(t, b, "models").Read(t.Context(), fraud.UseCase, fraud.Model, func(v driver.View) error {
		data, _, err := v.Log(0)
		for line := range strings.Lines(string(data)) {
			var e struct{ Reason string }
			if err := json.Unmarshal([]byte(line), &e); err != nil {
				return err
			}
			count[e.Reason]++
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return count
}
