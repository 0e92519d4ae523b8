// Package breastcancer holds the parts that the train, predict and serve
// examples share: a real data set, a fixed split of it into training cases and
// held-out cases, and a logistic regression that can be saved, loaded and
// scored.
//
// The data set is Breast Cancer Wisconsin (Diagnostic) by W. H. Wolberg, W. N.
// Street and O. L. Mangasarian, UCI Machine Learning Repository, 1995, CC BY
// 4.0. See README.md.
package breastcancer

import (
	"bytes"
	_ "embed"
	"encoding/csv"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
)

// The names of the model in the registry, and the store of the examples.
const (
	UseCase      = "cancer_screening"
	ModelName    = "TumourClassifier"
	DefaultStore = ".ubunye/model_store"
)

// NumFeatures is the number of features of a case.
const NumFeatures = 30

// Of each class, one case in testOneIn is held out. A fixed seed chooses it.
const (
	testOneIn = 4
	splitSeed = 1995
)

//go:embed wdbc.csv
var wdbc []byte

// A Case is one tumour.
type Case struct {
	Number    int                  // its position in the data set, from 1
	Features  [NumFeatures]float64 // in the units of the data set; see FeatureName
	Malignant bool
}

var measures = [...]string{
	"radius", "texture", "perimeter", "area", "smoothness",
	"compactness", "concavity", "concave points", "symmetry", "fractal dimension",
}

var statistics = [...]string{"mean", "standard error of", "worst"}

// FeatureName returns the name of a feature, given its index from 0: "mean
// radius". Radius and perimeter are lengths, and area is the square of a
// length, in a unit that the data set does not name. Texture is in grey levels.
// The other measures have no unit.
func FeatureName(i int) string {
	return statistics[i/len(measures)] + " " + measures[i%len(measures)]
}

// AllFeatures returns the index of every feature, from 0.
func AllFeatures() []int {
	all := make([]int, NumFeatures)
	for i := range all {
		all[i] = i
	}
	return all
}

// Cases returns all cases in the order of the data set.
func Cases() ([]Case, error) { return parse(wdbc) }

func parse(data []byte) ([]Case, error) {
	r := csv.NewReader(bytes.NewReader(data))
	r.FieldsPerRecord = -1 // the first line is shorter
	lines, err := r.ReadAll()
	if err != nil {
		return nil, fmt.Errorf("data set: %w", err)
	}
	if len(lines) == 0 || len(lines[0]) < 2 {
		return nil, fmt.Errorf("data set: the first line is missing")
	}
	head, lines := lines[0], lines[1:]
	if head[0] != strconv.Itoa(len(lines)) || head[1] != strconv.Itoa(NumFeatures) {
		return nil, fmt.Errorf("data set: it has %d cases of %d features, but its first line says %s of %s",
			len(lines), NumFeatures, head[0], head[1])
	}
	cases := make([]Case, len(lines))
	for i, line := range lines {
		if cases[i], err = parseCase(i+1, line); err != nil {
			return nil, fmt.Errorf("data set: case %d: %w", i+1, err)
		}
	}
	return cases, nil
}

func parseCase(number int, line []string) (Case, error) {
	c := Case{Number: number}
	if len(line) != NumFeatures+1 {
		return c, fmt.Errorf("it has %d fields, want %d", len(line), NumFeatures+1)
	}
	for i := range c.Features {
		var err error
		if c.Features[i], err = strconv.ParseFloat(line[i], 64); err != nil {
			return c, err
		}
	}
	switch class := line[NumFeatures]; class {
	case "0":
		c.Malignant = true
	case "1":
	default:
		return c, fmt.Errorf("class %q is neither 0 nor 1", class)
	}
	return c, nil
}

// Split returns the training cases and the held-out cases, both in the order of
// the data set. Every call returns the same cases. Both parts have the same
// share of malignant cases.
func Split() (train, test []Case, err error) {
	cases, err := Cases()
	if err != nil {
		return nil, nil, err
	}
	rng := rand.New(rand.NewPCG(splitSeed, 0))
	for _, malignant := range []bool{true, false} {
		var class []Case
		for _, c := range cases {
			if c.Malignant == malignant {
				class = append(class, c)
			}
		}
		rng.Shuffle(len(class), func(i, j int) { class[i], class[j] = class[j], class[i] })
		held := len(class) / testOneIn
		test = append(test, class[:held]...)
		train = append(train, class[held:]...)
	}
	byNumber := func(a, b Case) int { return a.Number - b.Number }
	slices.SortFunc(train, byNumber)
	slices.SortFunc(test, byNumber)
	return train, test, nil
}

// column returns the values of one feature.
func column(cases []Case, feature int) []float64 {
	x := make([]float64, len(cases))
	for i, c := range cases {
		x[i] = c.Features[feature]
	}
	return x
}
