package breastcancer

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/optimize"
	"gonum.org/v1/gonum/stat"
)

// ModelFile is the only file of a saved model.
const ModelFile = "model.json"

// A Model is a logistic regression on standardised features. Its slices have
// one element per feature.
type Model struct {
	Features []int     `json:"features"` // indices from 0; see FeatureName
	Means    []float64 `json:"means"`    // of the training cases, in the feature's unit
	Scales   []float64 `json:"scales"`   // standard deviations, in the feature's unit
	Weights  []float64 `json:"weights"`  // log odds of malignant per standard deviation
	Bias     float64   `json:"bias"`     // log odds of malignant for the average case
}

// TrainOptions control the training of a model.
type TrainOptions struct {
	Features []int // indices from 0, at least one
	// L2 is the penalty on large weights. L2/2 times the sum of their squares
	// is added to the loss, in nats over all cases.
	L2            float64
	MaxIterations int // the largest number of steps of the optimiser
}

// Train trains a model on cases.
func Train(cases []Case, o TrainOptions) (*Model, error) {
	if len(cases) == 0 || o.MaxIterations < 1 || o.L2 < 0 {
		return nil, fmt.Errorf("train: can't train on %d cases with %d iterations and a penalty of %g",
			len(cases), o.MaxIterations, o.L2)
	}
	m := &Model{Features: o.Features, Weights: make([]float64, len(o.Features))}
	for _, f := range o.Features {
		if f < 0 || f >= NumFeatures {
			return nil, fmt.Errorf("train: there is no feature %d", f)
		}
		mean, scale := stat.MeanStdDev(column(cases, f), nil)
		m.Means, m.Scales = append(m.Means, mean), append(m.Scales, scale)
	}
	if err := m.check(); err != nil {
		return nil, fmt.Errorf("train: %w", err)
	}
	problem := newFit(m, cases, o.L2)
	settings := &optimize.Settings{GradientThreshold: 1e-8, MajorIterations: o.MaxIterations}
	start := make([]float64, len(o.Features)+1)
	result, err := optimize.Minimize(optimize.Problem{Func: problem.loss, Grad: problem.gradient}, start, settings, &optimize.LBFGS{})
	if err != nil {
		return nil, fmt.Errorf("train: %w", err)
	}
	m.Weights, m.Bias = result.X[:len(o.Features)], result.X[len(o.Features)]
	return m, m.check()
}

// A fit is the function that training minimises. Its argument is the weights
// followed by the bias.
type fit struct {
	x         [][]float64 // standardised features, one row per case
	malignant []bool
	l2        float64
}

func newFit(m *Model, cases []Case, l2 float64) *fit {
	f := &fit{l2: l2 / float64(len(cases))}
	for _, c := range cases {
		f.x = append(f.x, m.standardise(c))
		f.malignant = append(f.malignant, c.Malignant)
	}
	return f
}

// loss returns the log loss with the penalty, in nats per case.
func (f *fit) loss(p []float64) float64 {
	w, bias := p[:len(p)-1], p[len(p)-1]
	var sum float64
	for i, x := range f.x {
		sum += logLoss(floats.Dot(w, x)+bias, f.malignant[i])
	}
	return sum/float64(len(f.x)) + f.l2/2*floats.Dot(w, w)
}

// gradient stores the gradient of loss at p.
func (f *fit) gradient(grad, p []float64) {
	last := len(p) - 1
	w, bias := p[:last], p[last]
	n := float64(len(f.x))
	floats.ScaleTo(grad[:last], f.l2, w)
	grad[last] = 0
	for i, x := range f.x {
		diff := sigmoid(floats.Dot(w, x) + bias)
		if f.malignant[i] {
			diff--
		}
		floats.AddScaled(grad[:last], diff/n, x)
		grad[last] += diff / n
	}
}

func sigmoid(logOdds float64) float64 { return 1 / (1 + math.Exp(-logOdds)) }

// logLoss returns the negative log likelihood, in nats, without overflow for
// large log odds.
func logLoss(logOdds float64, malignant bool) float64 {
	if malignant {
		logOdds = -logOdds
	}
	return max(logOdds, 0) + math.Log1p(math.Exp(-math.Abs(logOdds)))
}

func (m *Model) standardise(c Case) []float64 {
	x := make([]float64, len(m.Features))
	for i, f := range m.Features {
		x[i] = (c.Features[f] - m.Means[i]) / m.Scales[i]
	}
	return x
}

func (m *Model) logOdds(c Case) float64 { return floats.Dot(m.Weights, m.standardise(c)) + m.Bias }

// Predict returns the probability, from 0 to 1, that a case is malignant.
func (m *Model) Predict(c Case) float64 { return sigmoid(m.logOdds(c)) }

// check returns an error if the model cannot predict.
func (m *Model) check() error {
	n := len(m.Features)
	if n == 0 || len(m.Means) != n || len(m.Scales) != n || len(m.Weights) != n {
		return fmt.Errorf("model: %d features, but %d means, %d scales and %d weights",
			n, len(m.Means), len(m.Scales), len(m.Weights))
	}
	for i, f := range m.Features {
		if f < 0 || f >= NumFeatures {
			return fmt.Errorf("model: there is no feature %d", f)
		}
		if !(m.Scales[i] > 0) {
			return fmt.Errorf("model: the scale of the %[2]s is %[1]g", m.Scales[i], FeatureName(f))
		}
	}
	return nil
}

// Save writes the model into a folder.
func (m *Model) Save(dir string) error {
	data, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, ModelFile), append(data, '\n'), 0o644)
}

// Load reads a model from the folder that Save wrote it into.
func Load(dir string) (*Model, error) {
	data, err := os.ReadFile(filepath.Join(dir, ModelFile))
	if err != nil {
		return nil, err
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	m := new(Model)
	if err := errors.Join(dec.Decode(m), m.check()); err != nil {
		return nil, fmt.Errorf("%s: %w", ModelFile, err)
	}
	return m, nil
}
