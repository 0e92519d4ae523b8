package breastcancer

import (
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func split(t *testing.T) (train, test []Case) {
	t.Helper()
	train, test, err := Split()
	if err != nil {
		t.Fatal(err)
	}
	return train, test
}

func malignant(cases []Case) (n int) {
	for _, c := range cases {
		if c.Malignant {
			n++
		}
	}
	return n
}

func TestCases(t *testing.T) {
	t.Parallel()
	cases, err := Cases()
	if err != nil {
		t.Fatal(err)
	}
	if len(cases) != 569 || malignant(cases) != 212 {
		t.Errorf("%d cases, %d malignant; want 569, 212", len(cases), malignant(cases))
	}
	if c := cases[0]; !c.Malignant || c.Number != 1 || c.Features[0] != 17.99 || c.Features[29] != 0.1189 {
		t.Errorf("the first case is %+v, want number 1, malignant, features from 17.99 to 0.1189", c)
	}
}

func TestParseRefusesBadData(t *testing.T) {
	t.Parallel()
	row := strings.Repeat("1,", NumFeatures)
	for name, data := range map[string]string{
		"empty":       "",
		"count":       "2,30,malignant,benign\n" + row + "0\n",
		"features":    "1,29,malignant,benign\n" + row + "0\n",
		"class":       "1,30,malignant,benign\n" + row + "2\n",
		"number":      "1,30,malignant,benign\nx" + row + "0\n",
		"short line":  "1,30,malignant,benign\n1,0\n",
		"broken line": "1,30,malignant,benign\n\"\n",
	} {
		if _, err := parse([]byte(data)); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestFeatureName(t *testing.T) {
	t.Parallel()
	for i, want := range map[int]string{
		0: "mean radius", 13: "standard error of area", 27: "worst concave points", 29: "worst fractal dimension",
	} {
		if got := FeatureName(i); got != want {
			t.Errorf("FeatureName(%d) = %q, want %q", i, got, want)
		}
	}
}

func TestSplit(t *testing.T) {
	t.Parallel()
	train, test := split(t)
	if len(train) != 427 || malignant(train) != 159 || len(test) != 142 || malignant(test) != 53 {
		t.Errorf("train %d (%d malignant), test %d (%d malignant), want 427 (159) and 142 (53)", len(train), malignant(train), len(test), malignant(test))
	}
	seen := map[int]bool{}
	for _, c := range append(append([]Case(nil), train...), test...) {
		if seen[c.Number] {
			t.Errorf("the split has case %d twice", c.Number)
		}
		seen[c.Number] = true
	}
	train2, test2 := split(t)
	if !reflect.DeepEqual(train, train2) || !reflect.DeepEqual(test, test2) {
		t.Error("the second split differs from the first")
	}
	// The held-out cases must stay the same, because registered metrics depend
	// on them.
	var first []int
	for _, c := range test[:5] {
		first = append(first, c.Number)
	}
	if want := []int{1, 4, 6, 8, 10}; !reflect.DeepEqual(first, want) {
		t.Errorf("first held-out cases %v, want %v", first, want)
	}
}

func TestAUC(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		scores   []float64
		positive []bool
		want     float64
	}{
		{[]float64{0.8, 0.1, 0.35, 0.4}, []bool{true, false, true, false}, 0.75}, // 3 of the 4 pairs in order
		{[]float64{0.9, 0.1}, []bool{true, false}, 1},
		{[]float64{0.1, 0.9}, []bool{true, false}, 0},
		{[]float64{0.5, 0.5, 0.5}, []bool{true, false, false}, 0.5},
	} {
		before := append([]float64(nil), tt.scores...)
		if got := AUC(tt.scores, tt.positive); math.Abs(got-tt.want) > 1e-12 {
			t.Errorf("AUC(%v, %v) = %v, want %v", tt.scores, tt.positive, got, tt.want)
		}
		if !reflect.DeepEqual(before, tt.scores) {
			t.Error("AUC changed its argument")
		}
	}
}

func TestEvaluate(t *testing.T) {
	t.Parallel()
	// For this model the log odds equal the first feature. Log odds of ln 3 are
	// a probability of 3/4.
	m := &Model{Features: []int{0}, Means: []float64{3}, Scales: []float64{2}, Weights: []float64{2}, Bias: 3}
	at := func(logOdds float64, malignant bool) Case {
		c := Case{Malignant: malignant}
		c.Features[0] = logOdds
		return c
	}
	got := m.Evaluate([]Case{at(math.Log(3), true), at(math.Log(3), false), at(-math.Log(3), false), at(-math.Log(9), false)})
	want := Scores{
		AUC:      2.5 / 3,
		F1:       2.0 / 3,
		Accuracy: 3.0 / 4,
		Loss:     -(math.Log(.75) + math.Log(.25) + math.Log(.75) + math.Log(.9)) / 4,
	}
	for name, pair := range map[string][2]float64{
		"auc": {got.AUC, want.AUC}, "f1": {got.F1, want.F1}, "accuracy": {got.Accuracy, want.Accuracy}, "loss": {got.Loss, want.Loss},
	} {
		if math.Abs(pair[0]-pair[1]) > 1e-12 {
			t.Errorf("%s = %v, want %v", name, pair[0], pair[1])
		}
	}
}

func TestGradient(t *testing.T) {
	t.Parallel()
	f := &fit{x: [][]float64{{1, -2}, {0.5, 3}, {-1, 0.1}}, malignant: []bool{true, false, true}, l2: 0.3}
	p, grad := []float64{0.4, -0.7, 0.2}, make([]float64, 3)
	f.gradient(grad, p)
	const h = 1e-6
	for i := range p {
		up, down := append([]float64(nil), p...), append([]float64(nil), p...)
		up[i] += h
		down[i] -= h
		if want := (f.loss(up) - f.loss(down)) / (2 * h); math.Abs(grad[i]-want) > 1e-8 {
			t.Errorf("derivative %d = %v, want %v as by differences", i, grad[i], want)
		}
	}
	if got := logLoss(-1000, true); got != 1000 {
		t.Errorf("logLoss(-1000, true) = %v, want 1000", got)
	}
}

func TestTrainSaveLoad(t *testing.T) {
	t.Parallel()
	train, test := split(t)
	m, err := Train(train, TrainOptions{Features: AllFeatures(), L2: 1, MaxIterations: 500})
	if err != nil {
		t.Fatal(err)
	}
	scores := m.Evaluate(test)
	if scores.AUC <= 0.98 || scores.F1 <= 0.9 || scores.Accuracy <= 0.93 || scores.Loss >= 0.2 {
		t.Errorf("scores on held-out cases are %+v, want good ones", scores)
	}
	dir := t.TempDir()
	if err := m.Save(dir); err != nil {
		t.Fatal(err)
	}
	loaded, err := Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(m, loaded) {
		t.Errorf("loaded %+v, want %+v as saved", loaded, m)
	}
	if got := loaded.Evaluate(test); got != scores {
		t.Errorf("the loaded model scores %+v, want %+v", got, scores)
	}
}

func TestTrainRefuses(t *testing.T) {
	t.Parallel()
	train, _ := split(t)
	for name, o := range map[string]TrainOptions{
		"no features":   {MaxIterations: 1},
		"no iterations": {Features: []int{0}},
		"feature 30":    {Features: []int{30}, MaxIterations: 1},
		"bad penalty":   {Features: []int{0}, L2: -1, MaxIterations: 1},
	} {
		if _, err := Train(train, o); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	same := []Case{train[0], train[0]}
	if _, err := Train(same, TrainOptions{Features: []int{0}, MaxIterations: 1}); err == nil {
		t.Error("a feature that never varies: no error")
	}
	if _, err := Train(nil, TrainOptions{Features: []int{0}, MaxIterations: 1}); err == nil {
		t.Error("no cases: no error")
	}
}

func TestLoadRefuses(t *testing.T) {
	t.Parallel()
	for name, data := range map[string]string{
		"not JSON":   "weights",
		"empty":      "{}",
		"unknown":    `{"kind":"forest"}`,
		"lengths":    `{"features":[0],"means":[1,2],"scales":[1],"weights":[1],"bias":0}`,
		"no feature": `{"features":[30],"means":[1],"scales":[1],"weights":[1],"bias":0}`,
		"scale":      `{"features":[0],"means":[1],"scales":[0],"weights":[1],"bias":0}`,
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, ModelFile), []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Load(dir); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if _, err := Load(t.TempDir()); err == nil {
		t.Error("no file: no error")
	}
}

func TestMeasureDrift(t *testing.T) {
	t.Parallel()
	train, test := split(t)
	if d := MeasureDrift(train, test, AllFeatures()); !(d.Distance < 4) {
		t.Errorf("drift between the parts of the split is %+v, want below 4", d)
	}
	moved := append([]Case(nil), test...)
	for i := range moved {
		moved[i].Features[7] *= 2
	}
	if d := MeasureDrift(train, moved, AllFeatures()); d.Feature != 7 || !(d.Distance > 4) {
		t.Errorf("drift after feature 7 was doubled is %+v, want above 4 for feature 7", d)
	}
	if d := MeasureDrift(train[:1], test[:1], []int{0}); d.Distance <= 4 {
		t.Errorf("drift of single cases is %+v, want none at most 4", d)
	}
}
