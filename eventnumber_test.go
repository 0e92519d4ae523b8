package modelregistry_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"math"
	"testing"
	"testing/fstest"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/internal/pythonstore"
)

// An event's number may leave some out. A number above the highest allowed one
// is damage, because the next event would be unreadable. After the highest
// number a change is refused.
func TestEventNumbersAreBounded(t *testing.T) {
	t.Parallel()
	for number, want := range map[int64]struct{ damaged, written bool }{
		1000:          {false, true},
		1<<53 - 2:     {false, true},
		1<<53 - 1:     {false, false},
		1 << 53:       {true, false},
		math.MaxInt64: {true, false},
	} {
		t.Run(fmt.Sprint(number), func(t *testing.T) {
			t.Parallel()
			s := pythonstore.New(t)
			s.Register(s.Open(), "1.0.0")
			s.Remove("registry.json")
			log := s.Read("history.jsonl")
			prev := sha256.Sum256(bytes.TrimRight(log, " \n"))
			log = append(log, sealed(fmt.Sprintf(`{"event":%d,"id":"%032x","time":"2026-11-28T00:00:00.000000+00:00","op":"repair","prev":"%x"`, number, 1, prev))+"\n"...)
			s.Write("history.jsonl", log)
			_, err := s.Open().ListVersions(t.Context(), fraud)
			if got := errors.As(err, new(*mr.CorruptError)); got != want.damaged {
				t.Errorf("listing says %v, want damage: %t", err, want.damaged)
			}
			_, err = s.Open().Register(t.Context(), fraud, mr.FromFS(fstest.MapFS{"model.bin": {Data: []byte("weights")}}), nil)
			if (err == nil) != want.written {
				t.Errorf("a registration says %v, want success: %t", err, want.written)
			}
			if !want.written && !bytes.Equal(s.Read("history.jsonl"), log) {
				t.Error("the history was changed")
			}
			if want.written {
				s.Same(s.Open())
			}
		})
	}
}
