package cli

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ubunye-go/modelregistry"
)

func (a *app) compare() *cobra.Command {
	var s subject
	var versions []string
	var refs [2]modelregistry.Ref
	cmd := &cobra.Command{
		Use:   "compare A B",
		Short: "Set the metrics of two versions side by side",
		Long: `Set the metrics of two versions side by side. With -u and -m, or --ref, A and B
are versions of that model: numbers, stages, aliases, latest or ranges. Without,
they are references of any two models.`,
		Example: `  ubunye models compare -u fraud -m Risk 1.2.0 1.3.0
  ubunye models compare --ref fraud/Risk production latest
  ubunye models compare fraud/Risk@production churn/Churn@latest
  ubunye models compare -u fraud -m Risk --versions "1.2.0 1.3.0"`,
		// A flag takes one value. So in "--versions 1.2.0 1.3.0" the second
		// version is an argument.
		Args: func(cmd *cobra.Command, rest []string) (err error) {
			if len(versions) == 1 && len(rest) == 0 {
				versions = strings.Fields(versions[0])
			}
			switch two := len(slices.Concat(versions, rest)); {
			case two == 2:
			case versions != nil:
				return fmt.Errorf("--versions needs two versions, not %d", two)
			default:
				return fmt.Errorf("want two versions, or two references like use_case/model@1.2.0, not %d", two)
			}
			if versions != nil || namesModel(cmd) {
				versions = slices.Concat(versions, rest)
				return nil
			}
			refs, err = twoRefs(cmd, rest)
			return err
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			for i, v := range versions {
				ref, err := versionOf(s.name, v)
				if err != nil {
					return err
				}
				refs[i] = ref
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

// namesModel reports whether the flags name the model.
func namesModel(cmd *cobra.Command) bool {
	return slices.ContainsFunc([]string{"use-case", "model", "ref"}, cmd.Flags().Changed)
}

// versionOf returns the reference to one version of a model: a number, a stage,
// an alias, latest or a range. Another program may have used any other text as
// a number.
func versionOf(name modelregistry.ModelName, version string) (modelregistry.Ref, error) {
	if strings.Contains(version, "/") {
		return modelregistry.Ref{}, fmt.Errorf("%q is not a version: a reference goes without -u, -m and --ref", version)
	}
	if ref, err := modelregistry.ParseRef(name.String() + "@" + version); err == nil && ref.Name == name {
		return ref, nil
	}
	return name.At(version), nil
}

// twoRefs reads the two versions from the arguments. Then the flags that name a
// model are not needed.
func twoRefs(cmd *cobra.Command, arguments []string) (refs [2]modelregistry.Ref, err error) {
	for _, name := range []string{"use-case", "model"} {
		delete(cmd.Flags().Lookup(name).Annotations, cobra.BashCompOneRequiredFlag)
	}
	for i, text := range arguments {
		if refs[i], err = modelregistry.ParseRef(text); err != nil {
			return refs, fmt.Errorf("%w; a version alone needs -u and -m", err)
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
