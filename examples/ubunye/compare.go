package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/ubunye-go/modelregistry"
)

func (a *app) compare() *cobra.Command {
	var s subject
	var versions []string
	var refs [2]modelregistry.Ref
	cmd := &cobra.Command{
		Use:   "compare [REF REF]",
		Short: "Set the metrics of two versions side by side",
		Example: `  ubunye models compare -u fraud -m Risk --versions "1.2.0 1.3.0"
  ubunye models compare fraud/Risk@production churn/Churn@latest`,
		// A flag takes one value. So in "--versions 1.2.0 1.3.0" the second
		// version is an argument.
		Args: func(cmd *cobra.Command, rest []string) (err error) {
			if !cmd.Flags().Changed("versions") {
				refs, err = twoRefs(cmd, rest)
				return err
			}
			versions = slices.Concat(versions, rest)
			if len(versions) != 2 {
				return fmt.Errorf("--versions needs two versions, not %d", len(versions))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			if versions != nil {
				refs = [2]modelregistry.Ref{s.name.At(versions[0]), s.name.At(versions[1])}
			}
			return a.withRegistry(cmd, func(ctx context.Context, r *modelregistry.ModelRegistry) error {
				c, err := r.Compare(ctx, refs[0], refs[1])
				if err != nil {
					return err
				}
				return a.show(c, func() string { return comparison(c) })
			})
		},
	}
	nameFlags(cmd, &s.name)
	s.refFlag(cmd)
	cmd.Flags().StringSliceVar(&versions, "versions", nil, "the `two versions` of one model, as \"1.2.0 1.3.0\" or \"1.2.0,1.3.0\"")
	return cmd
}

// twoRefs reads the two versions from the arguments, if there are any. Then the
// flags are not needed.
func twoRefs(cmd *cobra.Command, arguments []string) (refs [2]modelregistry.Ref, err error) {
	if len(arguments) != 2 {
		return refs, errors.New("want --versions, or two references like use_case/model@1.2.0")
	}
	for _, name := range []string{"use-case", "model"} {
		delete(cmd.Flags().Lookup(name).Annotations, cobra.BashCompOneRequiredFlag)
	}
	for _, name := range []string{"use-case", "model", "ref"} {
		if cmd.Flags().Changed(name) {
			return refs, fmt.Errorf("--%s goes with --versions, not with references", name)
		}
	}
	for i, text := range arguments {
		if refs[i], err = modelregistry.ParseRef(text); err != nil {
			return refs, err
		}
	}
	return refs, nil
}

// comparison names the model once if both versions belong to it.
func comparison(c modelregistry.Comparison) string {
	title := fmt.Sprintf("  Comparing %s: %s vs %s", c.A.Name, c.A.Version, c.B.Version)
	if c.A.Name != c.B.Name {
		title = fmt.Sprintf("  Comparing %s vs %s", c.A, c.B)
	}
	t := table{columns: []column{
		{title: "Metric", width: 20},
		{title: "v" + c.A.Version, width: 18},
		{title: "v" + c.B.Version, width: 18},
		{title: "Delta", width: 10},
	}}
	for _, m := range c.Metrics {
		t.add(m.Name, number(m.A, 4), number(m.B, 4), delta(m))
	}
	return escape(title) + "\n\n" + t.String()
}

func delta(m modelregistry.MetricComparison) string {
	if m.Delta == nil {
		return "-"
	}
	format, decimals := byte('f'), 4
	if isInteger(m.A) && isInteger(m.B) {
		decimals = 0
	}
	if math.Abs(*m.Delta) >= maxFixed { // a fixed format would show digits that are not known
		format, decimals = 'g', -1
	}
	sign := ""
	if *m.Delta >= 0 {
		sign = "+"
	}
	return sign + strconv.FormatFloat(*m.Delta, format, decimals, 64)
}
