package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ubunye-go/modelregistry"
)

// keyMetrics is the number of metrics that fit on a line of the list.
const keyMetrics = 4

func (a *app) list() *cobra.Command {
	var s subject
	cmd := a.command("list", "List the versions of a model, or the models of the store", func(ctx context.Context, r *modelregistry.ModelRegistry) error {
		if s.name.UseCase != "" && s.name.Model != "" {
			return a.listVersions(ctx, r, s.name)
		}
		return a.listModels(ctx, r, s.name)
	})
	optionalNameFlags(cmd, &s.name)
	s.refFlag(cmd)
	return cmd
}

func (a *app) listVersions(ctx context.Context, r *modelregistry.ModelRegistry, name modelregistry.ModelName) error {
	list, err := r.ListVersions(ctx, name)
	if err != nil {
		return err
	}
	a.warn(list)
	return a.show(list, func() string {
		t := table{columns: []column{
			{title: "Version", width: 12},
			{title: "Stage", width: 14, paint: paintStage},
			{title: "Registered", width: 28},
			{title: "Key metrics", width: 30, gap: "  "},
		}}
		aliased := slices.ContainsFunc(list, func(v modelregistry.ModelVersion) bool { return len(v.Aliases) > 0 })
		if aliased {
			t.columns = append(t.columns, column{title: "Aliases", gap: "  "})
		}
		for _, v := range list {
			cells := []string{v.Version, string(v.Stage), shortTime(v.RegisteredAt), firstMetrics(v.Metrics)}
			if aliased {
				cells = append(cells, orDash(strings.Join(v.Aliases, ", ")))
			}
			t.add(cells...)
		}
		return t.String()
	})
}

// firstMetrics shows the first numbers among the metrics.
func firstMetrics(metrics modelregistry.Values) string {
	var shown []string
	for name, value := range metrics.All() {
		if _, ok := value.(json.Number); !ok {
			continue
		}
		if len(shown) == keyMetrics {
			shown = append(shown, "…")
			break
		}
		shown = append(shown, name+"="+number(value, 3))
	}
	return orDash(strings.Join(shown, ", "))
}

// A modelSummary is one model in the list of all models.
type modelSummary struct {
	UseCase    string  `json:"use_case"`
	Model      string  `json:"model_name"`
	Versions   int     `json:"versions"`
	Production *string `json:"production"`
}

// listModels lists the models that match the given parts of the name. If a
// model can't be read, the others are shown all the same, and the command
// fails.
func (a *app) listModels(ctx context.Context, r *modelregistry.ModelRegistry, want modelregistry.ModelName) error {
	list := []modelSummary{}
	var failed []error
	for name, err := range r.Models(ctx) {
		if want.UseCase != "" && want.UseCase != name.UseCase || want.Model != "" && want.Model != name.Model {
			continue
		}
		var versions []modelregistry.ModelVersion
		if err == nil {
			versions, err = r.ListVersions(ctx, name)
		}
		if err != nil {
			failed = append(failed, err)
			continue
		}
		list = append(list, summary(name, versions))
	}
	if len(list) == 0 && len(failed) == 0 && want != (modelregistry.ModelName{}) {
		return fmt.Errorf("models of %s: %w", want.UseCase+want.Model, modelregistry.ErrNotFound)
	}
	if len(list) == 0 && len(failed) == 0 && isURL(a.store) {
		return errEmpty
	}
	err := a.show(list, func() string { return modelTable(list) })
	return errors.Join(append(failed, err)...)
}

func summary(name modelregistry.ModelName, versions []modelregistry.ModelVersion) modelSummary {
	s := modelSummary{UseCase: name.UseCase, Model: name.Model, Versions: len(versions)}
	for _, v := range versions {
		if v.Stage == modelregistry.Production {
			s.Production = &v.Version
		}
	}
	return s
}

func modelTable(list []modelSummary) string {
	t := table{columns: []column{
		{title: "Use case", width: 20},
		{title: "Model", width: 20},
		{title: "Versions", width: 8},
		{title: "Production", width: 12},
	}}
	for _, s := range list {
		production := "-"
		if s.Production != nil {
			production = *s.Production
		}
		t.add(s.UseCase, s.Model, strconv.Itoa(s.Versions), production)
	}
	return t.String()
}
