package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ubunye-go/modelregistry"
)

// queryFlags are the conditions of find and best.
type queryFlags struct {
	query modelregistry.Query
	tags  pairsOfText
}

func (f *queryFlags) define(cmd *cobra.Command) {
	f.tags = pairsOfText{}
	flags := cmd.Flags()
	flags.Func("where", "a condition on a metric, as `'auc>=0.9'`: metric, one of = != < <= > >=, number; repeatable", func(s string) error {
		c, err := modelregistry.ParseMetricCondition(s)
		f.query.Metrics = append(f.query.Metrics, c)
		return err
	})
	flags.Func("tag", "has this tag, as `team=fraud`; repeatable", f.tags.add)
	flags.Func("stage", "is in this `stage`; repeatable, for one of several", func(s string) error {
		stage, err := modelregistry.ParseStage(s)
		f.query.Stages = append(f.query.Stages, stage)
		return err
	})
	completeWith(cmd, "stage", modelregistry.Development, modelregistry.Staging, modelregistry.Production, modelregistry.Archived)
	flags.StringArrayVar(&f.query.Aliases, "alias", nil, "has this `alias`; repeatable, for one of several")
	flags.StringVar(&f.query.RunID, "run-id", "", "was produced by the run with this `id`")
	timeFlag(cmd, &f.query.RegisteredAfter, "since", "was registered at this `time` or later: "+timeForms)
	timeFlag(cmd, &f.query.RegisteredBefore, "until", "was registered before this `time`")
}

func (a *app) find() *cobra.Command {
	var f queryFlags
	var limit uint
	cmd := a.command("find", "List versions of all models that fulfil conditions", func(ctx context.Context, r *modelregistry.ModelRegistry) error {
		f.query.Tags, f.query.Limit = f.tags, int(limit)
		found := []modelregistry.ModelVersion{}
		var failed []error
		for v, err := range r.Find(ctx, &f.query) {
			if err != nil {
				failed = append(failed, err)
				continue
			}
			found = append(found, v)
		}
		if len(found) == 0 && len(failed) > 0 {
			return errors.Join(failed...)
		}
		a.warn(found)
		err := a.show(found, func() string { return foundTable(found, f.query) })
		return errors.Join(append(failed, err)...)
	})
	cmd.Long = `List versions of all models that fulfil all conditions. --use-case and --model
are patterns: * stands for any text, ? for one letter. If a model can't be
read, the others are shown, and the exit status is 1.`
	f.define(cmd)
	flags := cmd.Flags()
	flags.StringVarP(&f.query.UseCase, "use-case", "u", "", "`pattern` of the use case, such as 'fraud*'")
	flags.StringVarP(&f.query.Model, "model", "m", "", "`pattern` of the model")
	flags.StringVar(&f.query.OrderBy, "order-by", "", "order by this `metric`, the lowest first")
	flags.BoolVar(&f.query.Descending, "descending", false, "with --order-by, the highest first")
	flags.UintVar(&limit, "limit", 0, "at most this `number` of versions; 0 for all")
	return cmd
}

// foundTable lists versions with the metrics that the query is about.
func foundTable(found []modelregistry.ModelVersion, q modelregistry.Query) string {
	t := table{columns: []column{
		{title: "Version", width: 30},
		{title: "Stage", width: 14, paint: paintStage},
		{title: "Registered", width: 20},
		{title: "Metrics", width: 20, gap: "  "},
		{title: "Aliases, tags", gap: "  "},
	}}
	for _, v := range found {
		metrics := firstMetrics(v.Metrics)
		if asked := askedMetrics(q, v.Metrics); asked != "" {
			metrics = asked
		}
		names := strings.Trim(strings.Join(v.Aliases, ", ")+"; "+tagsText(v.Tags), "; ")
		t.add(v.String(), string(v.Stage), shortTime(v.RegisteredAt), metrics, orDash(names))
	}
	return t.String()
}

func askedMetrics(q modelregistry.Query, metrics modelregistry.Values) string {
	names := []string{}
	if q.OrderBy != "" {
		names = append(names, q.OrderBy)
	}
	for _, c := range q.Metrics {
		names = append(names, c.Metric)
	}
	var shown []string
	seen := map[string]bool{}
	for _, name := range names {
		if value, ok := metrics.Get(name); ok && !seen[name] {
			shown = append(shown, name+"="+number(value, 3))
			seen[name] = true
		}
	}
	return strings.Join(shown, ", ")
}

func (a *app) best() *cobra.Command {
	var f queryFlags
	var s subject
	var metric string
	var lowest bool
	cmd := a.command("best", "Print the version of a model with the best value of a metric", func(ctx context.Context, r *modelregistry.ModelRegistry) error {
		f.query.Tags = f.tags
		better := modelregistry.Highest
		if lowest {
			better = modelregistry.Lowest
		}
		best, err := r.Best(ctx, s.name, metric, better, &f.query)
		if err != nil {
			return err
		}
		return a.show(best, func() string {
			value, _ := best.Version.Metrics.Get(metric)
			text := fmt.Sprintf("%s: %s=%s (%s)\n", escape(best.Version.String()), escape(metric), escape(plain(value)), paintStage(escape(string(best.Version.Stage))))
			if best.Without > 0 {
				text += fmt.Sprintf("%d versions have no such number\n", best.Without)
			}
			return text
		})
	})
	nameFlags(cmd, &s.name)
	s.refFlag(cmd)
	f.define(cmd)
	cmd.Flags().StringVar(&metric, "metric", "", "`metric` to compare")
	cmd.Flags().BoolVar(&lowest, "lowest", false, "the lowest value is the best")
	require(cmd, "metric")
	return cmd
}
