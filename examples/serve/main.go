// Serve is a server that scores tumours with the version of a model that is in
// production. It follows the registry: when any program promotes another
// version, the server answers with that version within a second, without a gap
// and without a restart. It does not use a version that can't be loaded or
// fails its warm-up.
//
//	go run ./examples/serve [-store DIR] [-ref USE_CASE/MODEL@WHAT] [-addr HOST:PORT]
//
//	POST /predict   {"features": [30 numbers]} or {"case": 17}, a case of the data set
//	GET  /model     the version that answers, with its metrics and who promoted it
//	GET  /healthz   the server's health; 503 once it shuts down
//	GET  /metrics   for Prometheus, by version
//
// Run the train example first.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/examples/breastcancer"
	"github.com/ubunye-go/modelregistry/examples/internal/program"
)

func main() { program.Main(run) }

// A config holds the flags of the command line.
type config struct {
	store    string
	ref      modelregistry.Ref
	addr     string
	interval time.Duration
	drain    time.Duration
}

// run runs the program and returns its exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	c := config{ref: modelregistry.ModelName{UseCase: breastcancer.UseCase, Model: breastcancer.ModelName}.In(modelregistry.Production)}
	flags := program.Flags("serve", stderr)
	flags.StringVar(&c.store, "store", breastcancer.DefaultStore, "take the model from the store in `DIR`")
	flags.Var(&c.ref, "ref", "serve the version that `USE_CASE/MODEL@WHAT` names: a version, a stage, latest or a range like ~1.2")
	flags.StringVar(&c.addr, "addr", "127.0.0.1:8080", "listen on `HOST:PORT`; port 0 takes a free one")
	flags.DurationVar(&c.interval, "interval", modelregistry.DefaultInterval, "check for a new version at this interval")
	flags.DurationVar(&c.drain, "drain", 10*time.Second, "at the end, wait at most this long for requests under way")
	return program.Run(flags, args, func() error { return serve(ctx, c, stdout, slog.New(slog.NewTextHandler(stderr, nil))) })
}

// serve answers requests until the context ends. It then finishes the requests
// that are under way.
func serve(ctx context.Context, c config, out io.Writer, log *slog.Logger) (err error) {
	registry, err := modelregistry.Open(c.store, &modelregistry.Options{Logger: log})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, registry.Close()) }()
	live, err := modelregistry.NewLive(ctx, registry, c.ref, load, &modelregistry.LiveOptions[*breastcancer.Model]{
		Interval: c.interval,
		Check:    warmUp,
	})
	if err != nil && ctx.Err() != nil {
		log.Info("stopped before the first version was loaded")
		return nil
	}
	if errors.Is(err, modelregistry.ErrNotFound) {
		return fmt.Errorf("%w; run the train example first", err)
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, live.Close()) }()
	s, err := newServer(live)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", c.addr)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "serving %s on http://%s\n", c.ref, listener.Addr())

	web := &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn)}
	failed := make(chan error, 1)
	go func() { failed <- web.Serve(listener) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	log.Info("shutting down", slog.Duration("drain", c.drain))
	s.ending.Store(true)
	wait, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.drain)
	defer cancel()
	if err := web.Shutdown(wait); err != nil {
		return errors.Join(err, web.Close())
	}
	return nil
}

func load(_ context.Context, m *modelregistry.Model) (*breastcancer.Model, error) {
	return breastcancer.Load(m.Path)
}

// warmUp has a model score the held-out cases before it answers requests.
func warmUp(_ context.Context, m *breastcancer.Model) error {
	_, cases, err := breastcancer.Split()
	if err != nil {
		return err
	}
	for _, c := range cases {
		if p := m.Predict(c); !(p >= 0 && p <= 1) {
			return fmt.Errorf("case %d: a probability of %g", c.Number, p)
		}
	}
	return nil
}
