package pipeline

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/examples/breastcancer"
	"github.com/ubunye-go/modelregistry/examples/internal/program"
)

var tumours = modelregistry.ModelName{UseCase: breastcancer.UseCase, Model: breastcancer.ModelName}

// runTrain runs the program and checks its exit code.
func runTrain(t *testing.T, want int, args ...string) (stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	if got := Run(context.Background(), args, &out, &errs); got != want {
		t.Fatalf("train %q: exit code %d, want %d\n%s%s", args, got, want, &out, &errs)
	}
	return out.String(), errs.String()
}

func wantLines(t *testing.T, text string, patterns ...string) {
	t.Helper()
	for _, p := range patterns {
		if !regexp.MustCompile(`(?m)^` + p + `$`).MatchString(text) {
			t.Errorf("no line matches %q in:\n%s", p, text)
		}
	}
}

func open(t *testing.T, store string) *modelregistry.ModelRegistry {
	t.Helper()
	r, err := modelregistry.Open(store, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

func TestTrain(t *testing.T) {
	t.Parallel()
	store := filepath.Join(t.TempDir(), "store")
	out, _ := runTrain(t, program.OK, "-store", store, "-actor", "ann")
	wantLines(t, out,
		`Version 1\.0\.0 is registered\. It passed 5 gates and is in staging now\.`,
		`Version 1\.0\.0 is in production now, promoted by ann\.`,
		`Version 1\.0\.1 is registered but stays in development: it failed 4 of 5 gates\.`,
		`  max_loss  0\.\d{4}  0\.2000`,
		`  min_auc   0\.\d{4}  0\.9500`,
		`  min_f1    0\.\d{4}  0\.9000`,
		`Its auc of 0\.\d{4} is too far below that of version 1\.0\.0, which is 0\.\d{4}\. With the margin of 0\.005, at least 0\.\d{4} is needed\.`,
		`  1\.0\.1    development  .*`,
		`  1\.0\.0    production   .*`,
		`Version 1\.0\.0 is in production\.`)

	ctx, r := context.Background(), open(t, store)
	good, err := r.GetVersion(ctx, tumours.In(modelregistry.Production))
	if err != nil {
		t.Fatal(err)
	}
	passed, _ := good.Metadata.Get("drift_check_passed")
	drift, ok := good.Metadata.Float("drift_standard_errors")
	if good.Version != "1.0.0" || passed != true || !ok || drift <= 0 || drift > 4 || good.PromotedBy != "ann" || good.RegisteredBy != "ann" ||
		good.ConfigHash != modelregistry.ConfigHash(defaultConfig) || !strings.Contains(out, "This is "+good.LineageRunID+".") {
		t.Errorf("the production version is %+v, want 1.0.0 of this run by ann, with its drift check passed", good)
	}
	if auc, _ := good.Metrics.Float("auc"); auc <= 0.98 {
		t.Errorf("auc is %v, want above 0.98", auc)
	}
	weak, err := r.GetVersion(ctx, tumours.At("1.0.1"))
	if err != nil {
		t.Fatal(err)
	}
	if weak.Stage != modelregistry.Development || !weak.PromotedToStaging.IsZero() {
		t.Errorf("the weak model is in %s, in staging since %v; want it only in development", weak.Stage, weak.PromotedToStaging)
	}
	run, err := r.VersionsOfRun(ctx, good.LineageRunID)
	if err != nil || len(run) != 2 {
		t.Errorf("versions of the run are %v, %v; want 2", run, err)
	}
}

func TestTrainAgain(t *testing.T) {
	t.Parallel()
	store := t.TempDir()
	runTrain(t, program.OK, "-store", store)
	out, _ := runTrain(t, program.OK, "-store", store)
	wantLines(t, out,
		`  1\.0\.3    development  .*`,
		`  1\.0\.2    production   .*`,
		`  1\.0\.1    development  .*`,
		`  1\.0\.0    archived     .*`,
		`Version 1\.0\.2 is in production\.`)
}

// A run that is repeated registers nothing a second time.
func TestTrainOnce(t *testing.T) {
	t.Parallel()
	store := t.TempDir()
	for range 2 {
		runTrain(t, program.OK, "-store", store, "-run", "run-7")
	}
	list, err := open(t, store).ListVersions(context.Background(), tumours)
	if err != nil || len(list) != 2 || list[1].Stage != modelregistry.Production {
		t.Errorf("%v, %v; want two versions, the first in production", list, err)
	}
}

// edited writes the default configuration with a text replaced, and returns the
// name of the file.
func edited(t *testing.T, old, replacement string) string {
	t.Helper()
	text := strings.Replace(string(defaultConfig), old, replacement, 1)
	if text == string(defaultConfig) {
		t.Fatalf("the configuration has no %q", old)
	}
	file := filepath.Join(t.TempDir(), "pipeline.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestTrainRefusesWrongConfig(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ old, new, want string }{
		"home folder":    {`".ubunye/model_store"`, `"~/models"`, "only a shell expands ~"},
		"registry key":   {"auto_version", "auto_versoin", `unknown key "auto_versoin"`},
		"gate":           {"min_auc", "minimum_auc", "minimum_auc"},
		"training key":   {"l2:", "l3:", "l3"},
		"top-level key":  {"drift:", "drfit:", "drfit"},
		"stage":          {"staging", "stagign", "stagign"},
		"no use case":    {"use_case: cancer_screening", "", "use_case"},
		"no stage":       {"promote_to: staging", "", "promote_to"},
		"no drift limit": {"max_standard_errors: 4", "max_standard_errors: 0", "max_standard_errors"},
		"no iterations":  {"max_iterations: 500", "max_iterations: 0", "iterations"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store := filepath.Join(t.TempDir(), "store")
			_, stderr := runTrain(t, program.Error, "-store", store, "-config", edited(t, tt.old, tt.new))
			if !strings.Contains(stderr, tt.want) {
				t.Errorf("stderr %q does not name %q", stderr, tt.want)
			}
			if _, err := os.Stat(store); !os.IsNotExist(err) {
				t.Errorf("stat of the store: %v, want that it does not exist", err)
			}
		})
	}
	_, stderr := runTrain(t, program.Error, "-config", edited(t, `store: ".ubunye/model_store"`, ""))
	if !strings.Contains(stderr, "-store") {
		t.Errorf("without a store: stderr %q does not name -store", stderr)
	}
	runTrain(t, program.Error, "-config", filepath.Join(t.TempDir(), "missing.yaml"))
}

func TestStoreIsNotAFolder(t *testing.T) {
	t.Parallel()
	const url = "s3://bucket/models"
	for _, args := range [][]string{{"-store", url}, {"-config", edited(t, ".ubunye/model_store", url)}, {"-store", "~/models"}} {
		_, stderr := runTrain(t, program.Error, args...)
		if !strings.Contains(stderr, "it is a URL, not a folder") && !strings.Contains(stderr, "only a shell expands ~") {
			t.Errorf("%v: stderr %q", args, stderr)
		}
	}
	for _, made := range []string{"s3:", "~"} {
		if _, err := os.Stat(made); !os.IsNotExist(err) {
			t.Errorf("the folder %s was made: %v", made, err)
		}
	}
}

func TestStoreOfConfig(t *testing.T) {
	t.Parallel()
	store := filepath.ToSlash(filepath.Join(t.TempDir(), "models"))
	runTrain(t, program.OK, "-config", edited(t, ".ubunye/model_store", store))
	if _, err := open(t, store).GetVersion(context.Background(), tumours.In(modelregistry.Production)); err != nil {
		t.Error(err)
	}
}

// Gates that the good model can't pass keep it out of production. The exit code
// of the program says so.
func TestGatesRefuseGoodModel(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ old, new, line string }{
		"auc":   {"min_auc: 0.95", "min_auc: 1.5", `  min_auc  0\.\d{4}  1\.5000`},
		"drift": {"max_standard_errors: 4", "max_standard_errors: 0.001", `  require_drift_check  false  true`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store := t.TempDir()
			out, stderr := runTrain(t, program.Error, "-store", store, "-config", edited(t, tt.old, tt.new))
			wantLines(t, out, tt.line)
			if !strings.Contains(stderr, "did not pass the gates") {
				t.Errorf("stderr %q does not say that the model did not pass", stderr)
			}
			v, err := open(t, store).GetVersion(context.Background(), tumours.At("1.0.0"))
			if err != nil || v.Stage != modelregistry.Development {
				t.Errorf("the version is %v in %s, %v; want it in development", v, v.Stage, err)
			}
		})
	}
}

// The predict example uses the names and the store of the default
// configuration.
func TestDefaultConfig(t *testing.T) {
	t.Parallel()
	c, err := parseConfig(defaultConfig)
	if err != nil {
		t.Fatal(err)
	}
	if c.name() != tumours || c.Registry.Store != breastcancer.DefaultStore {
		t.Errorf("the default is %s in %s, want %s in %s", c.name(), c.Registry.Store, tumours, breastcancer.DefaultStore)
	}
}

func TestUsage(t *testing.T) {
	t.Parallel()
	runTrain(t, program.Usage, "-wrong")
	runTrain(t, program.Usage, "extra")
	if _, stderr := runTrain(t, program.OK, "-h"); !strings.Contains(stderr, "-store") {
		t.Errorf("help %q does not name -store", stderr)
	}
}

func TestInterrupted(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	var out, errs bytes.Buffer
	if code := Run(ctx, []string{"-store", t.TempDir()}, &out, &errs); code != program.Error {
		t.Errorf("exit code %d, want %d", code, program.Error)
	}
}

// A configuration that was read is written as YAML with its gates.
func TestConfigIsWrittenAsItWasRead(t *testing.T) {
	t.Parallel()
	text := "store: models\nuse_case: fraud\npromote_to: staging\npromotion_gates: {min_auc: 0.85, not_below_production: {auc: 0.01, f1: 2%}}\n"
	var c, again modelregistry.Config
	if err := yaml.Unmarshal([]byte(text), &c); err != nil {
		t.Fatal(err)
	}
	written, err := yaml.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(written, &again); err != nil || again.PromotionGates.String() != c.PromotionGates.String() || again.PromoteTo != c.PromoteTo {
		t.Errorf("it is written as\n%s\nwhich reads as %+v, %v; want %+v", written, again, err, c)
	}
	c.PromotionGates = modelregistry.PromotionGate{}
	if written, err := yaml.Marshal(c); err != nil || strings.Contains(string(written), "gates") {
		t.Errorf("without gates it is written as\n%s%v", written, err)
	}
}
