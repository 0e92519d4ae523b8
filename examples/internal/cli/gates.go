package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/ubunye-go/modelregistry"
)

func (a *app) gates() *cobra.Command {
	return group("gates", "Change the gates that are stored with versions and models", a.setGates())
}

func (a *app) setGates() *cobra.Command {
	var s subject
	var gates gateFlags
	var opts modelregistry.GatesOptions
	var none bool
	cmd := a.command("set", "Replace the stored gates of a version, or of all versions of a model", func(ctx context.Context, r *modelregistry.ModelRegistry) error {
		given, err := gates.read()
		if err != nil {
			return err
		}
		if s.isModel() {
			if err := r.SetModelGates(ctx, s.name, given, &opts); err != nil {
				return err
			}
			facts, err := r.Facts(ctx, s.name)
			if err != nil {
				return err
			}
			return a.showGates(s.name.String(), facts.Gates)
		}
		v, err := r.SetGates(ctx, s.target(), given, &opts)
		if err != nil {
			return err
		}
		return a.showGates(v.String(), v.Gates)
	})
	cmd.Long = `Replace the stored gates of a version, or, without a version, those of all
versions of its model. The history keeps the gates that were stored before.`
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if given := cmd.Flags().Changed("gate") || cmd.Flags().Changed("gates"); !given && !none {
			return errors.New("want --gate, --gates or --none")
		}
		return noArguments(cmd, args)
	}
	nameFlags(cmd, &s.name)
	versionFlag(cmd, &s.version, "the `version`; without it the gates of the model")
	s.refFlag(cmd)
	gates.define(cmd, "to store")
	cmd.Flags().BoolVar(&none, "none", false, "store no gates")
	cmd.MarkFlagsMutuallyExclusive("none", "gate")
	cmd.MarkFlagsMutuallyExclusive("none", "gates")
	actorFlag(cmd, &opts.Actor, "")
	cmd.Flags().StringVar(&opts.Reason, "reason", "", "`text` for the history")
	require(cmd, "reason")
	return cmd
}

// showGates prints the gates that are stored now.
func (a *app) showGates(subject string, gates modelregistry.PromotionGate) error {
	return a.show(gates, func() string { return fmt.Sprintf("%s: gates %s\n", escape(subject), escape(gatesText(gates))) })
}
