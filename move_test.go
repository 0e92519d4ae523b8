package modelregistry_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"

	mr "github.com/ubunye-go/modelregistry"
)

// A move starts from the state that its registry read last. Its result depends
// on the present state alone.
func TestMovesGoByThePresent(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	edit := func(t *testing.T, dir, old, new string) {
		t.Helper()
		name := modelPath(dir, "registry.json")
		data, err := os.ReadFile(name)
		if err != nil || !strings.Contains(string(data), old) {
			t.Fatalf("no %s in %s, %v", old, data, err)
		}
		if err := os.WriteFile(name, []byte(strings.ReplaceAll(string(data), old, new)), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	gate, err := mr.ParseGates(map[string]any{"min_auc": 0.8})
	if err != nil {
		t.Fatal(err)
	}
	archived := func(t *testing.T, other *mr.ModelRegistry, _ string) {
		t.Helper()
		if _, err := other.Archive(ctx, fraud.At("1.0.0"), nil); err != nil {
			t.Fatal(err)
		}
	}
	promoted := func(to mr.ModelStage) func(*testing.T, *mr.ModelRegistry, string) {
		return func(t *testing.T, other *mr.ModelRegistry, _ string) { promote(t, other, "1.0.0", to) }
	}
	edited := func(old, new string) func(*testing.T, *mr.ModelRegistry, string) {
		return func(t *testing.T, _ *mr.ModelRegistry, dir string) { edit(t, dir, old, new) }
	}
	up := func(to mr.ModelStage, o mr.MoveOptions) func(*mr.ModelRegistry) (mr.ModelVersion, error) {
		return func(r *mr.ModelRegistry) (mr.ModelVersion, error) { return r.Promote(ctx, fraud.At("1.0.0"), to, &o) }
	}
	refused := errors.New("refused")
	tests := map[string]struct {
		at        mr.ModelStage // where 1.0.0 is when the registry reads it
		meanwhile func(t *testing.T, other *mr.ModelRegistry, dir string)
		move      func(*mr.ModelRegistry) (mr.ModelVersion, error)
		want      mr.ModelStage
		err       error
		events    int // besides those of the others
	}{
		"was there, and is not":           {mr.Production, archived, up(mr.Production, mr.MoveOptions{}), mr.Production, nil, 1},
		"was not there, and is":           {mr.Staging, promoted(mr.Production), up(mr.Production, mr.MoveOptions{}), mr.Production, nil, 0},
		"was above, and is below":         {mr.Production, archived, up(mr.Staging, mr.MoveOptions{}), mr.Staging, nil, 1},
		"was below, and is above":         {mr.Staging, promoted(mr.Production), up(mr.Staging, mr.MoveOptions{}), mr.Production, mr.ErrWrongDirection, 0},
		"production was taken":            {mr.Production, archived, up(mr.Production, mr.MoveOptions{IfProduction: mr.NoVersion}), mr.Production, nil, 1},
		"production was free":             {mr.Staging, promoted(mr.Production), up(mr.Staging, mr.MoveOptions{IfProduction: mr.NoVersion}), mr.Production, mr.ErrWrongDirection, 0},
		"its gates failed, and pass":      {mr.Staging, edited(`"auc": 0.7`, `"auc": 0.9`), up(mr.Production, mr.MoveOptions{Gates: gate}), mr.Production, nil, 2},
		"its gates fail all the same":     {mr.Staging, edited(`"notes": "a"`, `"notes": "b"`), up(mr.Production, mr.MoveOptions{Gates: gate}), mr.Staging, refused, 2},
		"its gates fail, and nothing":     {mr.Staging, func(*testing.T, *mr.ModelRegistry, string) {}, up(mr.Production, mr.MoveOptions{Gates: gate}), mr.Staging, refused, 1},
		"its entry is gone":               {mr.Staging, edited(`"1.0.0"`, `"9.0.0"`), up(mr.Production, mr.MoveOptions{}), "", mr.ErrNotFound, 0},
		"it was edited, and no gate asks": {mr.Staging, edited(`"auc": 0.7`, `"auc": 0.9`), up(mr.Production, mr.MoveOptions{SkipGates: true}), mr.Production, nil, 2},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			other, dir := newStore(t, nil)
			if _, err := other.Register(ctx, fraud, artifact(), &mr.RegisterOptions{Version: "1.0.0",
				Metrics: map[string]any{"auc": 0.7}, Metadata: map[string]any{"notes": "a"}}); err != nil {
				t.Fatal(err)
			}
			promote(t, other, "1.0.0", tt.at)
			r := openStore(t, dir, nil)
			if _, err := r.GetVersion(ctx, fraud.At("1.0.0")); err != nil {
				t.Fatal(err)
			}
			tt.meanwhile(t, other, dir)
			before := len(history(t, dir))
			_, err := tt.move(r)
			if errors.As(err, new(*mr.GateError)) {
				err = refused
			}
			if !errors.Is(err, tt.err) {
				t.Errorf("got %v, want %v", err, tt.err)
			}
			if n := len(history(t, dir)) - before; n != tt.events {
				t.Errorf("%d events, want %d", n, tt.events)
			}
			v, err := openStore(t, dir, nil).GetVersion(ctx, fraud.At("1.0.0"))
			if tt.want != "" && (err != nil || v.Stage != tt.want) {
				t.Errorf("it is in %s, %v; want %s", v.Stage, err, tt.want)
			}
		})
	}
}

// A gate that refuses is asked once.
func TestGateThatRefusesIsAskedOnce(t *testing.T) {
	t.Parallel()
	r, _ := newStore(t, nil)
	register(t, r, "1.0.0", nil)
	asked := 0
	_, err := r.Promote(t.Context(), fraud.At("1.0.0"), mr.Staging, &mr.MoveOptions{
		Gates: mr.GateOf("never", func(context.Context, mr.ModelVersion) error { asked++; return errors.New("no") })})
	if !errors.As(err, new(*mr.GateError)) || asked != 1 {
		t.Errorf("asked %d times, %v; want once, and a *GateError", asked, err)
	}
}

// A gate that is a function may read anything about a version. Its result
// counts only if the version did not change since.
func TestGateSeesThePresent(t *testing.T) {
	t.Parallel()
	staged := mr.GateOf("staged", func(_ context.Context, v mr.ModelVersion) error {
		if v.Stage != mr.Staging || v.PromotedToStaging.IsZero() {
			return errors.New("it was not tried out")
		}
		return nil
	})
	for _, tt := range []struct{ read, is mr.ModelStage }{{mr.Development, mr.Staging}, {mr.Staging, mr.Development}} {
		t.Run(string(tt.is), func(t *testing.T) {
			t.Parallel()
			other, dir := newStore(t, nil)
			register(t, other, "1.0.0", nil)
			r, move := openStore(t, dir, nil), other.Promote
			if tt.is == mr.Development {
				promote(t, other, "1.0.0", mr.Staging)
				move = other.Demote
			}
			if v, err := r.GetVersion(t.Context(), fraud.At("1.0.0")); err != nil || v.Stage != tt.read {
				t.Fatal(v.Stage, err)
			}
			if _, err := move(t.Context(), fraud.At("1.0.0"), tt.is, nil); err != nil {
				t.Fatal(err)
			}
			_, err := r.Promote(t.Context(), fraud.At("1.0.0"), mr.Production, &mr.MoveOptions{Gates: staged})
			if passed := err == nil; passed != (tt.is == mr.Staging) {
				t.Errorf("it is in %s: %v", tt.is, err)
			}
			if refused := last(t, dir)["refused"] == true; refused != (tt.is == mr.Development) {
				t.Errorf("last event %v", last(t, dir))
			}
		})
	}
}

// Another program left two versions in production. The one that readers see as
// archived can be promoted, with any kind of gate.
func TestOfTwoInProductionEitherIsPromoted(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	other, dir := newStore(t, nil)
	register(t, other, "1.0.0", nil)
	register(t, other, "1.1.0", nil)
	promote(t, other, "1.0.0", mr.Production)
	promote(t, other, "1.1.0", mr.Staging)
	name := modelPath(dir, "registry.json")
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	data = []byte(strings.Replace(string(data), `"stage": "staging"`, `"stage": "production"`, 1))
	if err := os.WriteFile(name, data, 0o666); err != nil {
		t.Fatal(err)
	}
	r, asked := openStore(t, dir, nil), 0
	if v, err := r.GetVersion(ctx, fraud.At("1.0.0")); err != nil || v.Stage != mr.Archived || len(v.Problems) != 1 {
		t.Fatal(v, err)
	}
	gate := mr.GateOf("any", func(context.Context, mr.ModelVersion) error { asked++; return nil })
	v, err := r.Promote(ctx, fraud.At("1.0.0"), mr.Production, &mr.MoveOptions{Gates: gate})
	if err != nil || v.Stage != mr.Production || asked != 1 {
		t.Errorf("asked %d times, it is in %s, %v", asked, v.Stage, err)
	}
}

// An error of a rollback names the version that it is about, not the one in the
// state that was read first.
func TestRollbackNamesWhatItChose(t *testing.T) {
	t.Parallel()
	other, dir := newStore(t, nil)
	inProduction(t, other, "1.0.0", "1.1.0")
	r := openStore(t, dir, nil)
	if _, err := r.GetVersion(t.Context(), fraud.At("1.0.0")); err != nil {
		t.Fatal(err)
	}
	inProduction(t, other, "1.2.0")
	removeAll(t, modelPath(dir, "versions", "1.0.0"))
	removeAll(t, modelPath(dir, "versions", "1.1.0"))
	_, err := r.Rollback(t.Context(), fraud, nil)
	var e *mr.Error
	if !errors.As(err, &e) || !errors.Is(err, mr.ErrArtifact) || e.Ref != fraud.At("1.1.0") {
		t.Errorf("got %v, want an artifact error of 1.1.0", err)
	}
}

// A move whose context has ended returns the context's error. It returns no
// result from a state that may be old, and evaluates no gate.
func TestCancelledMoveFindsNothing(t *testing.T) {
	t.Parallel()
	for _, when := range []string{"before", "meanwhile"} {
		t.Run(when, func(t *testing.T) {
			t.Parallel()
			other, dir := newStore(t, nil)
			register(t, other, "1.0.0", nil)
			r, asked := openStore(t, dir, nil), 0
			if _, err := r.GetVersion(t.Context(), fraud.At("1.0.0")); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if when == "before" {
				removeAll(t, modelPath(dir, "versions", "1.0.0"))
				cancel()
			}
			_, err := r.Promote(ctx, fraud.At("1.0.0"), mr.Staging, &mr.MoveOptions{
				Gates: mr.GateOf("never", func(context.Context, mr.ModelVersion) error { asked++; cancel(); return errors.New("no") })})
			if !errors.Is(err, context.Canceled) || when == "before" && asked > 0 {
				t.Errorf("asked %d times, %v", asked, err)
			}
		})
	}
}

// A move of a version whose model was deleted fails, and does not create the
// model's folder again.
func TestMoveDoesNotCreateADeletedModel(t *testing.T) {
	t.Parallel()
	notOnWindows(t)
	ctx := t.Context()
	for name, move := range map[string]func(*mr.ModelRegistry) (mr.ModelVersion, error){
		"promote": func(r *mr.ModelRegistry) (mr.ModelVersion, error) {
			return r.Promote(ctx, fraud.At("1.0.0"), mr.Production, nil)
		},
		"demote": func(r *mr.ModelRegistry) (mr.ModelVersion, error) {
			return r.Demote(ctx, fraud.At("1.0.0"), mr.Development, nil)
		},
		"archive": func(r *mr.ModelRegistry) (mr.ModelVersion, error) { return r.Archive(ctx, fraud.At("1.0.0"), nil) },
		"rollback": func(r *mr.ModelRegistry) (mr.ModelVersion, error) {
			return r.RollbackTo(ctx, fraud.At("1.0.0"), &mr.MoveOptions{Force: true})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			other, dir := newStore(t, nil)
			register(t, other, "1.0.0", nil)
			promote(t, other, "1.0.0", mr.Staging)
			r := openStore(t, dir, nil)
			if _, err := r.GetVersion(ctx, fraud.At("1.0.0")); err != nil {
				t.Fatal(err)
			}
			removeAll(t, modelPath(dir))
			if _, err := move(r); !errors.Is(err, mr.ErrNotFound) || !strings.Contains(err.Error(), "model "+fraud.String()) {
				t.Errorf("got %v", err)
			}
			if _, err := os.Stat(modelPath(dir)); !os.IsNotExist(err) {
				t.Errorf("its folder is there, %v", err)
			}
		})
	}
}

// A registry that is closed while a move runs its gates makes no change.
func TestMoveOnARegistryThatIsClosedMeanwhile(t *testing.T) {
	t.Parallel()
	r, _ := newStore(t, nil)
	register(t, r, "1.0.0", nil)
	_, err := r.Promote(t.Context(), fraud.At("1.0.0"), mr.Staging, &mr.MoveOptions{
		Gates: mr.GateOf("closes", func(context.Context, mr.ModelVersion) error { return r.Close() })})
	if !errors.Is(err, mr.ErrClosed) {
		t.Errorf("got %v, want %v", err, mr.ErrClosed)
	}
}
