package pipeline

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/examples/breastcancer"
)

// metricNames are the metrics in the order of the output.
var metricNames = []string{"auc", "f1", "accuracy", "loss"}

func (p *pipeline) printModel(c candidate, s breastcancer.Scores, d breastcancer.Drift) {
	fmt.Fprintf(p.out, "\n%s scores on the held-out cases:\n", c.title)
	w := tabwriter.NewWriter(p.out, 0, 0, 2, ' ', 0)
	metrics := s.Metrics()
	for _, name := range metricNames {
		fmt.Fprintf(w, "  %s\t%.4f\n", name, metrics[name])
	}
	w.Flush()
	verdict := "passed"
	if p.drifted(d) {
		verdict = "failed"
	}
	fmt.Fprintf(p.out, "The drift check %s: between training and held-out cases, the mean of %q\ndiffers most, by %.2f standard errors (allowed: %g).\n",
		verdict, breastcancer.FeatureName(d.Feature), d.Distance, p.config.Drift.MaxStandardErrors)
}

func (p *pipeline) printRefusal(v modelregistry.ModelVersion, refused *modelregistry.GateError) {
	failed := refused.Failed()
	fmt.Fprintf(p.out, "Version %s is registered but stays in %s: it failed %d of %s.\n",
		v.Version, v.Stage, len(failed), count(len(refused.Results), "gate"))
	var thresholds, compared []modelregistry.GateResult
	for _, g := range failed {
		if g.Margin == nil {
			thresholds = append(thresholds, g)
		} else {
			compared = append(compared, g)
		}
	}
	if len(thresholds) > 0 {
		w := tabwriter.NewWriter(p.out, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "  gate\tvalue\tthreshold")
		for _, g := range thresholds {
			fmt.Fprintf(w, "  %s\t%s\t%s\n", g.Name, show(g.Actual), show(g.Threshold))
		}
		w.Flush()
	}
	for _, g := range compared {
		fmt.Fprintln(p.out, worse(g))
	}
}

// worse says why a version is worse than the one that a gate compared it with.
func worse(g modelregistry.GateResult) string {
	gate, metric, _ := strings.Cut(g.Name, " ")
	if g.Threshold == nil { // a value is missing, or can't be compared
		return fmt.Sprintf("It can't be compared by its %s: %s.", metric, g.Message)
	}
	side, bound := "below", "at least"
	if strings.HasPrefix(gate, "not_above") {
		side, bound = "above", "at most"
	}
	return fmt.Sprintf("Its %s of %s is too far %s that of version %s, which is %s. With the margin of %s, %s %s is needed.",
		metric, show(g.Actual), side, g.Baseline, show(g.BaselineValue), g.Margin, bound, show(g.Threshold))
}

// list prints all versions of the model, and the version in production.
func (p *pipeline) list(ctx context.Context) error {
	name := p.config.name()
	versions, err := p.registry.ListVersions(ctx, name)
	if err != nil {
		return err
	}
	fmt.Fprintf(p.out, "\nThe versions of %s, newest first:\n", name)
	w := tabwriter.NewWriter(p.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "  version\tstage\tauc\tf1\taccuracy\tloss\tregistered (UTC)\trun")
	for _, v := range versions {
		fmt.Fprintf(w, "  %s\t%s", v.Version, v.Stage)
		for _, m := range metricNames {
			value, _ := v.Metrics.Get(m)
			fmt.Fprintf(w, "\t%s", show(value))
		}
		fmt.Fprintf(w, "\t%s\t%s\n", v.RegisteredAt.UTC().Format("2006-01-02 15:04:05"), v.LineageRunID)
	}
	w.Flush()
	serving, err := p.registry.GetVersion(ctx, name.In(modelregistry.Production))
	if errors.Is(err, modelregistry.ErrNotFound) {
		fmt.Fprintln(p.out, "No version is in production.")
		return nil
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(p.out, "Version %s is in production.\n", serving.Version)
	return nil
}

// show formats the value of a metric or a gate. Numbers have four digits after
// the point.
func show(value any) string {
	switch v := value.(type) {
	case nil:
		return "-"
	case json.Number:
		if f, err := v.Float64(); err == nil {
			return fmt.Sprintf("%.4f", f)
		}
	}
	return fmt.Sprint(value)
}

// count formats a number of things: "1 gate", "4 gates".
func count(n int, thing string) string {
	if n != 1 {
		thing += "s"
	}
	return fmt.Sprint(n, " ", thing)
}
