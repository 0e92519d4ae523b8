package breastcancer

import (
	"math"

	"gonum.org/v1/gonum/integrate"
	"gonum.org/v1/gonum/stat"
)

// Threshold is the smallest probability at which a case counts as malignant.
const Threshold = 0.5

// Scores measure a model on cases. Malignant cases are the positives.
type Scores struct {
	AUC      float64 // area under the ROC curve, 0.5 for guessing, 1 for perfect
	F1       float64 // of the malignant class at Threshold, 0 to 1
	Accuracy float64 // share of the correct predictions at Threshold, 0 to 1
	Loss     float64 // log loss, in nats per case
}

// Metrics returns the scores by the names of the registered metrics.
func (s Scores) Metrics() map[string]any {
	return map[string]any{"auc": s.AUC, "f1": s.F1, "accuracy": s.Accuracy, "loss": s.Loss}
}

// Evaluate scores a model on cases. They must include both classes.
func (m *Model) Evaluate(cases []Case) Scores {
	var loss, right, hits, wrong float64
	probability := make([]float64, len(cases))
	malignant := make([]bool, len(cases))
	for i, c := range cases {
		probability[i], malignant[i] = m.Predict(c), c.Malignant
		loss += logLoss(m.logOdds(c), c.Malignant)
		switch called := probability[i] >= Threshold; {
		case called != c.Malignant:
			wrong++
		case called:
			hits++
			right++
		default:
			right++
		}
	}
	n := float64(len(cases))
	s := Scores{AUC: AUC(probability, malignant), Accuracy: right / n, Loss: loss / n}
	if hits > 0 {
		s.F1 = 2 * hits / (2*hits + wrong)
	}
	return s
}

// AUC returns the area under the ROC curve: the probability that a positive has
// a higher score than a negative, where a tie counts half. It needs at least
// one of each.
func AUC(scores []float64, positive []bool) float64 {
	y := append([]float64(nil), scores...)
	classes := append([]bool(nil), positive...)
	stat.SortWeightedLabeled(y, classes, nil)
	tpr, fpr, _ := stat.ROC(nil, y, classes, nil)
	return integrate.Trapezoidal(fpr, tpr)
}

// Drift is the feature whose mean differs most between two groups of cases.
type Drift struct {
	Feature  int     // index from 0
	Distance float64 // between the means, in standard errors of their difference
}

// MeasureDrift compares the means of features between two groups of cases with
// Welch's statistic. It rarely exceeds 4 for groups from one population.
func MeasureDrift(a, b []Case, features []int) Drift {
	var worst Drift
	for i, f := range features {
		meanA, varA := stat.MeanVariance(column(a, f), nil)
		meanB, varB := stat.MeanVariance(column(b, f), nil)
		d := math.Abs(meanA-meanB) / math.Sqrt(varA/float64(len(a))+varB/float64(len(b)))
		if i == 0 || !(d <= worst.Distance) { // a NaN must not count as small
			worst = Drift{Feature: f, Distance: d}
		}
	}
	return worst
}
