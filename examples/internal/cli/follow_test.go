package cli

import (
	"bufio"
	"context"
	"io"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/ubunye-go/modelregistry"
)

func TestHistoryFollow(t *testing.T) {
	t.Parallel()
	for _, format := range []string{"table", "json"} {
		t.Run(format, func(t *testing.T) {
			t.Parallel()
			store := t.TempDir()
			r, err := modelregistry.Open(store, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			name := modelregistry.ModelName{UseCase: "u", Model: "m"}
			register := func() {
				t.Helper()
				if _, err := r.Register(t.Context(), name, modelregistry.FromFS(fstest.MapFS{"w": {Data: []byte("w")}}), nil); err != nil {
					t.Fatal(err)
				}
			}
			register()
			ctx, cancel := context.WithCancel(t.Context())
			out, in := io.Pipe()
			a := &app{out: in, err: io.Discard, output: outputTable}
			cmd := a.root()
			cmd.SetArgs([]string{"models", "history", "--ref", "u/m", "-f", "-s", store, "--output", format})
			done := make(chan error, 1)
			go func() {
				err := cmd.ExecuteContext(ctx)
				in.Close()
				done <- err
			}()
			lines := bufio.NewScanner(out)
			next := func(want string) {
				t.Helper()
				if !lines.Scan() || !strings.Contains(lines.Text(), want) {
					t.Errorf("got %q, want %q", lines.Text(), want)
				}
			}
			first, second := `"version":"1.0.0"`, `"version":"1.0.1"`
			if format == "table" {
				next("Event")
				next("---")
				first, second = "1.0.0: new in development", "1.0.1: new in development"
			}
			next(first)
			register()
			next(second)
			cancel()
			if lines.Scan() {
				t.Errorf("got %q", lines.Text())
			}
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
	}
}
