package main

import (
	"bytes"
	"context"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/examples/breastcancer"
	"github.com/ubunye-go/modelregistry/examples/internal/program"
	"github.com/ubunye-go/modelregistry/examples/train/pipeline"
)

var tumours = modelregistry.ModelName{UseCase: breastcancer.UseCase, Model: breastcancer.ModelName}

// runPredict runs the program and checks its exit code.
func runPredict(t *testing.T, want int, args ...string) (stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	if got := run(context.Background(), args, &out, &errs); got != want {
		t.Fatalf("predict %q: exit code %d, want %d\n%s%s", args, got, want, &out, &errs)
	}
	return out.String(), errs.String()
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

// train runs the train example on a store.
func train(t *testing.T, store string) {
	t.Helper()
	var out, errs bytes.Buffer
	if code := pipeline.Run(t.Context(), []string{"-store", store, "-actor", "ann"}, &out, &errs); code != program.OK {
		t.Fatalf("train: exit code %d\n%s%s", code, &out, &errs)
	}
}

// After the train example, the good model is in production, and the loaded
// model has exactly the registered scores.
func TestPredictAfterTraining(t *testing.T) {
	t.Parallel()
	store := filepath.Join(t.TempDir(), "store")
	train(t, store)
	out, _ := runPredict(t, program.OK, "-store", store)
	for _, p := range []string{
		`Version 1\.0\.0 of cancer_screening/TumourClassifier is in production\.`,
		`It was promoted by ann on .* UTC\.`,
		`Its scores on the 142 held-out cases:`,
		`  auc       (0\.\d{4})  (0\.\d{4})`,
		`  accuracy  (0\.\d{4})  (0\.\d{4})`,
		`  1     100\.00 % +malignant  malignant`,
		`  \d+ +\d\.\d\d % +benign     benign`,
	} {
		found := regexp.MustCompile(`(?m)^` + p + `$`).FindStringSubmatch(out)
		if found == nil || len(found) == 3 && found[1] != found[2] {
			t.Errorf("no line matches %q, or its numbers differ, in:\n%s", p, out)
		}
	}

	ctx, r := context.Background(), open(t, store)
	version, err := r.GetModel(ctx, tumours.In(modelregistry.Production), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer version.Close()
	model, err := breastcancer.Load(version.Path)
	if err != nil {
		t.Fatal(err)
	}
	_, cases, err := breastcancer.Split()
	if err != nil {
		t.Fatal(err)
	}
	for name, now := range model.Evaluate(cases).Metrics() {
		if was, ok := version.Version.Metrics.Float(name); !ok || was != now {
			t.Errorf("%s is %v, want %v as registered", name, now, was)
		}
	}
	weak, err := r.GetVersion(ctx, tumours.At("1.0.1"))
	if err != nil || weak.Stage != modelregistry.Development {
		t.Errorf("the weak model is %v in %s, %v; want it in development", weak, weak.Stage, err)
	}
}

func TestNothingInProduction(t *testing.T) {
	t.Parallel()
	store := t.TempDir()
	_, stderr := runPredict(t, program.Error, "-store", store)
	if !strings.Contains(stderr, "no version of cancer_screening/TumourClassifier is in production") {
		t.Errorf("empty store: stderr %q does not say that no version is in production", stderr)
	}
	register(t, store, tumours, modelregistry.FromFunc((&breastcancer.Model{}).Save), modelregistry.Staging)
	if _, stderr = runPredict(t, program.Error, "-store", store); !strings.Contains(stderr, "is in production") {
		t.Errorf("only a version in staging: stderr %q does not say that no version is in production", stderr)
	}
}

func TestStoreIsNotAFolder(t *testing.T) {
	t.Parallel()
	for store, want := range map[string]string{"s3://bucket/models": "it is a URL, not a folder", "~/models": "only a shell expands ~"} {
		if _, stderr := runPredict(t, program.Error, "-store", store); !strings.Contains(stderr, want) {
			t.Errorf("store %s: stderr %q", store, stderr)
		}
	}
}

func register(t *testing.T, store string, name modelregistry.ModelName, a modelregistry.Artifact, stage modelregistry.ModelStage) {
	t.Helper()
	cfg := modelregistry.Config{UseCase: name.UseCase, PromoteTo: stage}
	if _, err := open(t, store).RegisterAndPromote(context.Background(), cfg, name.Model, a, nil); err != nil {
		t.Fatal(err)
	}
}

// Predict fails for a model in production that can't be used. It works for a
// model with other names and without metrics.
func TestOtherModels(t *testing.T) {
	t.Parallel()
	store := t.TempDir()
	register(t, store, tumours, modelregistry.FromFunc((&breastcancer.Model{}).Save), modelregistry.Production)
	if _, stderr := runPredict(t, program.Error, "-store", store); !strings.Contains(stderr, breastcancer.ModelFile) {
		t.Errorf("a model without features: stderr %q does not name the file %s", stderr, breastcancer.ModelFile)
	}
	tiny := &breastcancer.Model{Features: []int{0}, Means: []float64{14}, Scales: []float64{3.5}, Weights: []float64{3}}
	other := modelregistry.ModelName{UseCase: "teaching", Model: "tiny"}
	register(t, store, other, modelregistry.FromFunc(tiny.Save), modelregistry.Production)
	out, _ := runPredict(t, program.OK, "-store", store, "-use-case", "teaching", "-model", "tiny")
	if !regexp.MustCompile(`(?m)^  auc       0\.9\d{3}  -$`).MatchString(out) {
		t.Errorf("want an auc and - as the registered one, in:\n%s", out)
	}
}

func TestUsage(t *testing.T) {
	t.Parallel()
	runPredict(t, program.Usage, "-wrong")
	runPredict(t, program.Usage, "extra")
	if _, stderr := runPredict(t, program.OK, "-help"); !strings.Contains(stderr, "-store") {
		t.Errorf("help %q does not name -store", stderr)
	}
}
