package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ubunye-go/modelregistry"
)

func (a *app) repair() *cobra.Command {
	var s subject
	var opts modelregistry.RepairOptions
	cmd := a.command("repair", "List the repairs of a model or of the store; with --apply, make them", func(ctx context.Context, r *modelregistry.ModelRegistry) error {
		names, err := toRepair(ctx, r, s.name)
		if err != nil && len(names) == 0 {
			return err
		}
		return errors.Join(a.repairAll(ctx, r, names, &opts), err)
	})
	cmd.Long = `List the repairs of a model, or of all models of the store or of a use case;
with --apply, make them.

Without --apply the exit status is 0 if the repairs can be listed, whether or
not there are any. "ubunye models verify" exits with 1 if something is wrong.
A repair can't restore the files of a version.`
	optionalNameFlags(cmd, &s.name)
	s.refFlag(cmd)
	flags := cmd.Flags()
	flags.BoolVar(&opts.Apply, "apply", false, "make the repairs; replaced files are kept")
	actorFlag(cmd, &opts.Actor, "")
	flags.StringVar(&opts.Reason, "reason", "", "`text` for the history")
	return cmd
}

// toRepair returns the model that the flags name, or else the models in which
// Verify finds something. It also returns an error for models whose names can't
// be read.
func toRepair(ctx context.Context, r *modelregistry.ModelRegistry, name modelregistry.ModelName) (names []modelregistry.ModelName, err error) {
	if name.UseCase != "" && name.Model != "" {
		return []modelregistry.ModelName{name}, nil
	}
	report, err := r.Verify(ctx, &modelregistry.VerifyOptions{UseCase: name.UseCase, Model: name.Model, WithoutArtifacts: true})
	if err != nil {
		return nil, err
	}
	var failed []error
	for _, f := range report.Findings {
		switch {
		case f.Name.Validate() != nil:
			failed = append(failed, errors.New(f.String()))
		case len(names) == 0 || names[len(names)-1] != f.Name: // the findings of a model are together
			names = append(names, f.Name)
		}
	}
	return names, errors.Join(failed...)
}

// A repairAction is an action and the model that it is about.
type repairAction struct {
	UseCase string                   `json:"use_case"`
	Model   string                   `json:"model_name"`
	Kind    modelregistry.RepairKind `json:"kind"`
	Version string                   `json:"version,omitempty"`
	Path    string                   `json:"path,omitempty"`
	Detail  string                   `json:"detail,omitempty"`
	text    string
}

// repairs is the result of the command.
type repairs struct {
	Applied      bool           `json:"applied"`
	Actions      []repairAction `json:"actions"`
	Kept         []string       `json:"kept,omitempty"`
	NoProduction []string       `json:"no_production,omitempty"` // repaired models without a version in production
}

// repairAll repairs models. If one fails, the others are repaired all the same.
func (a *app) repairAll(ctx context.Context, r *modelregistry.ModelRegistry, names []modelregistry.ModelName, opts *modelregistry.RepairOptions) error {
	done := repairs{Actions: []repairAction{}}
	var failed []error
	for _, name := range names {
		report, err := r.Repair(ctx, name, opts)
		if err != nil {
			failed = append(failed, err)
		}
		if report == nil {
			continue
		}
		done.add(name, report)
		if report.Applied && err == nil && withoutProduction(ctx, r, name) {
			done.NoProduction = append(done.NoProduction, name.String())
		}
	}
	if len(failed) > 0 && len(done.Actions) == 0 {
		return errors.Join(failed...)
	}
	return errors.Join(a.show(done, func() string { return done.text(len(names) > 1) }), errors.Join(failed...))
}

func (d *repairs) add(name modelregistry.ModelName, report *modelregistry.RepairReport) {
	d.Applied = d.Applied || report.Applied
	d.Kept = append(d.Kept, report.Kept...)
	for _, act := range report.Actions {
		d.Actions = append(d.Actions, repairAction{name.UseCase, name.Model, act.Kind, act.Version, act.Path, act.Detail, act.String()})
	}
}

// withoutProduction reports whether a model has versions, and none of them is
// in production.
func withoutProduction(ctx context.Context, r *modelregistry.ModelRegistry, name modelregistry.ModelName) bool {
	_, err := r.GetVersion(ctx, name.In(modelregistry.Production))
	if !errors.Is(err, modelregistry.ErrNotFound) {
		return false
	}
	list, err := r.ListVersions(ctx, name)
	return err == nil && len(list) > 0
}

// text names the model of each action if there are several.
func (d *repairs) text(several bool) string {
	if len(d.Actions) == 0 {
		return "nothing to repair\n"
	}
	var b strings.Builder
	for _, act := range d.Actions {
		text := act.text
		if several {
			text = act.UseCase + "/" + act.Model + ": " + text
		}
		fmt.Fprintf(&b, "  %s\n", escape(oneLine(text)))
	}
	for _, path := range d.Kept {
		fmt.Fprintf(&b, "kept %s\n", escape(path))
	}
	for _, name := range d.NoProduction {
		fmt.Fprintf(&b, "%s has no version in production; see its history, and promote one\n", escape(name))
	}
	if !d.Applied {
		b.WriteString("nothing was changed; --apply does it\n")
	}
	return b.String()
}
