package modelregistry_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
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
			if v.Stage != mr.Development || v.Version != "1.0.0" || v.Name != fraud {
				t.Errorf("registered %v in %s", v, v.Stage)
			}
			m, err := r.GetModel(t.Context(), fraud.At(v.Version), nil)
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
			want := []string{".lock", ".staging", "history.jsonl", "registry.json", "versions", "versions/1.0.0", "versions/1.0.0/manifest.json", "versions/1.0.0/metadata.json", "versions/1.0.0/metrics.json"}
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
	v, err := r.Register(t.Context(), fraud, artifact(), &mr.RegisterOptions{Actor: "anna", ConfigHash: mr.ConfigHash([]byte("x")), LineageRunID: "run-1", SourceRevision: "abc", Reason: "nightly"})
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
								err = &mr.Error{Op: "register", Ref: fraud.At(pinned), Err: p.(error)}
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
	if _, err := r.Archive(t.Context(), fraud.At("1.2.3"), nil); err != nil {
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

func TestVersionsThatAreNotSemVer(t *testing.T) {
	t.Parallel()
	dir := handWritten(t, [2]string{"v2", `{"version": "v2", "stage": "production", "promoted_to_prod": "2026-01-01T00:00:00+00:00"}`},
		[2]string{"2024-01-05", `{"version": "2024-01-05"}`}, [2]string{"1.0", `{}`}, [2]string{"latest", `{"stage": "staging"}`})
	r := openStore(t, dir, nil)
	m, err := r.GetModel(t.Context(), fraud.In(mr.Production), nil)
	if err != nil || m.Version.Version != "v2" {
		t.Fatalf("production is %v, %v", m, err)
	}
	if v := register(t, r, "", nil); v.Version != "1.0.0" {
		t.Errorf("registered %s", v.Version)
	}
	promote(t, r, "2024-01-05", mr.Production)
	if _, err := r.Archive(t.Context(), fraud.At("latest"), nil); err != nil {
		t.Error(err)
	}
	want := map[string]mr.ModelStage{"v2": mr.Archived, "2024-01-05": mr.Production, "1.0": mr.Development, "latest": mr.Archived, "1.0.0": mr.Development}
	wantStages(t, r, want)
	if v, err := r.Rollback(t.Context(), fraud, nil); err != nil || v.Version != "v2" {
		t.Errorf("rolled back to %v, %v", v, err)
	}
	want["v2"], want["2024-01-05"] = mr.Production, mr.Archived
	wantStages(t, openStore(t, dir, nil), want)
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
				out, err = r.RegisterAndPromote(t.Context(), cfg, fraud.Model, artifact(), &mr.RegisterOptions{Metrics: test.metrics, Version: "7.7.7", Actor: "anna", Reason: "nightly"})
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
