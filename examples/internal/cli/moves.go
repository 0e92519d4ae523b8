package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/ubunye-go/modelregistry"
)

// A move is one request to change a version's stage, as given by the flags.
type move struct {
	subject
	to     modelregistry.ModelStage
	gates  gateFlags
	opts   modelregistry.MoveOptions
	dryRun bool // for a promotion only
}

// moveCommand makes the command of one move, with the flags that all moves
// have.
func (a *app) moveCommand(mv *move, use, short string,
	do func(context.Context, *modelregistry.ModelRegistry) (modelregistry.ModelVersion, error)) *cobra.Command {
	cmd := a.command(use, short, func(ctx context.Context, r *modelregistry.ModelRegistry) error {
		if mv.dryRun {
			return a.checkPromotion(ctx, r, mv)
		}
		before := lastEvent(ctx, r, mv.name)
		var clear func()
		mv.opts.Progress, clear = progressBar(a.err)
		v, err := do(ctx, r)
		clear()
		if err != nil {
			return err
		}
		return a.showMoved(ctx, r, before, v)
	})
	nameFlags(cmd, &mv.name)
	versionFlag(cmd, &mv.version, "`version` to move")
	mv.refFlag(cmd)
	flags := cmd.Flags()
	actorFlag(cmd, &mv.opts.Actor, "promoted-by")
	flags.StringVar(&mv.opts.Reason, "reason", "", "`text` for the history")
	flags.StringVar(&mv.opts.IfProduction, "if-production", "",
		"move only if this `version` is in production; \"none\" for none")
	return cmd
}

func (mv *move) forceFlag(cmd *cobra.Command, usage string) {
	cmd.Flags().BoolVar(&mv.opts.Force, "force", false, usage)
}

// toFlag adds the required flag --to.
func (mv *move) toFlag(cmd *cobra.Command) {
	cmd.Flags().Func("to", "`stage` to move to", func(s string) (err error) {
		mv.to, err = modelregistry.ParseStage(s)
		return err
	})
	require(cmd, "to")
	completeWith(cmd, "to", modelregistry.Development, modelregistry.Staging, modelregistry.Production, modelregistry.Archived)
}

// lastEvent returns the number of the newest event of a model, so that the
// output can name the stages that versions left since. If it can't be read, the
// move fails, too, and reports the error.
func lastEvent(ctx context.Context, r *modelregistry.ModelRegistry, name modelregistry.ModelName) int64 {
	for e, err := range r.History(ctx, name, &modelregistry.HistoryOptions{Newest: true}) {
		if err != nil || !e.Unrecorded() {
			return e.Number
		}
	}
	return 0
}

// showMoved prints the result of a move: the version, and the one that left
// production for it. before is the last event before the move.
func (a *app) showMoved(ctx context.Context, r *modelregistry.ModelRegistry, before int64, v modelregistry.ModelVersion) error {
	from, archived := v.Stage, []string{}
	for e, err := range r.History(ctx, v.Name, &modelregistry.HistoryOptions{After: before, Versions: []string{v.Version}}) {
		if err != nil || e.Version != v.Version || e.To != v.Stage || e.Refused {
			continue
		}
		from = e.From
		for _, c := range e.Changes {
			if c.From == modelregistry.Production && c.To == modelregistry.Archived && c.Version != v.Version {
				archived = append(archived, c.Version)
			}
		}
	}
	if a.output == outputJSON {
		return a.printVersion(v, "archived", archived)
	}
	text := moved(from, v)
	for _, version := range archived {
		text += fmt.Sprintf("%s: %s → %s\n", escape(v.Name.At(version).String()),
			paintStage(string(modelregistry.Production)), paintStage(string(modelregistry.Archived)))
	}
	return a.print(text)
}

func moved(from modelregistry.ModelStage, v modelregistry.ModelVersion) string {
	subject, to := escape(v.String()), paintStage(escape(string(v.Stage)))
	if from == v.Stage {
		return fmt.Sprintf("%s: already in %s\n", subject, to)
	}
	return fmt.Sprintf("%s: %s → %s\n", subject, paintStage(escape(string(from))), to)
}

func (a *app) promote() *cobra.Command {
	var mv move
	cmd := a.moveCommand(&mv, "promote", "Move a version up to a stage, through the gates",
		func(ctx context.Context, r *modelregistry.ModelRegistry) (v modelregistry.ModelVersion, err error) {
			if mv.opts.Gates, err = mv.gates.read(); err != nil {
				return v, err
			}
			return r.Promote(ctx, mv.target(), mv.to, &mv.opts)
		})
	mv.toFlag(cmd)
	mv.gates.define(cmd, "for this promotion")
	cmd.Flags().BoolVar(&mv.dryRun, "dry-run", false, "print the decision and change nothing; exit status 1 if it is a refusal")
	cmd.Flags().BoolVar(&mv.opts.SkipGates, "skip-gates", false, "promote without checking any gate; needs --reason")
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if mv.opts.SkipGates && mv.opts.Reason == "" {
			return errors.New("--skip-gates needs --reason")
		}
		return noArguments(cmd, args)
	}
	cmd.MarkFlagsMutuallyExclusive("skip-gates", "gate")
	cmd.MarkFlagsMutuallyExclusive("skip-gates", "gates")
	require(cmd, "version")
	return cmd
}

func (a *app) demote() *cobra.Command {
	var mv move
	cmd := a.moveCommand(&mv, "demote", "Move a version down to a stage",
		func(ctx context.Context, r *modelregistry.ModelRegistry) (modelregistry.ModelVersion, error) {
			return r.Demote(ctx, mv.target(), mv.to, &mv.opts)
		})
	mv.forceFlag(cmd, "with --to archived, also a version that an alias names")
	mv.toFlag(cmd)
	require(cmd, "version")
	return cmd
}

func (a *app) archive() *cobra.Command {
	var mv move
	cmd := a.moveCommand(&mv, "archive", "Take a version out of use",
		func(ctx context.Context, r *modelregistry.ModelRegistry) (modelregistry.ModelVersion, error) {
			return r.Archive(ctx, mv.target(), &mv.opts)
		})
	mv.forceFlag(cmd, "also a version that an alias names")
	require(cmd, "version")
	return cmd
}

func (a *app) rollback() *cobra.Command {
	var mv move
	cmd := a.moveCommand(&mv, "rollback", "Put a version back into production, by default the one before",
		func(ctx context.Context, r *modelregistry.ModelRegistry) (modelregistry.ModelVersion, error) {
			if mv.isModel() {
				return r.Rollback(ctx, mv.name, &mv.opts)
			}
			return r.RollbackTo(ctx, mv.target(), &mv.opts)
		})
	mv.forceFlag(cmd, "also a version that never was in production")
	return cmd
}
