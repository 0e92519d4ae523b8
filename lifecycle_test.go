package modelregistry_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	mr "github.com/ubunye-go/modelregistry"
)

func TestRegisterFrom(t *testing.T) {
	t.Parallel()
	tree := map[string]string{"weights.bin": "weights", "vocab/en.txt": "a b c", "vocab/deep/er.txt": ""}
	makeDir := func(t *testing.T) string {
		dir := filepath.Join(t.TempDir(), "model")
		for name, data := range tree {
			writeFile(t, filepath.Join(dir, filepath.FromSlash(name)), data)
		}
		return dir
	}
	inMemory := fstest.MapFS{}
	for name, data := range tree {
		inMemory[name] = &fstest.MapFile{Data: []byte(data)}
	}
	file := map[string]string{"weights.bin": "weights"}
	tests := map[string]struct {
		from func(dir string) mr.Artifact
		want map[string]string
		gone bool
	}{
		"FromDir":             {mr.FromDir, tree, false},
		"FromPath, folder":    {mr.FromPath, tree, false},
		"FromFile":            {func(dir string) mr.Artifact { return mr.FromFile(filepath.Join(dir, "weights.bin")) }, file, false},
		"FromPath, file":      {func(dir string) mr.Artifact { return mr.FromPath(filepath.Join(dir, "weights.bin")) }, file, false},
		"FromFS":              {func(string) mr.Artifact { return mr.FromFS(inMemory) }, tree, false},
		"FromFS of a folder":  {func(dir string) mr.Artifact { return mr.FromFS(os.DirFS(dir)) }, tree, false},
		"FromFunc":            {func(string) mr.Artifact { return mr.FromFunc(func(to string) error { return os.CopyFS(to, inMemory) }) }, tree, false},
		"MoveDir":             {mr.MoveDir, tree, true},
		"MoveDir, with slash": {func(dir string) mr.Artifact { return mr.MoveDir(dir + string(filepath.Separator)) }, tree, true},
	}
	for what, test := range tests {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			source := makeDir(t)
			before := files(t, source)
			r, dir := newStore(t, nil)
			v, err := r.Register(t.Context(), fraud, test.from(source), nil)
			if err != nil {
				t.Fatal(err)
			}
			if v.Stage != mr.Development || v.Version != "1.0.0" || v.ModelName != fraud {
				t.Errorf("registered %v in %s", v, v.Stage)
			}
			m, err := r.GetModel(t.Context(), fraud.At(v.Version))
			if err != nil {
				t.Fatal(err)
			}
			defer m.Close()
			if want := modelPath(dir, "versions", "1.0.0", "model"); m.Path != want {
				t.Errorf("path %s, want %s", m.Path, want)
			}
			if diff := cmp.Diff(test.want, files(t, m.Path)); diff != "" {
				t.Errorf("artifact (-want +got):\n%s", diff)
			}
			if _, err := os.Stat(source); errors.Is(err, fs.ErrNotExist) != test.gone {
				t.Errorf("the source: %v", err)
			} else if !test.gone {
				if diff := cmp.Diff(before, files(t, source)); diff != "" {
					t.Errorf("the source changed:\n%s", diff)
				}
			}
			var names []string
			for name := range listing(t, modelPath(dir)) {
				if !strings.HasPrefix(filepath.ToSlash(name), "versions/1.0.0/model") {
					names = append(names, filepath.ToSlash(name))
				}
			}
			slices.Sort(names)
			want := []string{".lock", "history.jsonl", "registry.json", "versions", "versions/1.0.0", "versions/1.0.0/manifest.json", "versions/1.0.0/metadata.json", "versions/1.0.0/metrics.json"}
			if diff := cmp.Diff(want, names); diff != "" {
				t.Errorf("the model's folder (-want +got):\n%s", diff)
			}
		})
	}
}

func TestRegisterCopies(t *testing.T) {
	t.Parallel()
	r, dir := newStore(t, nil)
	list := []any{1, 2}
	metrics, metadata := map[string]any{"auc": 0.9, "list": list}, map[string]any{"by": "me"}
	v, err := r.Register(t.Context(), fraud, artifact(), &mr.RegisterOptions{Metrics: metrics, Metadata: metadata})
	if err != nil {
		t.Fatal(err)
	}
	metrics["auc"], metrics["new"], list[0], metadata["by"] = 0.1, 1, 99, "you"
	got := v.Metrics.Map()
	got["auc"] = "changed"
	got["list"].([]any)[0] = "changed"
	for _, r := range []*mr.ModelRegistry{r, openStore(t, dir, nil)} {
		v, err = r.GetVersion(t.Context(), fraud.At(v.Version))
		if err != nil {
			t.Fatal(err)
		}
		if v.Metrics.String() != `{"auc":0.9,"list":[1,2]}` || v.Metadata.String() != `{"by":"me"}` {
			t.Errorf("metrics %s, metadata %s", v.Metrics, v.Metadata)
		}
	}
	tree := files(t, modelPath(dir, "versions", "1.0.0"))
	for name, want := range map[string]string{"metrics.json": "{\n  \"auc\": 0.9,\n  \"list\": [\n    1,\n    2\n  ]\n}", "metadata.json": "{\n  \"by\": \"me\"\n}"} {
		if tree[name] != want {
			t.Errorf("%s holds %s", name, tree[name])
		}
	}
	if len(metrics) != 3 || len(metadata) != 1 {
		t.Error("the caller's maps were changed")
	}
}

func TestRegisteredEntry(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 23, 7, 30, 11, 655479999, time.FixedZone("", 7200))
	r, dir := newStore(t, &mr.Options{Now: func() time.Time { return at }, Actor: "pipeline"})
	v, err := r.Register(t.Context(), fraud, artifact(), &mr.RegisterOptions{RegisteredBy: "anna", ConfigHash: mr.ConfigHash([]byte("x")), LineageRunID: "run-1", SourceRevision: "abc", Reason: "nightly"})
	if err != nil {
		t.Fatal(err)
	}
	if want := time.Date(2026, 11, 23, 5, 30, 11, 655479000, time.UTC); !v.RegisteredAt.Equal(want) {
		t.Errorf("registered at %v, want %v", v.RegisteredAt, want)
	}
	if v.RegisteredBy != "anna" || v.PromotedBy != "" || v.LineageRunID != "run-1" || v.SourceRevision != "abc" ||
		v.ConfigHash != "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881" || v.ManifestSHA256 == "" || len(v.Problems) > 0 {
		t.Errorf("%+v", v)
	}
	if !v.PromotedToStaging.IsZero() || !v.PromotedToProduction.IsZero() || !v.ArchivedAt.IsZero() {
		t.Errorf("it has times of stages it never entered: %+v", v)
	}
	const want = `{
  "model_name": "FraudRiskModel",
  "use_case": "fraud_detection",
  "versions": {
    "1.0.0": {
      "version": "1.0.0",
      "stage": "development",
      "registered_at": "2026-11-23T05:30:11.655479+00:00",
      "promoted_to_staging": null,
      "promoted_to_prod": null,
      "archived_at": null,
      "metrics": {},
      "metadata": {},
      "lineage_run_id": "run-1",
      "config_hash": "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881",
      "promoted_by": null
    }
  },
`
	if doc := files(t, modelPath(dir))["registry.json"]; !strings.HasPrefix(doc, want) {
		t.Errorf("registry.json (-want +got):\n%s", cmp.Diff(want, doc))
	}
	e := last(t, dir)
	if e["op"] != "register" || e["actor"] != "anna" || e["reason"] != "nightly" || e["to"] != "development" || e["version"] != "1.0.0" {
		t.Errorf("event %v", e)
	}
}

func TestFailingSave(t *testing.T) {
	t.Parallel()
	errSave := errors.New("out of memory")
	write := func(dir string) error {
		return errors.Join(os.MkdirAll(filepath.Join(dir, "a", "b"), 0o777), os.WriteFile(filepath.Join(dir, "a", "b", "c"), []byte("c"), 0o444), os.Chmod(filepath.Join(dir, "a"), 0o777))
	}
	for _, existing := range []bool{false, true} {
		for what, save := range map[string]func(string) error{
			"error":        func(string) error { return errSave },
			"late error":   func(dir string) error { return errors.Join(write(dir), errSave) },
			"panic":        func(string) error { panic(errSave) },
			"late panic":   func(dir string) error { write(dir); panic(errSave) },
			"removes all":  func(dir string) error { return errors.Join(os.RemoveAll(dir), errSave) },
			"cancels":      nil,
			"nested saves": nil,
		} {
			t.Run(fmt.Sprint(what, ", existing ", existing), func(t *testing.T) {
				t.Parallel()
				r, dir := newStore(t, nil)
				next := "1.0.0"
				if existing {
					register(t, r, "", nil)
					next = "1.0.1"
				}
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				want := errSave
				switch what {
				case "cancels":
					save, want = func(dir string) error { cancel(); return write(dir) }, context.Canceled
				case "nested saves":
					save = func(string) error {
						_, err := r.Register(ctx, fraud, mr.FromFunc(func(string) error { return errSave }), nil)
						return err
					}
				}
				check := unchanged(t, dir)
				for _, pinned := range []string{"", next} {
					err := func() (err error) {
						defer func() {
							if p := recover(); p != nil {
								err = &mr.Error{Op: "register", UseCase: fraud.UseCase, Model: fraud.Model, Version: pinned, Err: p.(error)}
							}
						}()
						_, err = r.Register(ctx, fraud, mr.FromFunc(save), &mr.RegisterOptions{Version: pinned})
						return err
					}()
					var e *mr.Error
					if !errors.As(err, &e) || !errors.Is(err, want) {
						t.Errorf("got error %v, want %v", err, want)
					}
					check()
				}
				if v := register(t, r, "", nil); v.Version != next {
					t.Errorf("registered %s, want %s", v.Version, next)
				}
			})
		}
	}
}

func TestMoveDirKeepsWhatIsRefused(t *testing.T) {
	t.Parallel()
	r, _ := newStore(t, nil)
	register(t, r, "1.0.0", nil)
	dir := filepath.Join(t.TempDir(), "model")
	writeFile(t, filepath.Join(dir, "a"), "a")
	check := unchanged(t, dir)
	_, err := r.Register(t.Context(), fraud, mr.MoveDir(dir), &mr.RegisterOptions{Version: "1.0.0"})
	wantError(t, err, "register", fraud, "1.0.0", mr.ErrExists)
	check()
}

func TestNextVersion(t *testing.T) {
	t.Parallel()
	tests := []struct {
		have []string
		want string
	}{
		{nil, "1.0.0"},
		{[]string{"1.0.0"}, "1.0.1"},
		{[]string{"1.2.3"}, "1.2.4"},
		{[]string{"1.2.3", "1.2.10", "1.2.9"}, "1.2.11"},
		{[]string{"2.0.0", "1.9.9"}, "2.0.1"},
		{[]string{"0.0.0"}, "0.0.1"},
		{[]string{"1.2.3", "2.0.0-rc.1"}, "1.2.4"},
		{[]string{"2.0.0-rc.1", "1.2.3"}, "1.2.4"},
		{[]string{"2.0.0-rc.1"}, "2.0.0"},
		{[]string{"2.0.0-rc.1", "2.0.0-rc.2", "1.0.0-alpha"}, "2.0.0"},
		{[]string{"1.2.3-rc.1", "1.2.3"}, "1.2.4"},
		{[]string{"1.2.3", "1.2.4-rc.1"}, "1.2.4"},
		{[]string{"1.2.3+build.7"}, "1.2.4"},
		{[]string{"2.0.0-rc.1+build.7"}, "2.0.0"},
		{[]string{"1.0.9", "1.0.10-0"}, "1.0.10"},
	}
	for _, test := range tests {
		t.Run(strings.Join(test.have, " "), func(t *testing.T) {
			t.Parallel()
			r, dir := newStore(t, nil)
			for _, v := range test.have {
				register(t, r, v, nil)
			}
			if v := register(t, openStore(t, dir, nil), "", nil); v.Version != test.want {
				t.Errorf("another registry chose %s, want %s", v.Version, test.want)
			}
			want := test.want[:strings.LastIndex(test.want, ".")]
			if v := register(t, r, "", nil); !strings.HasPrefix(v.Version, want) || v.Version == test.want {
				t.Errorf("after %s came %s", test.want, v.Version)
			}
		})
	}
	t.Run("no more", func(t *testing.T) {
		t.Parallel()
		r, dir := newStore(t, nil)
		register(t, r, "1.0.18446744073709551615", nil)
		check := unchanged(t, dir)
		_, err := r.Register(t.Context(), fraud, artifact(), nil)
		wantError(t, err, "register", fraud, "", mr.ErrInvalid)
		check()
	})
}

func TestPinnedTwice(t *testing.T) {
	t.Parallel()
	r, dir := newStore(t, nil)
	for _, v := range []string{"1.2.3", "2.0.0-rc.1", "2.0.0+a"} {
		register(t, r, v, nil)
	}
	promote(t, r, "1.2.3", mr.Production)
	if _, err := r.Archive(t.Context(), fraud, "1.2.3", nil); err != nil {
		t.Fatal(err)
	}
	check := unchanged(t, dir)
	for _, r := range []*mr.ModelRegistry{r, openStore(t, dir, nil)} {
		for _, version := range []string{"1.2.3", "2.0.0-rc.1", "2.0.0-RC.1", "2.0.0+a", "2.0.0+A"} {
			_, err := r.Register(t.Context(), fraud, mr.FromFunc(func(string) error {
				t.Error("the artifact was saved")
				return nil
			}), &mr.RegisterOptions{Version: version, Metrics: map[string]any{"auc": 1}})
			wantError(t, err, "register", fraud, version, mr.ErrExists, fs.ErrExist)
			check()
		}
	}
	// Taken while the artifact is saved.
	_, err := r.Register(t.Context(), fraud, mr.FromFunc(func(to string) error {
		register(t, r, "3.0.0", nil)
		return os.WriteFile(filepath.Join(to, "late"), nil, 0o666)
	}), &mr.RegisterOptions{Version: "3.0.0"})
	wantError(t, err, "register", fraud, "3.0.0", mr.ErrExists)
	if got := files(t, modelPath(dir, "versions", "3.0.0", "model")); got["weights.bin"] != "weights" {
		t.Errorf("3.0.0 now holds %v", got)
	}
	if left, err := os.ReadDir(modelPath(dir, ".staging")); err == nil && len(left) > 0 {
		t.Errorf("left in .staging: %v", left)
	}
}

func TestVersionsThatAreNoSemVer(t *testing.T) {
	t.Parallel()
	dir := handWritten(t, [2]string{"v2", `{"version": "v2", "stage": "production", "promoted_to_prod": "2026-01-01T00:00:00+00:00"}`},
		[2]string{"2024-01-05", `{"version": "2024-01-05"}`}, [2]string{"1.0", `{}`}, [2]string{"latest", `{"stage": "staging"}`})
	r := openStore(t, dir, nil)
	m, err := r.GetModel(t.Context(), fraud.In(mr.Production))
	if err != nil || m.Version != "v2" {
		t.Fatalf("production is %v, %v", m, err)
	}
	if v := register(t, r, "", nil); v.Version != "1.0.0" {
		t.Errorf("registered %s", v.Version)
	}
	promote(t, r, "2024-01-05", mr.Production)
	if _, err := r.Archive(t.Context(), fraud, "latest", nil); err != nil {
		t.Error(err)
	}
	want := map[string]mr.ModelStage{"v2": mr.Archived, "2024-01-05": mr.Production, "1.0": mr.Development, "latest": mr.Archived, "1.0.0": mr.Development}
	wantStages(t, r, want)
	if v, err := r.Rollback(t.Context(), fraud, "", nil); err != nil || v.Version != "v2" {
		t.Errorf("rolled back to %v, %v", v, err)
	}
	want["v2"], want["2024-01-05"] = mr.Production, mr.Archived
	wantStages(t, openStore(t, dir, nil), want)
}

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
						if _, err := r.Archive(t.Context(), fraud, "1.0.0", nil); err != nil {
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
					v, err := move(t.Context(), fraud, "1.0.0", to, nil)
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
	_, err := r.Register(ctx, fraud, artifact(), &mr.RegisterOptions{RegisteredBy: "anna"})
	if err != nil {
		t.Fatal(err)
	}
	register(t, r, "2.0.0", nil)
	wantIs("1.0.0", stamps{1, -1, -1, -1, mr.Development, "anna", ""})
	at(2)
	do(r.Promote(ctx, fraud, "1.0.0", mr.Staging, by("bert")))
	wantIs("1.0.0", stamps{1, 2, -1, -1, mr.Staging, "anna", "bert"})
	at(3)
	do(r.Promote(ctx, fraud, "1.0.0", mr.Production, nil))
	wantIs("1.0.0", stamps{1, 2, 3, -1, mr.Production, "anna", "ci"})
	at(4)
	do(r.Promote(ctx, fraud, "2.0.0", mr.Production, by("carl")))
	wantIs("1.0.0", stamps{1, 2, 3, 4, mr.Archived, "anna", "ci"})
	wantIs("2.0.0", stamps{1, -1, 4, -1, mr.Production, "ci", "carl"})
	at(5)
	do(r.Rollback(ctx, fraud, "", by("dora")))
	wantIs("1.0.0", stamps{1, 2, 5, 4, mr.Production, "anna", "dora"})
	wantIs("2.0.0", stamps{1, -1, 4, 5, mr.Archived, "ci", "carl"})
	at(6)
	do(r.Demote(ctx, fraud, "1.0.0", mr.Staging, by("emil")))
	wantIs("1.0.0", stamps{1, 6, 5, 4, mr.Staging, "anna", "dora"})
	if e := last(t, dir); e["actor"] != "emil" || e["reason"] != "because" {
		t.Errorf("event %v", e)
	}
	at(7)
	do(r.Demote(ctx, fraud, "1.0.0", mr.Archived, nil))
	wantIs("1.0.0", stamps{1, 6, 5, 7, mr.Archived, "anna", "dora"})
	at(8)
	do(r.Archive(ctx, fraud, "1.0.0", nil))
	wantIs("1.0.0", stamps{1, 6, 5, 7, mr.Archived, "anna", "dora"})
	do(r.Promote(ctx, fraud, "1.0.0", mr.Development, nil))
	wantIs("1.0.0", stamps{1, 6, 5, 7, mr.Development, "anna", "ci"})
}

// Whoever promoted a version before did not promote it now.
func TestPromotedByNobody(t *testing.T) {
	t.Parallel()
	r, _ := newStore(t, nil)
	register(t, r, "", nil)
	if _, err := r.Promote(t.Context(), fraud, "1.0.0", mr.Staging, &mr.MoveOptions{Actor: "anna"}); err != nil {
		t.Fatal(err)
	}
	if v := promote(t, r, "1.0.0", mr.Production); v.PromotedBy != "" {
		t.Errorf("promoted to production by %s, who only promoted it to staging", v.PromotedBy)
	}
}

func TestOnePlaceInProduction(t *testing.T) {
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
	if _, err := r.Demote(t.Context(), fraud, "1.0.2", mr.Staging, nil); err != nil {
		t.Fatal(err)
	}
	_, err := r.GetModel(t.Context(), fraud.In(mr.Production))
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
	if _, err := r.Demote(t.Context(), fraud, "1.0.0", mr.Development, nil); err != nil {
		t.Fatal(err)
	}
	want(mr.Staging, "1.0.2")
	want(mr.Development, "1.0.0")
	if _, err := r.Demote(t.Context(), fraud, "1.0.1", mr.Staging, nil); err != nil {
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
			"promote":             func() (mr.ModelVersion, error) { return r.Promote(ctx, fraud, "1.0.1", mr.Production, o) },
			"rollback":            func() (mr.ModelVersion, error) { return r.Rollback(ctx, fraud, "1.0.1", o) },
			"archive":             func() (mr.ModelVersion, error) { return r.Archive(ctx, fraud, "1.0.0", o) },
			"demote":              func() (mr.ModelVersion, error) { return r.Demote(ctx, fraud, "1.0.0", mr.Archived, o) },
			"promote to archived": func() (mr.ModelVersion, error) { return r.Promote(ctx, fraud, "1.0.0", mr.Archived, o) },
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
	_, err := r.Promote(ctx, fraud, "1.0.0", mr.Production, &mr.MoveOptions{IfProduction: "1.0.1"})
	wantError(t, err, "promote", fraud, "1.0.0", mr.ErrConflict)
	if _, err := r.Promote(ctx, fraud, "1.0.0", mr.Production, &mr.MoveOptions{IfProduction: mr.NoVersion}); err != nil {
		t.Error(err)
	}
	check := unchanged(t, dir)
	for what, move := range map[string]func(o *mr.MoveOptions) error{
		"promote": func(o *mr.MoveOptions) error { _, err := r.Promote(ctx, fraud, "1.0.1", mr.Production, o); return err },
		"demote":  func(o *mr.MoveOptions) error { _, err := r.Demote(ctx, fraud, "1.0.1", mr.Archived, o); return err },
		"archive": func(o *mr.MoveOptions) error { _, err := r.Archive(ctx, fraud, "1.0.1", o); return err },
		"rollback": func(o *mr.MoveOptions) error {
			o.Force = true
			_, err := r.Rollback(ctx, fraud, "1.0.1", o)
			return err
		},
	} {
		for _, version := range []string{mr.NoVersion, "1.0.1", "9.9.9"} {
			err := move(&mr.MoveOptions{IfProduction: version})
			wantError(t, err, what, fraud, "1.0.1", mr.ErrConflict)
			check()
		}
	}
	if _, err := r.Promote(ctx, fraud, "1.0.1", mr.Production, &mr.MoveOptions{IfProduction: "1.0.0"}); err != nil {
		t.Error(err)
	}
	// Decided while somebody else decides: the gate is where the other comes between.
	register(t, r, "1.0.2", nil)
	other := openStore(t, dir, nil)
	_, err = r.Promote(ctx, fraud, "1.0.2", mr.Production, &mr.MoveOptions{IfProduction: "1.0.1", Gates: mr.GateOf("slow", func(context.Context, mr.ModelVersion) error {
		_, err := other.Rollback(ctx, fraud, "", nil)
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
	back := func(t *testing.T, dir, version, want string, force bool) {
		t.Helper()
		r := openStore(t, dir, nil) // the memory is the store's
		v, err := r.Rollback(t.Context(), fraud, version, &mr.MoveOptions{Force: force})
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
		_, err := r.Rollback(t.Context(), fraud, "", nil)
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
		if _, err := r.Archive(t.Context(), fraud, "1.0.1", nil); err != nil {
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
		_, err := r.Rollback(t.Context(), fraud, "1.0.3", nil)
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
		_, err := r.Rollback(t.Context(), fraud, "", nil)
		wantError(t, err, "rollback", fraud, "", mr.ErrNotFound)
		check()
	})
}

// A rollback without a version is decided with the change, not before it.
func TestRollbackWhileSomebodyPromotes(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	other := openStore(t, dir, nil)
	inProduction(t, other, "1.0.0", "1.0.1")
	register(t, other, "1.0.2", nil)
	var once sync.Once
	var armed atomic.Bool
	// The clock is looked at once the rollback has read the model.
	r := openStore(t, dir, &mr.Options{Now: func() time.Time {
		if armed.Load() {
			once.Do(func() { promote(t, other, "1.0.2", mr.Production) })
		}
		return time.Now()
	}})
	armed.Store(true)
	v, err := r.Rollback(t.Context(), fraud, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	if v.Version != "1.0.1" {
		t.Errorf("rolled back to %s, want 1.0.1, which was in production before 1.0.2", v.Version)
	}
}

func TestGetModel(t *testing.T) {
	t.Parallel()
	r, dir := newStore(t, nil)
	inProduction(t, r, "1.0.0", "1.0.1")
	ctx := t.Context()
	for _, ref := range []mr.Ref{fraud.At("1.0.1"), fraud.In(mr.Production), {ModelName: fraud, Version: "1.0.1", Stage: mr.Production}} {
		m, err := r.GetModel(ctx, ref)
		if err != nil {
			t.Errorf("%v: %v", ref, err)
			continue
		}
		if m.Version != "1.0.1" || files(t, m.Path)["weights.bin"] != "weights" {
			t.Errorf("%v is %v at %s", ref, m.ModelVersion, m.Path)
		}
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	}
	_, err := r.GetModel(ctx, mr.Ref{ModelName: fraud, Version: "1.0.0", Stage: mr.Production})
	wantError(t, err, "get", fraud, "1.0.0", mr.ErrConflict)
	_, err = r.GetModel(ctx, mr.Ref{ModelName: fraud})
	wantError(t, err, "get", fraud, "", mr.ErrInvalid)
	_, err = r.GetModel(ctx, mr.Ref{ModelName: fraud, Version: "1.0.0", Stage: "prod"})
	wantError(t, err, "get", fraud, "1.0.0", mr.ErrInvalid)

	if err := os.RemoveAll(modelPath(dir, "versions", "1.0.1", "model")); err != nil {
		t.Fatal(err)
	}
	_, err = r.GetModel(ctx, fraud.In(mr.Production))
	wantError(t, err, "get", fraud, "", mr.ErrArtifact, fs.ErrNotExist)
	if _, err := r.GetVersion(ctx, fraud.In(mr.Production)); err != nil {
		t.Error(err)
	}
	canceled, cancel := context.WithCancel(ctx)
	cancel()
	_, err = r.GetModel(canceled, fraud.At("1.0.0"))
	wantError(t, err, "get", fraud, "1.0.0", context.Canceled)
}

func TestListVersionsOrder(t *testing.T) {
	t.Parallel()
	entry := func(at string) string { return fmt.Sprintf(`{"registered_at": %q}`, at) }
	same := "2026-11-23T05:30:11+00:00"
	dir := handWritten(t, [2]string{"1.0.0", entry("2026-11-23T05:30:11.655479+00:00")}, [2]string{"1.10.0", entry(same)}, [2]string{"1.9.0", entry(same)},
		[2]string{"1.9.0-rc.1", entry(same)}, [2]string{"v1", entry(same)}, [2]string{"0.9.0", entry("2026-11-23T07:30:11.7+02:00")},
		[2]string{"broken", entry("yesterday")}, [2]string{"5.0.0", entry("2026-01-01T00:00:00Z")}, [2]string{"none", `{}`})
	list, err := openStore(t, dir, nil).ListVersions(t.Context(), fraud)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, v := range list {
		got = append(got, v.Version)
		if (len(v.Problems) > 0) != (v.Version == "broken") {
			t.Errorf("%s has problems %q", v.Version, v.Problems)
		}
	}
	if diff := cmp.Diff([]string{"0.9.0", "1.0.0", "1.10.0", "1.9.0", "1.9.0-rc.1", "v1", "5.0.0", "none", "broken"}, got); diff != "" {
		t.Errorf("order (-want +got):\n%s", diff)
	}
	list[0].Version = "changed"

	r, _ := newStore(t, &mr.Options{Now: ticker()})
	for _, v := range []string{"2.0.0", "1.0.0", "3.0.0-rc.1"} {
		register(t, r, v, nil)
	}
	if list, err = r.ListVersions(t.Context(), fraud); err != nil {
		t.Fatal(err)
	}
	got = nil
	for _, v := range list {
		got = append(got, v.Version)
	}
	if diff := cmp.Diff([]string{"3.0.0-rc.1", "1.0.0", "2.0.0"}, got); diff != "" {
		t.Errorf("order (-want +got):\n%s", diff)
	}
}

func TestCompareVersions(t *testing.T) {
	t.Parallel()
	r, _ := newStore(t, nil)
	num := func(s string) json.Number { return json.Number(s) }
	float := func(f float64) *float64 { return &f }
	a, b := 0.1, 0.30000000000000004
	register(t, r, "1.0.0", map[string]any{"auc": a, "rows": int64(1<<53 + 1), "only_a": 1, "name": "x", "flag": true, "mixed": 1, "null": nil, "list": []int{1}})
	register(t, r, "2.0.0", map[string]any{"auc": b, "rows": int64(1 << 53), "only_b": 2.5, "name": 2, "flag": false, "mixed": 1.5, "null": 1, "list": []int{1}})
	c, err := r.CompareVersions(t.Context(), fraud, "1.0.0", "2.0.0")
	if err != nil {
		t.Fatal(err)
	}
	if c.A.Version != "1.0.0" || c.B.Version != "2.0.0" {
		t.Errorf("compared %v and %v", c.A, c.B)
	}
	want := []mr.MetricComparison{
		{Name: "auc", A: num("0.1"), B: num("0.30000000000000004"), Delta: float(b - a)},
		{Name: "flag", A: true, B: false},
		{Name: "list", A: []any{num("1")}, B: []any{num("1")}},
		{Name: "mixed", A: num("1"), B: num("1.5"), Delta: float(0.5)},
		{Name: "name", A: "x", B: num("2")},
		{Name: "null", A: nil, B: num("1")},
		{Name: "only_a", A: num("1"), B: nil},
		{Name: "only_b", A: nil, B: num("2.5")},
		{Name: "rows", A: num("9007199254740993"), B: num("9007199254740992"), Delta: float(-1)},
	}
	if diff := cmp.Diff(want, c.Metrics); diff != "" {
		t.Errorf("metrics (-want +got):\n%s", diff)
	}
	var back map[string]any
	if err := json.Unmarshal([]byte(mustJSON(t, c.Metrics[0])), &back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]any{"name": "auc", "a": a, "b": b, "delta": b - a}, back); diff != "" {
		t.Errorf("as JSON (-want +got):\n%s", diff)
	}
	same, err := r.CompareVersions(t.Context(), fraud, "1.0.0", "1.0.0")
	if err != nil || *same.Metrics[0].Delta != 0 {
		t.Errorf("with itself: %+v, %v", same, err)
	}
	for _, pair := range [][2]string{{"9.0.0", "1.0.0"}, {"1.0.0", "9.0.0"}} {
		_, err := r.CompareVersions(t.Context(), fraud, pair[0], pair[1])
		wantError(t, err, "compare", fraud, "9.0.0", mr.ErrNotFound)
	}
}

func TestConfig(t *testing.T) {
	t.Parallel()
	var cfg struct {
		Registry mr.Config `json:"registry"`
	}
	const text = `{"registry": {"store": ".ubunye/model_store", "use_case": "fraud_detection", "auto_version": true, "version": "2.0.0", "promote_to": "staging",
		"promotion_gates": {"min_auc": 0.85, "max_loss": 0.20, "require_drift_check": true}}}`
	if err := json.Unmarshal([]byte(text), &cfg); err != nil {
		t.Fatal(err)
	}
	c := cfg.Registry
	if c.Store != ".ubunye/model_store" || c.UseCase != "fraud_detection" || c.Version != "2.0.0" || c.PromoteTo != mr.Staging || !*c.AutoVersion {
		t.Errorf("%+v", c)
	}
	if got := mustJSON(t, c.PromotionGates); got != `{"max_loss":0.20,"min_auc":0.85,"require_drift_check":true}` {
		t.Errorf("gates %s", got)
	}
	for _, bad := range []string{`{"promote_too": "staging"}`, `{"Store": "x"}`, `{"gates": {}}`, `{"promote_to": "prod"}`, `{"promotion_gates": {"minauc": 1}}`,
		`{"promotion_gates": {"min_auc": 0.9, "min_auc": 0.1}}`, `{"promotion_gates": {"min_auc": "0.9"}}`, `{"auto_version": false}`,
		`{"version": "v2"}`, `{"auto_version": false, "version": "2"}`} {
		var c mr.Config
		if err := json.Unmarshal([]byte(bad), &c); !errors.Is(err, mr.ErrInvalid) {
			t.Errorf("%s: got error %v, want ErrInvalid", bad, err)
		}
	}
	err := json.Unmarshal([]byte(`{"promote_too": 1, "stor": 2}`), new(mr.Config))
	if err == nil || !strings.Contains(err.Error(), `"promote_too", "stor"`) {
		t.Errorf("error %v does not name the unknown keys", err)
	}
}

func TestRegisterAndPromote(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		config     string
		metrics    map[string]any
		registered bool
		promoted   bool
		version    string
		stage      mr.ModelStage
		gates      int
	}{
		"register only":     {`{"use_case": "fraud_detection"}`, nil, true, false, "1.0.1", mr.Development, 0},
		"to staging":        {`{"use_case": "fraud_detection", "promote_to": "staging"}`, nil, true, true, "1.0.1", mr.Staging, 0},
		"to development":    {`{"use_case": "fraud_detection", "promote_to": "development"}`, nil, true, true, "1.0.1", mr.Development, 0},
		"pinned":            {`{"use_case": "fraud_detection", "version": "2.0.0", "promote_to": "production"}`, nil, true, true, "2.0.0", mr.Production, 0},
		"auto passes over":  {`{"use_case": "fraud_detection", "version": "1.0.0", "auto_version": true}`, nil, true, false, "1.0.1", mr.Development, 0},
		"through gates":     {`{"use_case": "fraud_detection", "promote_to": "staging", "promotion_gates": {"min_auc": 0.85}}`, map[string]any{"auc": 0.9}, true, true, "1.0.1", mr.Staging, 1},
		"refused":           {`{"use_case": "fraud_detection", "promote_to": "production", "promotion_gates": {"min_auc": 0.85}}`, map[string]any{"auc": 0.84999999999}, true, false, "1.0.1", mr.Development, 1},
		"taken":             {`{"use_case": "fraud_detection", "version": "1.0.0", "promote_to": "staging"}`, nil, false, false, "", "", 0},
		"no use case":       {`{"promote_to": "staging"}`, nil, false, false, "", "", 0},
		"archived, at once": {`{"use_case": "fraud_detection", "promote_to": "archived"}`, nil, false, false, "", "", 0},
	}
	for what, test := range tests {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			r, dir := newStore(t, nil)
			register(t, r, "1.0.0", nil)
			check := unchanged(t, dir)
			var out mr.Outcome
			var cfg mr.Config
			err := json.Unmarshal([]byte(test.config), &cfg)
			if err == nil {
				out, err = r.RegisterAndPromote(t.Context(), cfg, fraud.Model, artifact(), &mr.RegisterOptions{Metrics: test.metrics, Version: "7.7.7", RegisteredBy: "anna", Reason: "nightly"})
			}
			type result struct {
				Registered, Promoted bool
				Version              string
				Stage                mr.ModelStage
				Gates                int
			}
			want := result{test.registered, test.promoted, test.version, test.stage, test.gates}
			if diff := cmp.Diff(want, result{out.Registered, out.Promoted, out.Version.Version, out.Version.Stage, len(out.Gates)}); diff != "" {
				t.Errorf("outcome (-want +got), error %v:\n%s", err, diff)
			}
			if wantErr := !test.registered || cfg.PromoteTo != "" && !test.promoted; (err != nil) != wantErr {
				t.Errorf("error %v", err)
			}
			if !out.Registered {
				check()
				return
			}
			if got := stagesOf(t, openStore(t, dir, nil))[test.version]; got != test.stage {
				t.Errorf("it is in %s", got)
			}
			var refused *mr.GateError
			if errors.As(err, &refused) != (what == "refused") {
				t.Errorf("error %v", err)
			}
			if e := last(t, dir); e["actor"] != "anna" || e["reason"] != "nightly" {
				t.Errorf("event %v", e)
			}
		})
	}
}

func TestLineage(t *testing.T) {
	t.Parallel()
	r, _ := newStore(t, &mr.Options{RunID: "registry", Now: ticker()})
	other := mr.ModelName{UseCase: "churn", Model: "Churn"}
	put := func(ctx context.Context, name mr.ModelName, id, want string) {
		t.Helper()
		v, err := r.Register(ctx, name, artifact(), &mr.RegisterOptions{LineageRunID: id})
		if err != nil || v.LineageRunID != want {
			t.Errorf("run %q, %v, want %q", v.LineageRunID, err, want)
		}
	}
	ctx := mr.WithRunID(t.Context(), "context")
	put(t.Context(), fraud, "", "registry")
	put(ctx, fraud, "", "context")
	put(ctx, fraud, "own", "own")
	put(mr.WithRunID(ctx, "inner"), other, "", "inner")
	put(ctx, other, "", "context")
	put(ctx, fraud, "", "context")
	for id, want := range map[string][]string{"context": {"churn/Churn@1.0.1", "fraud_detection/FraudRiskModel@1.0.3", "fraud_detection/FraudRiskModel@1.0.1"},
		"registry": {"fraud_detection/FraudRiskModel@1.0.0"}, "inner": {"churn/Churn@1.0.0"}, "unknown": nil} {
		list, err := r.VersionsOfRun(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, v := range list {
			got = append(got, v.String())
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", id, diff)
		}
	}
	if _, err := r.VersionsOfRun(t.Context(), ""); !errors.Is(err, mr.ErrInvalid) {
		t.Errorf("empty run id: %v", err)
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
			if err := errors.Join(os.Rename(name, filepath.Join(dir, "moved")), os.Symlink(filepath.Join(dir, "moved"), name)); err != nil {
				t.Skip("no symbolic link can be made here:", err)
			}
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
				"promote":  func() (mr.ModelVersion, error) { return r.Promote(ctx, fraud, "1.0.0", mr.Production, nil) },
				"rollback": func() (mr.ModelVersion, error) { return r.Rollback(ctx, fraud, "", &mr.MoveOptions{Force: true}) },
			} {
				_, err := move()
				wantError(t, err, op, fraud, "1.0.0", mr.ErrArtifact)
				if err != nil && !strings.Contains(err.Error(), test.names) {
					t.Errorf("error %q does not name %s", err, test.names)
				}
				check()
			}
			_, err := r.Promote(ctx, fraud, "1.0.0", mr.Staging, &mr.MoveOptions{SkipGates: true})
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

// leavingContext ends at the moment that somebody waits for it.
type leavingContext struct {
	context.Context
	cancel context.CancelFunc
}

func (c leavingContext) Done() <-chan struct{} {
	c.cancel()
	return c.Context.Done()
}

func TestCallerLeaves(t *testing.T) {
	t.Parallel()
	r, _ := newStore(t, nil)
	register(t, r, "", nil)
	for range 300 {
		ctx, cancel := context.WithCancel(t.Context())
		func() {
			defer func() {
				if p := recover(); p != nil {
					t.Fatalf("Archive panicked: %v", p)
				}
			}()
			_, err := r.Archive(leavingContext{ctx, cancel}, fraud, "1.0.0", nil)
			if err != nil && !errors.Is(err, context.Canceled) {
				t.Fatal(err)
			}
		}()
		if _, err := r.Promote(t.Context(), fraud, "1.0.0", mr.Development, nil); err != nil {
			t.Fatal(err)
		}
	}
	register(t, r, "", nil) // its turn comes when nothing is left of those who went
}

// While the document can't be written, the history must not say that it was: what
// another program then writes into the old document would be misread.
func TestDocumentThatLags(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r := openStore(t, dir, nil)
	register(t, r, "1.0.0", map[string]any{"auc": 0.5})
	old := files(t, modelPath(dir))["registry.json"]
	blocked := modelPath(dir, ".registry.json.tmp")
	if err := os.MkdirAll(filepath.Join(blocked, "x"), 0o777); err != nil {
		t.Fatal(err)
	}
	register(t, r, "1.0.1", nil)
	promote(t, r, "1.0.1", mr.Staging)
	if now := files(t, modelPath(dir))["registry.json"]; now != old {
		t.Skip("the document could be replaced all the same")
	}
	if err := os.RemoveAll(blocked); err != nil {
		t.Fatal(err)
	}
	// The other program reads the old document, drops our key and changes a metric.
	theirs, _, ok := strings.Cut(old, ",\n  \"modelregistry\"")
	if !ok {
		t.Fatalf("no key of ours in %s", old)
	}
	writeFile(t, modelPath(dir, "registry.json"), strings.Replace(theirs, "0.5", "0.75", 1)+"\n}")
	want := map[string]mr.ModelStage{"1.0.0": mr.Development, "1.0.1": mr.Staging}
	for _, r := range []*mr.ModelRegistry{openStore(t, dir, nil), r} {
		if got := stagesOf(t, r); !maps.Equal(got, want) {
			t.Errorf("versions %v, want %v", got, want)
		}
	}
}
