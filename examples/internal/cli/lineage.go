package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/ubunye-go/modelregistry"
)

func (a *app) lineage() *cobra.Command {
	return group("lineage", "Follow models back to the runs that produced them", a.lineageShow())
}

func (a *app) lineageShow() *cobra.Command {
	var runID string
	cmd := a.command("show", "List the versions that a run produced", func(ctx context.Context, r *modelregistry.ModelRegistry) error {
		return a.showRun(ctx, r, runID)
	})
	cmd.Flags().StringVar(&runID, "run-id", "", "`id` of the run")
	require(cmd, "run-id")
	return cmd
}

func (a *app) showRun(ctx context.Context, r *modelregistry.ModelRegistry, runID string) error {
	list, err := r.VersionsOfRun(ctx, runID)
	if len(list) == 0 {
		if err == nil {
			err = fmt.Errorf("versions of run %s: %w", runID, modelregistry.ErrNotFound)
		}
		return err
	}
	a.warn(list)
	// Versions found before a model that can't be read are still shown.
	return errors.Join(err, a.show(list, func() string { return runTable(list) }))
}

func runTable(list []modelregistry.ModelVersion) string {
	t := table{columns: []column{
		{title: "Model", width: 30},
		{title: "Version", width: 12},
		{title: "Stage", width: 14, paint: paintStage},
		{title: "Code revision", width: 14},
		{title: "Config hash", width: 14},
		{title: "Registered", width: 20},
	}}
	for _, v := range list {
		t.add(v.Name.String(), v.Version, string(v.Stage), orDash(v.SourceRevision), orDash(v.ConfigHash), shortTime(v.RegisteredAt))
	}
	return t.String()
}
