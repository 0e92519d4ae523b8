package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"time"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/bench"
)

// look is the time between two looks of the follower at the registry, and
// between two of its calls.
const look = 5 * time.Millisecond

// work runs the writer or the follower until the end of the input. Each line of
// the input asks for a sample.
func work(role, dir string, checkpoint time.Duration) error {
	r, err := mr.Open(dir, nil)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var done atomic.Int64
	failed := make(chan error, 1)
	go func() {
		if role == "writer" {
			failed <- write(ctx, r, checkpoint, &done)
		} else {
			failed <- follow(ctx, r, &done)
		}
	}()
	asked := make(chan struct{})
	go func() {
		for in := bufio.NewScanner(os.Stdin); in.Scan(); {
			asked <- struct{}{}
		}
		cancel()
	}()
	for {
		select {
		case <-asked:
			text, err := sample(done.Load())
			if err != nil {
				return err
			}
			fmt.Println(text)
		case err := <-failed:
			return errors.Join(err, r.Close())
		}
	}
}

// write registers versions and promotes each to production. It counts them. It
// asks for a checkpoint at an interval, unless that is 0.
func write(ctx context.Context, r *mr.ModelRegistry, checkpoint time.Duration, done *atomic.Int64) error {
	for last := time.Now(); ctx.Err() == nil; done.Add(1) {
		v, err := bench.Register(r, bench.Small())
		if err != nil {
			return err
		}
		if err := bench.Promote(r, v.Version, mr.Production); err != nil {
			return err
		}
		if checkpoint > 0 && time.Since(last) >= checkpoint {
			if err := r.Checkpoint(context.WithoutCancel(ctx), bench.Name); err != nil {
				return err
			}
			last = time.Now()
		}
	}
	return nil
}

// follow uses the version in production again and again. It counts the calls.
func follow(ctx context.Context, r *mr.ModelRegistry, done *atomic.Int64) (err error) {
	load := func(_ context.Context, m *mr.Model) (string, error) { return m.Path, nil }
	live, err := mr.NewLive(ctx, r, bench.Name.In(mr.Production), load, &mr.LiveOptions[string]{Interval: look})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, live.Close()) }()
	for ; ctx.Err() == nil; done.Add(1) {
		err := live.Do(func(path string, v *mr.ModelVersion) error {
			if !strings.Contains(path, v.Version) {
				return fmt.Errorf("version %s has the files %s", v.Version, path)
			}
			return nil
		})
		if err != nil {
			return err
		}
		time.Sleep(look)
	}
	return nil
}

// sample returns what this process uses, as cells of the table.
func sample(done int64) (string, error) {
	var heap runtime.MemStats
	runtime.ReadMemStats(&heap)
	descriptors, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return "", err
	}
	resident, peak, err := memory()
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%d | %.0f | %.0f | %.0f | %d | %d", done, float64(heap.HeapAlloc)/1e6, resident, peak,
		len(descriptors)-1, runtime.NumGoroutine()), nil // one descriptor is that of the list
}

// memory returns how much of this process is in memory, and the most that was,
// in MB.
func memory() (now, peak float64, err error) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, 0, err
	}
	kb := func(key string) (n float64) {
		_, rest, _ := strings.Cut(string(status), "\n"+key+":")
		fmt.Sscan(rest, &n)
		return n
	}
	return kb("VmRSS") * 1024 / 1e6, kb("VmHWM") * 1024 / 1e6, nil
}
