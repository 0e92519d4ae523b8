package ledger

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/ubunye-go/modelregistry"
)

// A Worker changes one model at random. It notes each operation before the call
// and after it.
type Worker struct {
	Name     string // see Line.Worker
	Registry *modelregistry.ModelRegistry
	Model    modelregistry.ModelName
	Notes    *Notebook

	op      int
	private []string // versions that no other worker changes
	deleted []string // versions that were private; another worker may have purged them
}

// alwaysWrite are the operations that change something if they succeed.
var alwaysWrite = []string{"register", "archive", "alias", "annotate", "delete", "undelete"}

// byPrivate is the RegisteredBy of a version that only its own worker moves,
// and never promotes. So the worker knows whether archiving it wrote anything.
const byPrivate = "private"

// errSave is the error of a save that fails on purpose.
var errSave = errors.New("this save always fails")

// Run works until the context ends or the disk fails, and returns the error of
// either.
func (w *Worker) Run(ctx context.Context) error {
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		w.op++
		token := fmt.Sprintf("%s.%d", w.Name, w.op)
		if err := w.step(ctx, token); err != nil {
			return err
		}
	}
}

// step makes one operation of a random kind.
func (w *Worker) step(ctx context.Context, token string) error {
	switch n := rand.IntN(19); {
	case n < 4:
		return w.do(Line{Op: "register", Token: token}, func(Line) (modelregistry.ModelVersion, error) {
			return w.register(ctx, token, "", save(token))
		})
	case n == 4:
		return w.registerPrivate(ctx, token)
	case n == 5:
		return w.do(Line{Op: "register", Token: token}, func(Line) (modelregistry.ModelVersion, error) {
			return w.register(ctx, token, "", func(dir string) error { return errors.Join(save(token)(dir), errSave) })
		})
	case n == 6 && len(w.private) > 0:
		version := w.private[0]
		w.private = w.private[1:]
		return w.do(Line{Op: "archive", Token: token, Version: version}, w.move(func(l Line, o *modelregistry.MoveOptions) (modelregistry.ModelVersion, error) {
			return w.Registry.Archive(ctx, w.Model.At(l.Version), o)
		}))
	case n < 8:
		return w.do(Line{Op: "rollback", Token: token}, w.move(func(_ Line, o *modelregistry.MoveOptions) (modelregistry.ModelVersion, error) {
			return w.Registry.Rollback(ctx, w.Model, o)
		}))
	case n < 12:
		return w.promote(ctx, token)
	case n == 12:
		return w.registerOnce(ctx, token)
	case n == 13:
		return w.annotate(ctx, token)
	case n == 16:
		return w.deleteOwn(ctx, token)
	case n == 17:
		return w.deleteShared(ctx, token)
	case n == 18:
		return w.purge(ctx, token)
	}
	return w.setAlias(ctx, token)
}

func (w *Worker) registerPrivate(ctx context.Context, token string) error {
	return w.do(Line{Op: "register", Token: token}, func(Line) (modelregistry.ModelVersion, error) {
		v, err := w.register(ctx, token, byPrivate, save(token))
		if err == nil {
			w.private = append(w.private, v.Version)
		}
		return v, err
	})
}

// promote promotes a random version to staging or production, unless there is
// none.
func (w *Worker) promote(ctx context.Context, token string) error {
	version, err := w.choose(ctx)
	if err != nil || version == "" {
		return err
	}
	to := modelregistry.Production
	if rand.IntN(4) == 0 {
		to = modelregistry.Staging
	}
	return w.do(Line{Op: "promote", Token: token, Version: version}, w.move(func(l Line, o *modelregistry.MoveOptions) (modelregistry.ModelVersion, error) {
		return w.Registry.Promote(ctx, w.Model.At(l.Version), to, o)
	}))
}

// choose returns one of the newest versions that are not private, or "" if
// there is none.
func (w *Worker) choose(ctx context.Context) (string, error) {
	list, err := w.Registry.ListVersions(ctx, w.Model)
	if err != nil && !errors.Is(err, modelregistry.ErrNotFound) {
		return "", err
	}
	list = slices.DeleteFunc(slices.Clone(list), func(v modelregistry.ModelVersion) bool { return v.RegisteredBy == byPrivate })
	if len(list) == 0 {
		return "", nil
	}
	return list[rand.IntN(min(len(list), 10))].Version, nil
}

func (w *Worker) move(call func(Line, *modelregistry.MoveOptions) (modelregistry.ModelVersion, error)) func(Line) (modelregistry.ModelVersion, error) {
	return func(l Line) (modelregistry.ModelVersion, error) {
		return call(l, &modelregistry.MoveOptions{Actor: l.Token, Reason: l.Token})
	}
}

func (w *Worker) register(ctx context.Context, token, by string, save func(dir string) error) (modelregistry.ModelVersion, error) {
	return w.Registry.Register(ctx, w.Model, modelregistry.FromFunc(save), &modelregistry.RegisterOptions{Actor: by, Reason: token})
}

// Save writes an artifact of two files. Both contain the token.
func Save(dir, token string) error {
	text := []byte(strings.Repeat(token+"\n", 100))
	return errors.Join(os.WriteFile(filepath.Join(dir, "a.bin"), text, 0o666), os.Mkdir(filepath.Join(dir, "b"), 0o777),
		os.WriteFile(filepath.Join(dir, "b", "c.bin"), text, 0o666))
}

func save(token string) func(dir string) error {
	return func(dir string) error { return Save(dir, token) }
}

// do notes an operation, calls it, and notes what it returned.
func (w *Worker) do(l Line, call func(Line) (modelregistry.ModelVersion, error)) error {
	if err := w.begin(&l); err != nil {
		return err
	}
	v, err := call(l)
	if err == nil {
		l.Version, l.To = v.Version, string(v.Stage)
		// PromotedBy identifies the operation that last promoted the version.
		l.Wrote = !v.Existing && (slices.Contains(alwaysWrite, l.Op) || v.PromotedBy == l.Token)
	}
	return w.end(l, err)
}

// begin notes that an operation is about to be called.
func (w *Worker) begin(l *Line) error {
	l.Worker, l.Phase = w.Name, Intent
	return w.Notes.Note(*l)
}

// end notes how an operation ended. It returns the operation's error, unless it
// is a refusal.
func (w *Worker) end(end Line, err error) error {
	switch {
	case err == nil:
		end.Phase = Done
	case refusal(err), end.Once != "" && errors.Is(err, modelregistry.ErrExists): // the version with the key is deleted
		end.Phase, err = Refused, nil
	case errors.Is(err, modelregistry.ErrUncertain), end.Op == "purge": // a purge that fails may be recorded
		end.Phase = Uncertain
	default:
		end.Phase = Failed
	}
	if err != nil {
		end.Error = err.Error()
	}
	return errors.Join(err, w.Notes.Note(end))
}

// refusal reports whether the state of the model, not the disk, caused an
// error.
func refusal(err error) bool {
	for _, is := range []error{errSave, modelregistry.ErrNotFound, modelregistry.ErrWrongDirection, modelregistry.ErrConflict, modelregistry.ErrProtected} {
		if errors.Is(err, is) {
			return true
		}
	}
	return false
}
