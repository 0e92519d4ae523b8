package follow_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ubunye-go/modelregistry/internal/follow"
)

// files are the files of a version.
type files follow.Version

func (files) Close() error { return nil }

// A change that is polled while the context of the first load ends is not lost.
// Either New fails, or the change is followed.
func TestChangeAtTheEndOfTheFirstContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		polls, polled := 0, make(chan struct{})
		f, err := follow.New(ctx, follow.Config[string, files]{
			Poll: func(context.Context) (v follow.Version, changed bool, err error) {
				polls++
				switch polls {
				case 1:
					return follow.Version{Number: "1.0.0"}, true, nil
				case 2:
					cancel()
					close(polled)
					return follow.Version{Number: "1.0.1"}, true, nil
				}
				return v, false, nil
			},
			UntilPoll:  func() time.Duration { return time.Second },
			NotYet:     func(error) bool { return false },
			Acceptable: func(context.Context, follow.Version) (bool, error) { return false, nil },
			Fetch:      func(_ context.Context, v follow.Version, _ func(int64, int64)) (files, error) { return files(v), nil },
			Verify:     func(context.Context, files) error { return nil },
			VersionOf:  func(x files) follow.Version { return follow.Version(x) },
			Load: func(_ context.Context, x files) (string, error) {
				<-polled
				return x.Number, nil
			},
			Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
		})
		if err != nil {
			return
		}
		time.Sleep(time.Minute)
		if s := f.Status(); s.Files.Number != "1.0.1" {
			t.Errorf("%s is in use, want 1.0.1", s.Files.Number)
		}
		if err := f.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// New loads the version that the reference means by now, if the load of an
// earlier one fails.
func TestFirstVersionFailsAfterItWasReplaced(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		broken := errors.New("broken")
		wanted := follow.Version{}
		f, err := follow.New(t.Context(), follow.Config[string, files]{
			Poll: func(context.Context) (follow.Version, bool, error) {
				was := wanted
				if wanted.Number = "1.0.0"; time.Since(start) > time.Minute {
					wanted.Number = "1.0.1"
				}
				return wanted, wanted != was, nil
			},
			UntilPoll: func() time.Duration { return time.Second },
			NotYet:    func(error) bool { return false },
			Acceptable: func(context.Context, follow.Version) (bool, error) {
				return true, nil // the load in progress is not cancelled
			},
			Fetch:     func(_ context.Context, v follow.Version, _ func(int64, int64)) (files, error) { return files(v), nil },
			Verify:    func(context.Context, files) error { return nil },
			VersionOf: func(x files) follow.Version { return follow.Version(x) },
			Load: func(_ context.Context, x files) (string, error) {
				if x.Number == "1.0.0" {
					time.Sleep(2 * time.Minute)
					return "", broken
				}
				return x.Number, nil
			},
			Log: slog.New(slog.DiscardHandler),
		})
		if err != nil {
			t.Fatal(err)
		}
		if s := f.Status(); s.Files.Number != "1.0.1" || s.LastError != nil || s.Failures != 0 {
			t.Errorf("got status %+v, want 1.0.1 in use and no failure", s)
		}
		if err := f.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
