package modelregistry_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	mr "github.com/ubunye-go/modelregistry"
)

// frozen is a model that needs what this release does not know.
var frozen = mr.ModelName{UseCase: fraud.UseCase, Model: "FrozenModel"}

// need is a member of an event by which a later release says so.
const need = `"model":{"needs":["freeze-windows"]}`

// wantFormatError checks that err names the need.
func wantFormatError(t testing.TB, what string, err error) {
	t.Helper()
	var f *mr.FormatError
	if !errors.Is(err, mr.ErrFormat) || !errors.As(err, &f) || len(f.Needs) != 1 || f.Needs[0] != "freeze-windows" ||
		!strings.Contains(err.Error(), `"freeze-windows"`) {
		t.Errorf("%s: got error %v, want one that matches ErrFormat and names freeze-windows", what, err)
	}
}

// untouched returns a function that fails the test if a file of a store is no
// longer what it was. Locks and folders for staging may come.
func untouched(t testing.TB, dir string) func() {
	t.Helper()
	look := func() map[string]string {
		m := files(t, dir)
		maps.DeleteFunc(m, func(name, _ string) bool { return filepath.Base(name) == ".lock" })
		return m
	}
	before := look()
	return func() {
		t.Helper()
		if diff := cmp.Diff(before, look()); diff != "" {
			t.Errorf("files (-before +after):\n%s", diff)
		}
	}
}

func TestUnknownNeedRefusesEveryChange(t *testing.T) {
	t.Parallel()
	fails := mr.GateOf("never asked", func(context.Context, mr.ModelVersion) error { t.Error("a gate was asked"); return nil })
	for name, change := range map[string]func(ctx context.Context, r *mr.ModelRegistry) error{
		"register": func(ctx context.Context, r *mr.ModelRegistry) error {
			_, err := r.Register(ctx, frozen, artifact(), nil)
			return err
		},
		"register pinned": func(ctx context.Context, r *mr.ModelRegistry) error {
			_, err := r.Register(ctx, frozen, mr.FromFunc(func(string) error { t.Error("an artifact was saved"); return nil }),
				&mr.RegisterOptions{Version: "2.0.0"})
			return err
		},
		"promote": func(ctx context.Context, r *mr.ModelRegistry) error {
			_, err := r.Promote(ctx, frozen.At("1.0.1"), mr.Staging, &mr.MoveOptions{Gates: fails})
			return err
		},
		"promote past gates": func(ctx context.Context, r *mr.ModelRegistry) error {
			_, err := r.Promote(ctx, frozen.At("1.0.2"), mr.Production, &mr.MoveOptions{SkipGates: true})
			return err
		},
		"demote": func(ctx context.Context, r *mr.ModelRegistry) error {
			_, err := r.Demote(ctx, frozen.At("1.0.0"), mr.Staging, nil)
			return err
		},
		"archive": func(ctx context.Context, r *mr.ModelRegistry) error {
			_, err := r.Archive(ctx, frozen.At("1.0.0"), nil)
			return err
		},
		"rollback": func(ctx context.Context, r *mr.ModelRegistry) error {
			_, err := r.RollbackTo(ctx, frozen.At("1.0.2"), &mr.MoveOptions{Force: true})
			return err
		},
	} {
		for _, lost := range []string{"", "registry.json", "history.jsonl"} {
			t.Run(name+" without "+lost, func(t *testing.T) {
				t.Parallel()
				dir := laterStore(t)
				if lost != "" {
					if err := os.Remove(filepath.Join(dir, frozen.String(), lost)); err != nil {
						t.Fatal(err)
					}
				}
				check := untouched(t, dir)
				r := openStore(t, dir, nil)
				wantFormatError(t, name, change(t.Context(), r))
				check()
				if v, err := r.Promote(t.Context(), frozen.At("1.0.0"), mr.Production, nil); err != nil || v.Stage != mr.Production {
					t.Errorf("a move that changes nothing: %v", err)
				}
				if err := r.Close(); err != nil {
					t.Error(err)
				}
				check()
			})
		}
	}
}

// A need that comes while a change is under way is met under the lock, by each
// way in which a change can come to its turn.
func TestUnknownNeedThatComesMeanwhile(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(r *mr.ModelRegistry, come func() error) error{
		"promote": func(r *mr.ModelRegistry, come func() error) error {
			gate := mr.GateOf("later", func(context.Context, mr.ModelVersion) error { return come() })
			_, err := r.Promote(t.Context(), fraud.At("1.0.2"), mr.Production, &mr.MoveOptions{Gates: gate})
			return err
		},
		"register": func(r *mr.ModelRegistry, come func() error) error {
			_, err := r.Register(t.Context(), fraud, mr.FromFunc(func(dir string) error {
				return errors.Join(come(), os.WriteFile(filepath.Join(dir, "w"), []byte("w"), 0o666))
			}), nil)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := three(t)
			var check func()
			err := change(openStore(t, dir, nil), func() error {
				appendEvent(t, modelPath(dir, "history.jsonl"), `"op":"policy",`+need)
				check = untouched(t, modelPath(dir, "versions"))
				return nil
			})
			wantFormatError(t, name, err)
			check()
			if n := len(history(t, dir)); n != 6 {
				t.Errorf("the history has %d events, want 6", n)
			}
			wantStages(t, openStore(t, dir, nil), threeStages)
		})
	}
}

// errorLog is a log that keeps the errors that come with its records.
type errorLog struct {
	slog.Handler
	mu   sync.Mutex
	errs []error
}

func newErrorLog() *errorLog { return &errorLog{Handler: slog.DiscardHandler} }

func (l *errorLog) Enabled(context.Context, slog.Level) bool { return true }

func (l *errorLog) Handle(_ context.Context, r slog.Record) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	r.Attrs(func(a slog.Attr) bool {
		if err, ok := a.Value.Any().(error); ok {
			l.errs = append(l.errs, err)
		}
		return true
	})
	return nil
}

// one returns the error that was logged, or one that says that there was not
// just one.
func (l *errorLog) one() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.errs) != 1 {
		return fmt.Errorf("%d errors: %q", len(l.errs), l.errs)
	}
	return l.errs[0]
}

// withLaggingDocument returns a registry whose document lags.
func withLaggingDocument(t testing.TB, dir string) (r *mr.ModelRegistry, log *errorLog) {
	t.Helper()
	log = newErrorLog()
	r = openStore(t, dir, &mr.Options{Logger: slog.New(log)})
	r.SetLag(-1, 1, time.Second)
	register(t, r, "1.0.0", bulky())
	register(t, r, "1.0.1", nil)
	wantDocumentAt(t, dir, 1)
	return r, log
}

func TestUnknownNeedStopsTheCheckpointAtClose(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) { // the timer never comes
		r, log := withLaggingDocument(t, dir)
		appendEvent(t, modelPath(dir, "history.jsonl"), `"op":"policy",`+need)
		check := untouched(t, dir)
		if err := r.Close(); err != nil {
			t.Error(err)
		}
		check()
		wantFormatError(t, "the log", log.one())
	})
}

func TestUnknownNeedStopsTheCatchUp(t *testing.T) {
	t.Parallel()
	for name, external := range map[string]bool{"the document lags": false, "another program wrote it": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			synctest.Test(t, func(t *testing.T) {
				r, log := withLaggingDocument(t, dir)
				appendEvent(t, modelPath(dir, "history.jsonl"), `"op":"policy",`+need)
				if external {
					edit(t, modelPath(dir, "registry.json"), func(s string) string { return strings.Replace(s, `"config_hash": null`, `"config_hash": "x"`, 1) })
				}
				check := untouched(t, dir)
				time.Sleep(time.Second)
				synctest.Wait()
				wantFormatError(t, "the log", log.one())
				check()
				wantStages(t, r, map[string]mr.ModelStage{"1.0.0": mr.Development, "1.0.1": mr.Development})
			})
		})
	}
}

// An external change is read, and not recorded.
func TestUnknownNeedRecordsNoExternalChange(t *testing.T) {
	t.Parallel()
	dir := laterStore(t)
	doc := filepath.Join(dir, frozen.String(), "registry.json")
	edit(t, doc, func(s string) string { return strings.Replace(s, `"stage": "staging"`, `"stage": "archived"`, 1) })
	check := untouched(t, dir)
	r := openStore(t, dir, nil)
	v, err := r.GetVersion(t.Context(), frozen.At("1.0.2"))
	if err != nil || v.Stage != mr.Archived {
		t.Errorf("the change is not read: %s, %v", v.Stage, err)
	}
	_, err = r.Register(t.Context(), frozen, artifact(), nil)
	wantFormatError(t, "register", err)
	check()
}

func TestUnknownNeedRefusesRepair(t *testing.T) {
	t.Parallel()
	remove := func(name string) func(t *testing.T, model string) {
		return func(t *testing.T, model string) {
			if err := os.RemoveAll(filepath.Join(model, name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	damage := func(name, old, new string) func(t *testing.T, model string) {
		return func(t *testing.T, model string) {
			edit(t, filepath.Join(model, name), func(s string) string {
				if !strings.Contains(s, old) {
					t.Fatalf("%s holds no %s", name, old)
				}
				return strings.Replace(s, old, new, 1)
			})
		}
	}
	for name, harm := range map[string][]func(t *testing.T, model string){
		"document lost":                       {remove("registry.json")},
		"document damaged":                    {damage("registry.json", "{", "[")},
		"history lost":                        {remove("history.jsonl")},
		"external change":                     {damage("registry.json", `"config_hash": null`, `"config_hash": "x"`)},
		"line damaged":                        {damage("history.jsonl", `"op":"register"`, `"op":register`)},
		"line edited":                         {damage("history.jsonl", `"reason":"first"`, `"reason":"second"`)},
		"line that says what is needed":       {damage("history.jsonl", `"op":"describe"`, `"op":describe`)},
		"line damaged, document lost":         {damage("history.jsonl", `"op":"register"`, `"op":register`), remove("registry.json")},
		"line edited, document rewritten":     {damage("history.jsonl", `"reason":"first"`, `"reason":"second"`), damage("registry.json", `"modelregistry"`, `"was"`)},
		"line damaged, document not intact":   {damage("history.jsonl", `"op":"register"`, `"op":register`), damage("registry.json", `"config_hash": null`, `"config_hash": "x"`)},
		"debris":                              {func(t *testing.T, model string) { writeFile(t, filepath.Join(model, ".registry.json.tmp"), "{") }},
		"a tree that no event names":          {func(t *testing.T, model string) { copyTree(t, filepath.Join(model, "versions"), "1.0.0", "9.0.0") }},
		"history lost, and a tree is unnamed": {remove("history.jsonl"), func(t *testing.T, model string) { copyTree(t, filepath.Join(model, "versions"), "1.0.0", "9.0.0") }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := laterStore(t)
			for _, h := range harm {
				h(t, filepath.Join(dir, frozen.String()))
			}
			check := untouched(t, dir)
			r := openStore(t, dir, nil)
			report, err := r.Repair(t.Context(), frozen, nil)
			if err != nil || len(report.Actions) == 0 {
				t.Errorf("what would be done: %+v, %v", report, err)
			}
			report, err = r.Repair(t.Context(), frozen, &mr.RepairOptions{Apply: true})
			wantFormatError(t, "repair", err)
			if report == nil || report.Applied {
				t.Errorf("the report says %+v", report)
			}
			check()
		})
	}
}

// copyTree copies one version's files to another's place.
func copyTree(t testing.TB, versions, from, to string) {
	t.Helper()
	if err := os.CopyFS(filepath.Join(versions, to), os.DirFS(filepath.Join(versions, from))); err != nil {
		t.Fatal(err)
	}
}

// The log of a bucket's copy is not taken over by a change that is refused.
func TestUnknownNeedTakesOverNoCopiedLog(t *testing.T) {
	t.Parallel()
	dir := laterStore(t)
	model := filepath.Join(dir, frozen.String())
	log, err := os.ReadFile(filepath.Join(model, "history.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	number, end := 0, 0
	for line := range bytes.Lines(log) { // each a change of its own
		number, end = number+1, end+len(line)
		head := fmt.Sprintf(`{"commit":"%032d","number":%d,"end":%d}`+"\n", number, number, end)
		writeFile(t, filepath.Join(model, "history", fmt.Sprintf("%010d-%d.jsonl", 9_999_999_999-int64(number), number)), head+string(line))
	}
	if err := os.Remove(filepath.Join(model, "history.jsonl")); err != nil {
		t.Fatal(err)
	}
	check := untouched(t, dir)
	r := openStore(t, dir, nil)
	if list, err := r.ListVersions(t.Context(), frozen); err != nil || len(list) != 3 {
		t.Fatalf("%d versions, %v", len(list), err)
	}
	_, err = r.Archive(t.Context(), frozen.At("1.0.0"), nil)
	wantFormatError(t, "archive", err)
	_, err = r.Register(t.Context(), frozen, artifact(), nil)
	wantFormatError(t, "register", err)
	check()
}
