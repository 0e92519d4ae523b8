package modelregistry_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gofrs/flock"

	mr "github.com/ubunye-go/modelregistry"
)

// A lockedBuffer is a buffer that may be read while it is written.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// A change that waits for the lock of another process says so after a second,
// once. The error at the end of its context names the lock.
func TestWaitingChangeSaysSo(t *testing.T) {
	t.Parallel()
	var log lockedBuffer // a timer writes into it
	r, dir := newStore(t, &mr.Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	register(t, r, "1.0.0", nil)
	if strings.Contains(log.String(), "waits") {
		t.Errorf("a change that did not wait logged %s", &log)
	}
	held := flock.New(modelPath(dir, ".lock"))
	if err := held.Lock(); err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	go func() {
		for ctx.Err() == nil && !strings.Contains(log.String(), "waits") {
			time.Sleep(10 * time.Millisecond)
		}
		cancel()
	}()
	_, err := r.Archive(ctx, fraud.At("1.0.0"), nil)
	if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "waited for the model's lock") {
		t.Errorf("got %v, want the context's error, and what the change waited for", err)
	}
	if err := r.Close(); err != nil { // no append is under way afterwards
		t.Error(err)
	}
	// btrfs gives its files another device than the list of locks does, so that
	// the holder is not known there.
	text := strings.Replace(log.String(), "another program or a stopped process", "this process", 1)
	if n := strings.Count(text, "because this process holds the model's lock"); n != 1 {
		t.Errorf("the log has %d warnings, want 1:\n%s", n, &log)
	}
}
