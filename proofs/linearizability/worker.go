package linearizability

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing/fstest"
	"time"

	mr "github.com/ubunye-go/modelregistry"
)

// A Worker calls a registry at random, one operation after the other, and
// records each operation.
type Worker struct {
	Registry *mr.ModelRegistry
	Model    mr.ModelName
	Client   int // unique in a history
	Record   *Recorder

	seen       []string // the versions that it saw last
	production string   // the version that it last saw in production
}

// Run makes n operations. It fails only if the registry returns an error that
// is not documented for the operation, or if a record can't be written.
func (w *Worker) Run(ctx context.Context, n int) error {
	for range n {
		rec := Record{Client: w.Client, Input: w.choose(), Call: now()}
		if err := w.Record.record(rec); err != nil {
			return err
		}
		out, err := w.call(ctx, rec.Input)
		rec.Output, rec.Return = out, now()
		if err == nil {
			err = w.Record.record(rec)
		}
		if err != nil {
			return fmt.Errorf("%v: %w", rec.Input, err)
		}
		w.see(rec.Input, out)
		if rand.IntN(3) == 0 { // other workers change the model in the meantime
			time.Sleep(time.Duration(rand.IntN(5000)) * time.Microsecond)
		}
	}
	return nil
}

// see remembers a few of the versions in an output. They are few so that
// several workers use the same version at a time.
func (w *Worker) see(in Input, out Output) {
	if out.Stage == mr.Production {
		w.production = out.Version
	}
	if in.Op == "get" && in.Stage == mr.Production && out.Err == notFound {
		w.production = mr.NoVersion
	}
	if out.Version != "" {
		w.seen = append(w.seen, out.Version)
	}
	for v := range out.List {
		w.seen = append(w.seen, v)
	}
	w.seen = w.seen[max(0, len(w.seen)-8):]
}

func (w *Worker) version() string {
	if len(w.seen) == 0 || rand.IntN(30) == 0 {
		return fmt.Sprintf("1.0.%d", rand.IntN(10))
	}
	return w.seen[rand.IntN(len(w.seen))]
}

func pick[T any](list ...T) T { return list[rand.IntN(len(list))] }

// choose returns a random operation. Most changes of production are
// conditional: if one succeeds, its condition shows the state before it. The
// more the operations show of the states between them, the shorter the search
// for an order.
func (w *Worker) choose() Input {
	stage := pick(mr.Development, mr.Staging, mr.Production, mr.Production, mr.Archived)
	condition := w.production
	switch rand.IntN(10) {
	case 0:
		condition = pick(mr.NoVersion, w.version())
	case 1, 2:
		condition = ""
	}
	switch n := rand.IntN(100); {
	case n < 8:
		return Input{Op: "register"}
	case n < 10:
		return Input{Op: "register", Once: pick("a", "b", "c")}
	case n < 13:
		return Input{Op: "register", Version: fmt.Sprintf("1.%d.0", rand.IntN(20))}
	case n < 15:
		return Input{Op: "register", Version: fmt.Sprintf("1.%d.0-rc.%d", rand.IntN(20), rand.IntN(3))}
	case n < 20:
		return w.chooseAlias()
	case n < 22:
		return Input{Op: "delete", Version: w.version(), Force: rand.IntN(3) == 0}
	case n < 23:
		return Input{Op: "undelete", Version: w.version()}
	case n < 40:
		return Input{Op: "promote", Version: w.version(), Stage: stage, IfProduction: condition}
	case n < 45:
		return Input{Op: "demote", Version: w.version(), Stage: stage, IfProduction: condition}
	case n < 50:
		return Input{Op: "archive", Version: w.version(), IfProduction: condition, Force: rand.IntN(3) == 0}
	case n < 58:
		return Input{Op: "rollback", IfProduction: condition}
	case n < 64:
		return Input{Op: "rollback", Version: w.version(), IfProduction: condition, Force: rand.IntN(3) == 0}
	case n < 78:
		return Input{Op: "get", Stage: mr.Production}
	case n < 80:
		return Input{Op: "get", Stage: mr.Staging}
	case n < 83:
		return Input{Op: "get", Alias: pick("champion", "canary")}
	case n < 90:
		return Input{Op: "get", Version: w.version()}
	}
	return Input{Op: "list"}
}

// chooseAlias returns a change of an alias. It is conditional most of the time,
// for the same reason.
func (w *Worker) chooseAlias() Input {
	in := Input{Op: "alias", Alias: pick("champion", "canary"), Version: pick(w.version(), w.version(), "")}
	if rand.IntN(4) > 0 {
		in.If = pick(mr.NoVersion, w.version(), w.version())
	}
	return in
}

var files = mr.FromFS(fstest.MapFS{"weights.bin": {Data: []byte("weights"), Mode: 0o644}})

// call makes an operation, sometimes with a short timeout.
func (w *Worker) call(ctx context.Context, in Input) (Output, error) {
	if rand.IntN(30) == 0 {
		short, cancel := context.WithTimeout(ctx, time.Duration(rand.IntN(3000))*time.Microsecond)
		defer cancel()
		ctx = short
	}
	v, list, err := w.do(ctx, in)
	for kind, is := range map[string]error{notFound: mr.ErrNotFound, exists: mr.ErrExists, direction: mr.ErrWrongDirection,
		protected: mr.ErrProtected, conflict: mr.ErrConflict, canceled: context.DeadlineExceeded} {
		if errors.Is(err, is) {
			return Output{Err: kind}, nil
		}
	}
	switch {
	case errors.Is(err, mr.ErrUncertain):
		return Output{Unknown: true}, nil
	case err != nil:
		return Output{}, err
	case in.Op == "alias", in.Op == "delete", in.Op == "undelete":
		return Output{Version: in.Version}, nil
	case in.Op != "list":
		return Output{Version: v.Version, Stage: v.Stage}, nil
	}
	out := Output{List: map[string]mr.ModelStage{}}
	for _, v := range list {
		if _, twice := out.List[v.Version]; twice {
			return out, fmt.Errorf("list: version %s occurs twice", v.Version)
		}
		out.List[v.Version] = v.Stage
	}
	return out, nil
}

func (w *Worker) do(ctx context.Context, in Input) (v mr.ModelVersion, list []mr.ModelVersion, err error) {
	r, o := w.Registry, &mr.MoveOptions{IfProduction: in.IfProduction, Force: in.Force}
	switch in.Op {
	case "register":
		v, err = r.Register(ctx, w.Model, files, &mr.RegisterOptions{Version: in.Version, Once: in.Once})
	case "promote":
		v, err = r.Promote(ctx, w.Model.At(in.Version), in.Stage, o)
	case "demote":
		v, err = r.Demote(ctx, w.Model.At(in.Version), in.Stage, o)
	case "archive":
		v, err = r.Archive(ctx, w.Model.At(in.Version), o)
	case "rollback":
		if in.Version == "" {
			v, err = r.Rollback(ctx, w.Model, o)
		} else {
			v, err = r.RollbackTo(ctx, w.Model.At(in.Version), o)
		}
	case "delete":
		err = r.Delete(ctx, w.Model.At(in.Version), &mr.KeepOptions{Force: in.Force})
	case "undelete":
		err = r.Undelete(ctx, w.Model.At(in.Version), nil)
	case "alias":
		o := &mr.AliasOptions{}
		if in.If != "" {
			o.If = map[string]string{in.Alias: strings.TrimPrefix(in.If, mr.NoVersion)}
		}
		err = r.SetAliases(ctx, w.Model, map[string]string{in.Alias: in.Version}, o)
	case "list":
		list, err = r.ListVersions(ctx, w.Model)
	case "get":
		ref := w.Model.At(in.Version)
		switch {
		case in.Alias != "":
			ref = w.Model.Aliased(in.Alias)
		case in.Version == "":
			ref = w.Model.In(in.Stage)
		}
		var m *mr.Model
		if m, err = r.GetModel(ctx, ref, nil); err == nil {
			v, err = m.Version, m.Close()
		}
	}
	return v, list, err
}
