package modelregistry_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	mr "github.com/ubunye-go/modelregistry"
)

func TestDirections(t *testing.T) {
	t.Parallel()
	d, s, p, a := mr.Development, mr.Staging, mr.Production, mr.Archived
	all := []mr.ModelStage{d, s, p, a}
	up := map[[2]mr.ModelStage]bool{{d, s}: true, {d, p}: true, {s, p}: true, {a, d}: true, {a, s}: true, {a, p}: true}
	for _, from := range all {
		for _, to := range all {
			for _, op := range []string{"promote", "demote"} {
				t.Run(fmt.Sprint(op, " from ", from, " to ", to), func(t *testing.T) {
					t.Parallel()
					r, dir := newStore(t, nil)
					register(t, r, "1.0.0", nil)
					switch from {
					case a:
						if _, err := r.Archive(t.Context(), fraud.At("1.0.0"), nil); err != nil {
							t.Fatal(err)
						}
					default:
						promote(t, r, "1.0.0", from)
					}
					check := unchanged(t, dir)
					move := r.Promote
					if op == "demote" {
						move = r.Demote
					}
					v, err := move(t.Context(), fraud.At("1.0.0"), to, nil)
					switch {
					case from == to:
						if err != nil || v.Stage != to {
							t.Errorf("got %v, %v", v.Stage, err)
						}
						check()
					case up[[2]mr.ModelStage{from, to}] == (op == "promote"):
						if err != nil || v.Stage != to {
							t.Errorf("got %v, %v", v.Stage, err)
						}
						e := last(t, dir)
						if e["op"] != op || e["from"] != string(from) || e["to"] != string(to) {
							t.Errorf("event %v", e)
						}
						wantStages(t, openStore(t, dir, nil), map[string]mr.ModelStage{"1.0.0": to})
					default:
						wantError(t, err, op, fraud, "1.0.0", mr.ErrWrongDirection)
						check()
					}
				})
			}
		}
	}
}

func TestStamps(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 23, 5, 30, 0, 0, time.UTC)
	var mu sync.Mutex
	r, dir := newStore(t, &mr.Options{Actor: "ci", Now: func() time.Time { mu.Lock(); defer mu.Unlock(); return now }})
	at := func(hour int) {
		mu.Lock()
		defer mu.Unlock()
		now = time.Date(2026, 11, 23, hour, 0, 0, 0, time.UTC)
	}
	type stamps struct {
		Registered, Staging, Production, Archived int
		Stage                                     mr.ModelStage
		RegisteredBy, PromotedBy                  string
	}
	hour := func(t time.Time) int {
		if t.IsZero() {
			return -1
		}
		return t.Hour()
	}
	wantIs := func(version string, want stamps) {
		t.Helper()
		for _, r := range []*mr.ModelRegistry{r, openStore(t, dir, nil)} {
			v, err := r.GetVersion(t.Context(), fraud.At(version))
			if err != nil {
				t.Fatal(err)
			}
			got := stamps{hour(v.RegisteredAt), hour(v.PromotedToStaging), hour(v.PromotedToProduction), hour(v.ArchivedAt), v.Stage, v.RegisteredBy, v.PromotedBy}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", version, diff)
			}
		}
	}
	do := func(_ mr.ModelVersion, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	by := func(actor string) *mr.MoveOptions { return &mr.MoveOptions{Actor: actor, Reason: "because"} }
	ctx := t.Context()

	at(1)
	_, err := r.Register(ctx, fraud, artifact(), &mr.RegisterOptions{Actor: "anna"})
	if err != nil {
		t.Fatal(err)
	}
	register(t, r, "2.0.0", nil)
	wantIs("1.0.0", stamps{1, -1, -1, -1, mr.Development, "anna", ""})
	at(2)
	do(r.Promote(ctx, fraud.At("1.0.0"), mr.Staging, by("bert")))
	wantIs("1.0.0", stamps{1, 2, -1, -1, mr.Staging, "anna", "bert"})
	at(3)
	do(r.Promote(ctx, fraud.At("1.0.0"), mr.Production, nil))
	wantIs("1.0.0", stamps{1, 2, 3, -1, mr.Production, "anna", "ci"})
	at(4)
	do(r.Promote(ctx, fraud.At("2.0.0"), mr.Production, by("carl")))
	wantIs("1.0.0", stamps{1, 2, 3, 4, mr.Archived, "anna", "ci"})
	wantIs("2.0.0", stamps{1, -1, 4, -1, mr.Production, "ci", "carl"})
	at(5)
	do(r.Rollback(ctx, fraud, by("dora")))
	wantIs("1.0.0", stamps{1, 2, 5, 4, mr.Production, "anna", "dora"})
	wantIs("2.0.0", stamps{1, -1, 4, 5, mr.Archived, "ci", "carl"})
	at(6)
	do(r.Demote(ctx, fraud.At("1.0.0"), mr.Staging, by("emil")))
	wantIs("1.0.0", stamps{1, 6, 5, 4, mr.Staging, "anna", "dora"})
	if e := last(t, dir); e["actor"] != "emil" || e["reason"] != "because" {
		t.Errorf("event %v", e)
	}
	at(7)
	do(r.Demote(ctx, fraud.At("1.0.0"), mr.Archived, nil))
	wantIs("1.0.0", stamps{1, 6, 5, 7, mr.Archived, "anna", "dora"})
	at(8)
	do(r.Archive(ctx, fraud.At("1.0.0"), nil))
	wantIs("1.0.0", stamps{1, 6, 5, 7, mr.Archived, "anna", "dora"})
	do(r.Promote(ctx, fraud.At("1.0.0"), mr.Development, nil))
	wantIs("1.0.0", stamps{1, 6, 5, 7, mr.Development, "anna", "ci"})
}

// A promotion without an actor clears the actor of an earlier promotion.
func TestPromoteWithoutActorClearsPromotedBy(t *testing.T) {
	t.Parallel()
	r, _ := newStore(t, nil)
	register(t, r, "", nil)
	if _, err := r.Promote(t.Context(), fraud.At("1.0.0"), mr.Staging, &mr.MoveOptions{Actor: "anna"}); err != nil {
		t.Fatal(err)
	}
	if v := promote(t, r, "1.0.0", mr.Production); v.PromotedBy != "" {
		t.Errorf("promoted to production by %s, who only promoted it to staging", v.PromotedBy)
	}
}

func TestPromoteArchivesPredecessor(t *testing.T) {
	t.Parallel()
	r, dir := newStore(t, nil)
	inProduction(t, r, "1.0.0", "1.0.1", "1.0.2")
	want := map[string]mr.ModelStage{"1.0.0": mr.Archived, "1.0.1": mr.Archived, "1.0.2": mr.Production}
	wantStages(t, r, want)
	wantStages(t, openStore(t, dir, nil), want)
	e := last(t, dir)
	if after, _ := e["after"].(map[string]any); len(after) != 2 || after["1.0.1"] == nil || after["1.0.2"] == nil {
		t.Errorf("the promotion and the archiving are not one event: %v", e)
	}
	if _, err := r.Demote(t.Context(), fraud.At("1.0.2"), mr.Staging, nil); err != nil {
		t.Fatal(err)
	}
	_, err := r.GetModel(t.Context(), fraud.In(mr.Production), nil)
	wantError(t, err, "get", fraud, "", mr.ErrNotFound)
}

func TestStageOfSeveral(t *testing.T) {
	t.Parallel()
	// The clock stands still: the history decides.
	at := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	r, dir := newStore(t, &mr.Options{Now: func() time.Time { return at }})
	want := func(stage mr.ModelStage, version string) {
		t.Helper()
		for _, r := range []*mr.ModelRegistry{r, openStore(t, dir, nil)} {
			if v, err := r.GetVersion(t.Context(), fraud.In(stage)); err != nil || v.Version != version {
				t.Errorf("%s is %v, %v, want %s", stage, v, err, version)
			}
		}
	}
	for range 3 {
		register(t, r, "", nil)
	}
	want(mr.Development, "1.0.2")
	promote(t, r, "1.0.2", mr.Staging)
	promote(t, r, "1.0.0", mr.Staging)
	promote(t, r, "1.0.1", mr.Staging)
	want(mr.Staging, "1.0.1")
	promote(t, r, "1.0.2", mr.Staging) // it is there
	want(mr.Staging, "1.0.1")
	promote(t, r, "1.0.1", mr.Production)
	want(mr.Staging, "1.0.0")
	if _, err := r.Demote(t.Context(), fraud.At("1.0.0"), mr.Development, nil); err != nil {
		t.Fatal(err)
	}
	want(mr.Staging, "1.0.2")
	want(mr.Development, "1.0.0")
	if _, err := r.Demote(t.Context(), fraud.At("1.0.1"), mr.Staging, nil); err != nil {
		t.Fatal(err)
	}
	want(mr.Staging, "1.0.1")
}

func TestNoOpMovesWriteNothing(t *testing.T) {
	t.Parallel()
	r, dir := newStore(t, nil)
	inProduction(t, r, "1.0.0", "1.0.1")
	check := unchanged(t, dir)
	for _, r := range []*mr.ModelRegistry{r, openStore(t, dir, nil)} {
		ctx := t.Context()
		o := &mr.MoveOptions{IfProduction: "9.9.9", Gates: mr.MinMetric("none", 1), Reason: "again", Actor: "me"}
		for what, move := range map[string]func() (mr.ModelVersion, error){
			"promote":             func() (mr.ModelVersion, error) { return r.Promote(ctx, fraud.At("1.0.1"), mr.Production, o) },
			"rollback":            func() (mr.ModelVersion, error) { return r.RollbackTo(ctx, fraud.At("1.0.1"), o) },
			"archive":             func() (mr.ModelVersion, error) { return r.Archive(ctx, fraud.At("1.0.0"), o) },
			"demote":              func() (mr.ModelVersion, error) { return r.Demote(ctx, fraud.At("1.0.0"), mr.Archived, o) },
			"promote to archived": func() (mr.ModelVersion, error) { return r.Promote(ctx, fraud.At("1.0.0"), mr.Archived, o) },
		} {
			v, err := move()
			if err != nil || v.Version == "" {
				t.Errorf("%s: %v, %v", what, v, err)
			}
			check()
		}
	}
}

func TestIfProduction(t *testing.T) {
	t.Parallel()
	r, dir := newStore(t, nil)
	register(t, r, "1.0.0", nil)
	register(t, r, "1.0.1", nil)
	ctx := t.Context()
	_, err := r.Promote(ctx, fraud.At("1.0.0"), mr.Production, &mr.MoveOptions{IfProduction: "1.0.1"})
	wantError(t, err, "promote", fraud, "1.0.0", mr.ErrConflict)
	if _, err := r.Promote(ctx, fraud.At("1.0.0"), mr.Production, &mr.MoveOptions{IfProduction: mr.NoVersion}); err != nil {
		t.Error(err)
	}
	check := unchanged(t, dir)
	for what, move := range map[string]func(o *mr.MoveOptions) error{
		"promote": func(o *mr.MoveOptions) error {
			_, err := r.Promote(ctx, fraud.At("1.0.1"), mr.Production, o)
			return err
		},
		"demote":  func(o *mr.MoveOptions) error { _, err := r.Demote(ctx, fraud.At("1.0.1"), mr.Archived, o); return err },
		"archive": func(o *mr.MoveOptions) error { _, err := r.Archive(ctx, fraud.At("1.0.1"), o); return err },
		"rollback": func(o *mr.MoveOptions) error {
			o.Force = true
			_, err := r.RollbackTo(ctx, fraud.At("1.0.1"), o)
			return err
		},
	} {
		for _, version := range []string{mr.NoVersion, "1.0.1", "9.9.9"} {
			err := move(&mr.MoveOptions{IfProduction: version})
			wantError(t, err, what, fraud, "1.0.1", mr.ErrConflict)
			check()
		}
	}
	if _, err := r.Promote(ctx, fraud.At("1.0.1"), mr.Production, &mr.MoveOptions{IfProduction: "1.0.0"}); err != nil {
		t.Error(err)
	}
	// Another registry changes production while this one checks the gate.
	register(t, r, "1.0.2", nil)
	other := openStore(t, dir, nil)
	_, err = r.Promote(ctx, fraud.At("1.0.2"), mr.Production, &mr.MoveOptions{IfProduction: "1.0.1", Gates: mr.GateOf("slow", func(context.Context, mr.ModelVersion) error {
		_, err := other.Rollback(ctx, fraud, nil)
		return err
	})})
	wantError(t, err, "promote", fraud, "1.0.2", mr.ErrConflict)
	wantStages(t, r, map[string]mr.ModelStage{"1.0.0": mr.Production, "1.0.1": mr.Archived, "1.0.2": mr.Development})
}

func TestRollback(t *testing.T) {
	t.Parallel()
	production := func(r *mr.ModelRegistry) string {
		v, err := r.GetVersion(t.Context(), fraud.In(mr.Production))
		if err != nil {
			return mr.NoVersion
		}
		return v.Version
	}
	back := func(t *testing.T, dir, version, want string, force bool) { // without a version, to the one before
		t.Helper()
		r := openStore(t, dir, nil) // the memory is the store's
		move := func(o *mr.MoveOptions) (mr.ModelVersion, error) {
			return r.RollbackTo(t.Context(), fraud.At(version), o)
		}
		if version == "" {
			move = func(o *mr.MoveOptions) (mr.ModelVersion, error) { return r.Rollback(t.Context(), fraud, o) }
		}
		v, err := move(&mr.MoveOptions{Force: force})
		if err != nil || v.Version != want || v.Stage != mr.Production || production(r) != want {
			t.Errorf("rolled back to %v in %s, %v; production is %s; want %s", v, v.Stage, err, production(r), want)
		}
	}
	t.Run("twice", func(t *testing.T) {
		t.Parallel()
		r, dir := newStore(t, nil)
		inProduction(t, r, "1.0.0", "1.0.1", "1.0.2")
		back(t, dir, "", "1.0.1", false)
		back(t, dir, "", "1.0.0", false)
		check := unchanged(t, dir)
		_, err := r.Rollback(t.Context(), fraud, nil)
		wantError(t, err, "rollback", fraud, "", mr.ErrNotFound)
		check()
		wantStages(t, r, map[string]mr.ModelStage{"1.0.0": mr.Production, "1.0.1": mr.Archived, "1.0.2": mr.Archived})
		promote(t, r, "1.0.2", mr.Production)
		back(t, dir, "", "1.0.0", false)
	})
	t.Run("without the document", func(t *testing.T) {
		t.Parallel()
		r, dir := newStore(t, nil)
		inProduction(t, r, "1.0.0", "1.0.1", "1.0.2")
		for _, want := range []string{"1.0.1", "1.0.0"} {
			if err := os.Remove(modelPath(dir, "registry.json")); err != nil {
				t.Fatal(err)
			}
			back(t, dir, "", want, false)
		}
	})
	t.Run("production empty", func(t *testing.T) {
		t.Parallel()
		r, dir := newStore(t, nil)
		inProduction(t, r, "1.0.0", "1.0.1")
		if _, err := r.Archive(t.Context(), fraud.At("1.0.1"), nil); err != nil {
			t.Fatal(err)
		}
		back(t, dir, "", "1.0.1", false)
		back(t, dir, "", "1.0.0", false)
	})
	t.Run("came back", func(t *testing.T) {
		t.Parallel()
		r, dir := newStore(t, nil)
		inProduction(t, r, "1.0.0", "1.0.1")
		promote(t, r, "1.0.0", mr.Production)
		back(t, dir, "", "1.0.1", false)
		back(t, dir, "", "1.0.0", false)
	})
	t.Run("predecessor moved on", func(t *testing.T) {
		t.Parallel()
		r, dir := newStore(t, nil)
		inProduction(t, r, "1.0.0", "1.0.1", "1.0.2")
		promote(t, r, "1.0.1", mr.Staging)
		back(t, dir, "", "1.0.1", false)
		wantStages(t, r, map[string]mr.ModelStage{"1.0.0": mr.Archived, "1.0.1": mr.Production, "1.0.2": mr.Archived})
	})
	t.Run("to a version", func(t *testing.T) {
		t.Parallel()
		r, dir := newStore(t, nil)
		inProduction(t, r, "1.0.0", "1.0.1", "1.0.2")
		back(t, dir, "1.0.0", "1.0.0", false)
		register(t, r, "1.0.3", nil)
		promote(t, r, "1.0.3", mr.Staging)
		check := unchanged(t, dir)
		_, err := r.RollbackTo(t.Context(), fraud.At("1.0.3"), nil)
		wantError(t, err, "rollback", fraud, "1.0.3", mr.ErrWrongDirection)
		check()
		back(t, dir, "1.0.3", "1.0.3", true)
		back(t, dir, "", "1.0.0", false)
	})
	t.Run("never", func(t *testing.T) {
		t.Parallel()
		r, dir := newStore(t, nil)
		register(t, r, "", nil)
		check := unchanged(t, dir)
		_, err := r.Rollback(t.Context(), fraud, nil)
		wantError(t, err, "rollback", fraud, "", mr.ErrNotFound)
		check()
	})
}

// A rollback without a version is decided with the change, not before it.
func TestRollbackDuringAPromotion(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	other := openStore(t, dir, nil)
	inProduction(t, other, "1.0.0", "1.0.1")
	register(t, other, "1.0.2", nil)
	r := openStore(t, dir, nil)
	var once sync.Once
	v, err := r.Rollback(t.Context(), fraud, &mr.MoveOptions{Progress: func(mr.Progress) { // the artifact was looked at
		once.Do(func() { promote(t, other, "1.0.2", mr.Production) })
	}})
	if err != nil {
		t.Fatal(err)
	}
	if v.Version != "1.0.1" {
		t.Errorf("rolled back to %s, want 1.0.1, which was in production before 1.0.2", v.Version)
	}
}

func TestChangedArtifactIsNotPromoted(t *testing.T) {
	t.Parallel()
	version := func(dir string, elem ...string) string {
		return modelPath(dir, append([]string{"versions", "1.0.0"}, elem...)...)
	}
	overwrite := func(t *testing.T, name string) {
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
		writeFile(t, name, "WEIGHTS")
	}
	tests := map[string]struct {
		damage func(t *testing.T, dir string)
		names  string
	}{
		"changed":          {func(t *testing.T, dir string) { overwrite(t, version(dir, "model", "weights.bin")) }, "model/weights.bin"},
		"deleted":          {func(t *testing.T, dir string) { os.Remove(version(dir, "model", "weights.bin")) }, "model/weights.bin"},
		"added":            {func(t *testing.T, dir string) { writeFile(t, version(dir, "model", "sub", "extra"), "x") }, "model/sub/extra"},
		"metrics changed":  {func(t *testing.T, dir string) { overwrite(t, version(dir, "metrics.json")) }, "metrics.json"},
		"manifest changed": {func(t *testing.T, dir string) { overwrite(t, version(dir, "manifest.json")) }, "manifest.json"},
		"manifest deleted": {func(t *testing.T, dir string) { os.Remove(version(dir, "manifest.json")) }, "manifest.json"},
		"model deleted":    {func(t *testing.T, dir string) { os.RemoveAll(version(dir, "model")) }, "model"},
		"version deleted":  {func(t *testing.T, dir string) { os.RemoveAll(version(dir)) }, "1.0.0"},
		"link": {func(t *testing.T, dir string) {
			name := version(dir, "model", "weights.bin")
			if err := os.Rename(name, filepath.Join(dir, "moved")); err != nil {
				t.Fatal(err)
			}
			makeLink(t, name, filepath.Join(dir, "moved"))
		}, "model/weights.bin"},
	}
	for what, test := range tests {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			r, dir := newStore(t, nil)
			inProduction(t, r, "1.0.0", "1.0.1")
			test.damage(t, dir)
			check := unchanged(t, dir)
			ctx := t.Context()
			for op, move := range map[string]func() (mr.ModelVersion, error){
				"promote":  func() (mr.ModelVersion, error) { return r.Promote(ctx, fraud.At("1.0.0"), mr.Production, nil) },
				"rollback": func() (mr.ModelVersion, error) { return r.Rollback(ctx, fraud, &mr.MoveOptions{Force: true}) },
			} {
				_, err := move()
				wantError(t, err, op, fraud, "1.0.0", mr.ErrArtifact)
				if err != nil && !strings.Contains(err.Error(), test.names) {
					t.Errorf("error %q does not name %s", err, test.names)
				}
				check()
			}
			_, err := r.Promote(ctx, fraud.At("1.0.0"), mr.Staging, &mr.MoveOptions{SkipGates: true})
			wantError(t, err, "promote", fraud, "1.0.0", mr.ErrArtifact)
			check()
		})
	}
	t.Run("modes", func(t *testing.T) {
		t.Parallel()
		r, dir := newStore(t, nil)
		register(t, r, "", nil)
		if err := os.Chmod(version(dir, "model", "weights.bin"), 0o600); err != nil {
			t.Fatal(err)
		}
		promote(t, r, "1.0.0", mr.Production)
	})
}

// If the version changes after each check of a move, the move gives up with
// ErrConflict and changes nothing.
func TestMoveThatIsOvertakenAgainAndAgainIsAConflict(t *testing.T) {
	t.Parallel()
	r, dir := newStore(t, nil)
	register(t, r, "1.0.0", map[string]any{"auc": 0.5})
	index, asked := modelPath(dir, "registry.json"), 0
	meddle := mr.GateOf("meddle", func(context.Context, mr.ModelVersion) error {
		asked++
		data, err := os.ReadFile(index)
		if err != nil {
			t.Error(err)
		}
		changed := regexp.MustCompile(`"auc": [0-9.]+`).ReplaceAllString(string(data), fmt.Sprintf(`"auc": %d`, asked))
		writeFile(t, index, changed)
		return nil
	})
	_, err := r.Promote(t.Context(), fraud.At("1.0.0"), mr.Production, &mr.MoveOptions{Gates: meddle})
	wantError(t, err, "promote", fraud, "1.0.0", mr.ErrConflict)
	if asked != 10 {
		t.Errorf("it was checked %d times", asked)
	}
	wantStages(t, r, map[string]mr.ModelStage{"1.0.0": mr.Development})
}
