package modelregistry_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/driver"
	"github.com/ubunye-go/modelregistry/internal/foldtest"
	"github.com/ubunye-go/modelregistry/registrytest"
)

var oneFile = fstest.MapFS{"weights.bin": {Data: []byte("weights")}}

func TestFoldingFolderConforms(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	open := func() (mr.Store, error) { return mr.NewFolderStoreOn(dir, foldtest.Wrap(nil)) }
	registrytest.TestStore(t, open, &registrytest.StoreOptions{Lossy: registrytest.LossyByFaults(open), LoseIndex: loseIndex(dir)})
}

// openFolding opens a registry on a folder that ignores case, and treats a
// letter with a combining accent as the accented letter.
func openFolding(t *testing.T, dir string) *mr.ModelRegistry {
	t.Helper()
	normal := strings.NewReplacer("e\u0301", "é", "E\u0301", "É")
	r, err := mr.OpenOn(dir, nil, foldtest.Wrap(func(a, b string) bool {
		return strings.EqualFold(normal.Replace(a), normal.Replace(b))
	}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

// callsOf are the operations on a model.
func callsOf(r *mr.ModelRegistry, name mr.ModelName) map[string]func(context.Context) error {
	ref := name.In(mr.Production)
	return map[string]func(context.Context) error{
		"register": func(ctx context.Context) error { _, err := r.Register(ctx, name, artifact(), nil); return err },
		"register a pinned version": func(ctx context.Context) error {
			_, err := r.Register(ctx, name, artifact(), &mr.RegisterOptions{Version: "7.0.0"})
			return err
		},
		"promote": func(ctx context.Context) error {
			_, err := r.Promote(ctx, name.At("1.0.0"), mr.Production, nil)
			return err
		},
		"demote": func(ctx context.Context) error {
			_, err := r.Demote(ctx, name.At("1.0.0"), mr.Development, nil)
			return err
		},
		"archive":  func(ctx context.Context) error { _, err := r.Archive(ctx, name.At("1.0.0"), nil); return err },
		"rollback": func(ctx context.Context) error { _, err := r.Rollback(ctx, name, nil); return err },
		"get":      func(ctx context.Context) error { _, err := r.GetModel(ctx, ref, nil); return err },
		"list":     func(ctx context.Context) error { _, err := r.ListVersions(ctx, name); return err },
		"compare": func(ctx context.Context) error {
			_, err := r.Compare(ctx, name.At("1.0.0"), name.At("1.0.1"))
			return err
		},
		"repair": func(ctx context.Context) error { _, err := r.Repair(ctx, name, nil); return err },
		"history": func(ctx context.Context) error {
			for _, err := range r.History(ctx, name, nil) {
				return err
			}
			return nil
		},
		"what was in production": func(ctx context.Context) error {
			_, err := r.ProductionAt(ctx, name, time.Now())
			return err
		},
		"follow": func(ctx context.Context) error {
			live, err := mr.NewLive(ctx, r, ref, func(context.Context, *mr.Model) (int, error) { return 0, nil }, nil)
			if err == nil {
				live.Close()
			}
			return err
		},
	}
}

func wantNameError(t *testing.T, what string, err error, name, other mr.ModelName) {
	t.Helper()
	var got *mr.NameError
	if !errors.As(err, &got) || !errors.Is(err, mr.ErrInvalid) {
		t.Errorf("%s: got error %v, want a *NameError", what, err)
	} else if want := (&mr.NameError{Name: driver.Name(name), Other: driver.Name(other)}); *got != *want {
		t.Errorf("%s: got %+v, want %+v", what, *got, *want)
	}
}

// On a file system that finds a model by other spellings, these are refused by
// every operation, and the error names the model.
func TestOtherSpellingsAreRefused(t *testing.T) {
	t.Parallel()
	refuseOtherSpellings(t, casePairs())
}

// TestOtherSpellingsAreRefused also holds for names that differ in the normal
// form of Unicode.
func TestOtherNormalFormsAreRefused(t *testing.T) {
	t.Parallel()
	refuseOtherSpellings(t, [][2]mr.ModelName{
		{{UseCase: "café", Model: "m"}, {UseCase: "cafe\u0301", Model: "m"}},
		{{UseCase: "u", Model: "CAFE\u0301"}, {UseCase: "u", Model: "café"}},
	})
}

func refuseOtherSpellings(t *testing.T, pairs [][2]mr.ModelName) {
	t.Helper()
	for _, pair := range pairs {
		t.Run(fmt.Sprintf("%+q for %+q", pair[1], pair[0]), func(t *testing.T) {
			t.Parallel()
			otherSpelling(t, t.TempDir(), openFolding, pair[0], pair[1])
		})
	}
}

// needCase skips a test whose files differ in case only, if the file system
// ignores case. TestOtherSpellingsAreRefused tests such a system everywhere.
func needCase(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "a"), "")
	if _, err := os.Stat(filepath.Join(dir, "A")); err == nil {
		t.Skip("the file system ignores case")
	}
}

// casePairs are names and others that differ in case only.
func casePairs() [][2]mr.ModelName {
	return [][2]mr.ModelName{
		{{UseCase: "fraud", Model: "Risk"}, {UseCase: "fraud", Model: "risk"}},
		{{UseCase: "fraud", Model: "Risk"}, {UseCase: "Fraud", Model: "risk"}},
		{{UseCase: "fraud", Model: "Risk"}, {UseCase: "FRAUD", Model: "Risk"}},
		{{UseCase: "u", Model: "élan"}, {UseCase: "u", Model: "Élan"}},
	}
}

// otherSpelling makes a model in a folder that also finds it by another name.
func otherSpelling(t *testing.T, dir string, open func(*testing.T, string) *mr.ModelRegistry, name, other mr.ModelName) {
	t.Helper()
	early := open(t, dir)
	if _, err := early.ListVersions(t.Context(), other); !errors.Is(err, mr.ErrNotFound) {
		t.Errorf("before there is a model: %v", err)
	}
	r := open(t, dir)
	registrytest.Put(t, r, name.In(mr.Production), oneFile)
	check := unchanged(t, dir)
	for _, r := range []*mr.ModelRegistry{r, early, open(t, dir)} {
		for what, call := range callsOf(r, other) {
			wantNameError(t, what, call(t.Context()), other, name)
		}
		if _, err := r.Verify(t.Context(), &mr.VerifyOptions{UseCase: other.UseCase, Model: other.Model}); !errors.Is(err, mr.ErrNotFound) {
			t.Errorf("verify: got error %v, want ErrNotFound", err)
		}
	}
	check()
	registrytest.WantStages(t, early, name, map[string]mr.ModelStage{"1.0.0": mr.Production})
}

// A use case's folder has one spelling, too, for models that are not there yet.
func TestSpellingOfUseCase(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r := openFolding(t, dir)
	registrytest.Put(t, r, mr.ModelName{UseCase: "fraud", Model: "Risk"}.In(mr.Production), oneFile)
	other := mr.ModelName{UseCase: "Fraud", Model: "Other"}
	check := unchanged(t, dir)
	_, err := r.Register(t.Context(), other, artifact(), nil)
	wantNameError(t, "register", err, other, mr.ModelName{UseCase: "fraud", Model: "Other"})
	check()
}

// A registry that has read a model notices that it was deleted and created
// again under a name that differs in case.
func TestModelIsCreatedAgainInAnotherCase(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r, other := openFolding(t, dir), openFolding(t, dir)
	old := mr.ModelName{UseCase: "fraud", Model: "Risk"}
	made := mr.ModelName{UseCase: "fraud", Model: "RISK"}
	registrytest.Put(t, r, old.In(mr.Production), oneFile)
	// As long as the old log is somewhere, the new one is another file.
	if err := os.Link(filepath.Join(dir, "fraud", "Risk", "history.jsonl"), filepath.Join(t.TempDir(), "kept")); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(dir, "fraud", "Risk")); err != nil {
		t.Fatal(err)
	}
	registrytest.Put(t, other, made.In(mr.Production), oneFile)
	for what, call := range callsOf(r, old) {
		wantNameError(t, what, call(t.Context()), old, made)
	}
}

// A name that differs from a model's in case only is refused on every file
// system, in words that a user understands.
func TestNamesThatDifferInCase(t *testing.T) {
	t.Parallel()
	needCase(t)
	r, dir := newStore(t, nil)
	name := mr.ModelName{UseCase: "fraud", Model: "Risk"}
	registrytest.Put(t, r, name.In(mr.Production), oneFile)
	check := unchanged(t, dir)
	for _, like := range []mr.ModelName{{UseCase: "fraud", Model: "risk"}, {UseCase: "Fraud", Model: "risk"}, {UseCase: "Fraud", Model: "Risk"}} {
		saved := false
		_, err := r.Register(t.Context(), like, mr.FromFunc(func(dir string) error {
			saved = true
			return os.WriteFile(filepath.Join(dir, "w"), nil, 0o666)
		}), nil)
		wantNameError(t, "register", err, like, name)
		if want := "register " + like.String() + ": invalid model name: not every file system distinguishes it from fraud/Risk"; fmt.Sprint(err) != want {
			t.Errorf("got %q, want %q", err, want)
		}
		if saved {
			t.Error("the artifact was saved before")
		}
		if _, err := r.ListVersions(t.Context(), like); !errors.Is(err, mr.ErrNotFound) {
			t.Errorf("list: got error %v, want ErrNotFound", err)
		}
		check()
	}
	// A folder that is not a model blocks no other name.
	writeFile(t, filepath.Join(dir, "fraud", "OTHER", "notes"), "")
	registrytest.Put(t, r, mr.ModelName{UseCase: "fraud", Model: "other"}.In(mr.Production), oneFile)
	registrytest.Put(t, r, mr.ModelName{UseCase: "FRAUD", Model: "third"}.In(mr.Production), oneFile)
}

// Models whose names differ in case only, and that the file system tells apart,
// are usable as before.
func TestPairsInCaseStayUsable(t *testing.T) {
	t.Parallel()
	needCase(t)
	dir := t.TempDir()
	pair := []mr.ModelName{{UseCase: "fraud", Model: "Risk"}, {UseCase: "Fraud", Model: "risk"}}
	for i, name := range pair {
		apart := t.TempDir()
		r := openStore(t, apart, nil)
		registrytest.Put(t, r, mr.Ref{Name: name, Version: fmt.Sprint(i+1, ".0.0"), Stage: mr.Production}, oneFile)
		if err := os.Rename(filepath.Join(apart, name.UseCase), filepath.Join(dir, name.UseCase)); err != nil {
			t.Fatal(err)
		}
	}
	r := openStore(t, dir, nil)
	for i, name := range pair {
		registrytest.Put(t, r, name.In(mr.Production), oneFile)
		old, latest := fmt.Sprint(i+1, ".0.0"), fmt.Sprint(i+1, ".0.1")
		registrytest.WantStages(t, r, name, map[string]mr.ModelStage{old: mr.Archived, latest: mr.Production})
	}
	var names []mr.ModelName
	for name := range r.Models(t.Context()) {
		names = append(names, name)
	}
	slices.Reverse(pair) // sorted
	if diff := cmp.Diff(pair, names); diff != "" {
		t.Errorf("models (-want +got):\n%s", diff)
	}
	third := mr.ModelName{UseCase: "FRAUD", Model: "RISK"}
	_, err := r.Register(t.Context(), third, artifact(), nil)
	wantNameError(t, "register", err, third, pair[0])
}

// A folder's name is its model's name: a folder that a person moved or copied
// is the model of its new name, although registry.json has the old one.
func TestMovedAndCopiedFolders(t *testing.T) {
	t.Parallel()
	for what, open := range map[string]func(*testing.T, string) *mr.ModelRegistry{
		"a folder":                   func(t *testing.T, dir string) *mr.ModelRegistry { return openStore(t, dir, nil) },
		"a folder that ignores case": openFolding,
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			r := open(t, dir)
			old := mr.ModelName{UseCase: "fraud", Model: "Risk"}
			registrytest.Put(t, r, old.In(mr.Production), oneFile)
			if err := os.CopyFS(filepath.Join(dir, "fraud", "Copy"), os.DirFS(filepath.Join(dir, "fraud", "Risk"))); err != nil {
				t.Fatal(err)
			}
			for _, to := range []string{"Moved", "MOVED"} {
				from := old.Model
				if to == "MOVED" {
					from = "Moved"
				}
				if err := os.Rename(filepath.Join(dir, "fraud", from), filepath.Join(dir, "fraud", to)); err != nil {
					t.Fatal(err)
				}
				for _, r := range []*mr.ModelRegistry{r, open(t, dir)} {
					name := mr.ModelName{UseCase: "fraud", Model: to}
					if _, err := r.GetModel(t.Context(), name.In(mr.Production), nil); err != nil {
						t.Error(err)
					}
					registrytest.Put(t, r, name.In(mr.Production), oneFile)
					if _, err := r.GetModel(t.Context(), mr.ModelName{UseCase: "fraud", Model: from}.In(mr.Production), nil); err == nil {
						t.Errorf("%s is still there after it was moved to %s", from, to)
					}
				}
			}
			registrytest.Put(t, r, mr.ModelName{UseCase: "fraud", Model: "Copy"}.In(mr.Production), oneFile)
			if report, err := r.Verify(t.Context(), nil); err != nil || len(report.Models) != 2 || len(report.Problems()) > 0 {
				t.Errorf("%+v, %v", report, err)
			}
		})
	}
}
