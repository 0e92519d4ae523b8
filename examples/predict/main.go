// Predict is a program that uses a model from a registry. It gets the version
// in production, loads it, and scores the cases that the train example did not
// train on.
//
//	go run ./examples/predict [-store DIR] [-use-case NAME] [-model NAME]
//
// Run the train example first.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/examples/breastcancer"
	"github.com/ubunye-go/modelregistry/examples/internal/program"
)

func main() { program.Main(run) }

// run runs the program and returns its exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	var name modelregistry.ModelName
	flags := program.Flags("predict", stderr)
	store := flags.String("store", breastcancer.DefaultStore, "get the model from the store in `DIR`")
	flags.StringVar(&name.UseCase, "use-case", breastcancer.UseCase, "the `NAME` of the use case")
	flags.StringVar(&name.Model, "model", breastcancer.ModelName, "the `NAME` of the model")
	return program.Run(flags, args, func() error { return predict(ctx, *store, name, stdout) })
}

// predict scores the held-out cases with the production version.
func predict(ctx context.Context, store string, name modelregistry.ModelName, out io.Writer) (err error) {
	registry, err := modelregistry.Open(store, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, registry.Close()) }()

	version, err := registry.GetModel(ctx, name.In(modelregistry.Production), nil)
	if errors.Is(err, modelregistry.ErrNotFound) {
		return fmt.Errorf("no version of %s is in production in %s; run the train example first", name, store)
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, version.Close()) }()

	model, err := breastcancer.Load(version.Path)
	if err != nil {
		return err
	}
	_, cases, err := breastcancer.Split()
	if err != nil {
		return err
	}
	printVersion(out, version.Version)
	printScores(out, version.Version.Metrics, model.Evaluate(cases), len(cases))
	printCases(out, model, cases)
	return nil
}

func printVersion(out io.Writer, v modelregistry.ModelVersion) {
	fmt.Fprintf(out, "Version %s of %s is in production.\n", v.Version, v.Name)
	fmt.Fprintf(out, "It was promoted by %s on %s UTC.\n", v.PromotedBy, v.PromotedToProduction.UTC().Format("2006-01-02 15:04:05"))
}

// printScores prints the registered scores beside those of the loaded model.
func printScores(out io.Writer, registered modelregistry.Values, now breastcancer.Scores, cases int) {
	fmt.Fprintf(out, "\nIts scores on the %d held-out cases:\n", cases)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "  metric\tnow\tas registered")
	for _, m := range []struct {
		name string
		now  float64
	}{{"auc", now.AUC}, {"accuracy", now.Accuracy}} {
		was := "-"
		if f, ok := registered.Float(m.name); ok {
			was = fmt.Sprintf("%.4f", f)
		}
		fmt.Fprintf(w, "  %s\t%.4f\t%s\n", m.name, m.now, was)
	}
	w.Flush()
}

// printCases prints a few predictions, spread over the data set.
func printCases(out io.Writer, model *breastcancer.Model, cases []breastcancer.Case) {
	const shown = 6
	fmt.Fprintf(out, "\n%d of its predictions:\n", shown)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "  case\tmalignant with\tpredicted\ttruth")
	for i := range shown {
		c := cases[i*len(cases)/shown]
		p := model.Predict(c)
		fmt.Fprintf(w, "  %d\t%.2f %%\t%s\t%s\n", c.Number, 100*p, class(p >= breastcancer.Threshold), class(c.Malignant))
	}
	w.Flush()
}

func class(malignant bool) string {
	if malignant {
		return "malignant"
	}
	return "benign"
}
