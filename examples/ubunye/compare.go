package main

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/ubunye-go/modelregistry"
)

func (a *app) compare() *cobra.Command {
	var s subject
	var first []string
	cmd := &cobra.Command{
		Use:   "compare",
		Short: "Set the metrics of two versions side by side",
		// A flag takes one value, so of "--versions 1.2.0 1.3.0" the second
		// version comes as an argument.
		Args: func(_ *cobra.Command, rest []string) error {
			if n := len(first) + len(rest); n != 2 {
				return fmt.Errorf("--versions wants two versions, not %d", n)
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, rest []string) error {
			versions := slices.Concat(first, rest)
			return a.withRegistry(cmd, func(ctx context.Context, r *modelregistry.ModelRegistry) error {
				c, err := r.CompareVersions(ctx, s.name, versions[0], versions[1])
				if err != nil {
					return err
				}
				return a.show(c, func() string { return comparison(s.name, c) })
			})
		},
	}
	nameFlags(cmd, &s.name)
	s.refFlag(cmd)
	cmd.Flags().StringSliceVar(&first, "versions", nil, "the `two versions`, as \"1.2.0 1.3.0\" or \"1.2.0,1.3.0\"")
	require(cmd, "versions")
	return cmd
}

func comparison(name modelregistry.ModelName, c *modelregistry.Comparison) string {
	t := table{columns: []column{
		{title: "Metric", width: 20},
		{title: "v" + c.A.Version, width: 18},
		{title: "v" + c.B.Version, width: 18},
		{title: "Delta", width: 10},
	}}
	for _, m := range c.Metrics {
		t.add(m.Name, number(m.A, 4), number(m.B, 4), delta(m))
	}
	return escape(fmt.Sprintf("  Comparing %s: %s vs %s", name, c.A.Version, c.B.Version)) + "\n\n" + t.String()
}

func delta(m modelregistry.MetricComparison) string {
	if m.Delta == nil {
		return "-"
	}
	format, decimals := byte('f'), 4
	if isInteger(m.A) && isInteger(m.B) {
		decimals = 0
	}
	if math.Abs(*m.Delta) >= maxFixed { // not all of the digits are known
		format, decimals = 'g', -1
	}
	sign := ""
	if *m.Delta >= 0 {
		sign = "+"
	}
	return sign + strconv.FormatFloat(*m.Delta, format, decimals, 64)
}
