package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/ubunye-go/modelregistry"
)

func (a *app) checkpoint() *cobra.Command {
	var s subject
	cmd := a.command("checkpoint", "Bring registry.json of a model up to date", func(ctx context.Context, r *modelregistry.ModelRegistry) error {
		if err := r.Checkpoint(ctx, s.name); err != nil {
			return err
		}
		result := struct {
			UseCase string `json:"use_case"`
			Model   string `json:"model_name"`
		}{s.name.UseCase, s.name.Model}
		return a.show(result, func() string { return "registry.json of " + escape(s.name.String()) + " is up to date\n" })
	})
	cmd.Long = `Bring registry.json of a model up to date with its history.

A program that keeps registry.json from being rewritten at each change leaves it
behind the history. jq and Python then read an older state of the model.`
	nameFlags(cmd, &s.name)
	s.refFlag(cmd)
	return cmd
}
