package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ubunye-go/modelregistry"
)

// deletionCommand makes a command that deletes a version, forbids its deletion,
// or undoes one of these. done is its message; in JSON, the part before the ";".
// It returns the options, so that the caller can define further flags.
func (a *app) deletionCommand(use, short, done string,
	do func(*modelregistry.ModelRegistry, context.Context, modelregistry.Ref, *modelregistry.KeepOptions) error) (*cobra.Command, *modelregistry.KeepOptions) {
	var s subject
	opts := &modelregistry.KeepOptions{}
	cmd := a.command(use, short, func(ctx context.Context, r *modelregistry.ModelRegistry) error {
		ref := s.target()
		if err := do(r, ctx, ref, opts); err != nil {
			return err
		}
		word, _, _ := strings.Cut(done, ";")
		result := struct {
			UseCase string `json:"use_case"`
			Model   string `json:"model_name"`
			Version string `json:"version"`
			Done    string `json:"done"`
		}{ref.Name.UseCase, ref.Name.Model, ref.Version, word}
		return a.show(result, func() string { return fmt.Sprintf("%s: %s\n", escape(ref.String()), done) })
	})
	nameFlags(cmd, &s.name)
	versionFlag(cmd, &s.version, "the `version`, by its number")
	require(cmd, "version")
	s.refFlag(cmd)
	cmd.Flags().Lookup("ref").Usage = "the version as `use_case/model@number`; instead of -u, -m and -v"
	actorFlag(cmd, &opts.Actor, "")
	cmd.Flags().StringVar(&opts.Reason, "reason", "", "`text` for the history")
	return cmd, opts
}

func (a *app) delete() *cobra.Command {
	cmd, opts := a.deletionCommand("delete", "Delete a version; its files stay until they are purged",
		"deleted; purge removes its files", (*modelregistry.ModelRegistry).Delete)
	cmd.Flags().BoolVar(&opts.Force, "force", false, "also a version in production, one that a rollback would restore, one with an alias, or the highest")
	require(cmd, "reason")
	return cmd
}

func (a *app) undelete() *cobra.Command {
	cmd, _ := a.deletionCommand("undelete", "List a deleted version again", "listed again", (*modelregistry.ModelRegistry).Undelete)
	return cmd
}

func (a *app) hold() *cobra.Command {
	cmd, _ := a.deletionCommand("hold", "Forbid the deletion of a version", "held", (*modelregistry.ModelRegistry).Hold)
	require(cmd, "reason")
	return cmd
}

func (a *app) unhold() *cobra.Command {
	cmd, _ := a.deletionCommand("unhold", "End a hold", "not held", (*modelregistry.ModelRegistry).Unhold)
	return cmd
}

func (a *app) deleteModel() *cobra.Command {
	var s subject
	var opts modelregistry.KeepOptions
	var confirm string
	cmd := a.command("delete-model", "Delete all versions of a model", func(ctx context.Context, r *modelregistry.ModelRegistry) error {
		if confirm != s.name.String() {
			return fmt.Errorf("%w option --confirm %q: want %q", modelregistry.ErrInvalid, confirm, s.name)
		}
		if err := r.DeleteModel(ctx, s.name, &opts); err != nil {
			return err
		}
		result := struct {
			UseCase string `json:"use_case"`
			Model   string `json:"model_name"`
			Done    string `json:"done"`
		}{s.name.UseCase, s.name.Model, "deleted"}
		return a.show(result, func() string {
			return fmt.Sprintf("%s: all versions are deleted; purge removes their files\n", escape(s.name.String()))
		})
	})
	nameFlags(cmd, &s.name)
	s.refFlag(cmd)
	actorFlag(cmd, &opts.Actor, "")
	cmd.Flags().StringVar(&opts.Reason, "reason", "", "`text` for the history")
	cmd.Flags().StringVar(&confirm, "confirm", "", "the model again, as `use_case/model`")
	require(cmd, "confirm")
	return cmd
}

func (a *app) retain() *cobra.Command {
	var s subject
	var keep modelregistry.Retention
	var opts modelregistry.RetainOptions
	var last uint
	cmd := a.command("retain", "List the versions that a rule does not keep; with --apply, delete them", func(ctx context.Context, r *modelregistry.ModelRegistry) error {
		keep.KeepLast = int(last)
		var clear func()
		opts.Progress, clear = deletionBar(a.err)
		list, err := r.Retain(ctx, s.name, keep, &opts)
		clear()
		if err != nil && len(list) == 0 {
			return err
		}
		result := struct {
			Applied  bool                            `json:"applied"`
			Versions []modelregistry.RetainedVersion `json:"versions"`
		}{opts.Apply, append([]modelregistry.RetainedVersion{}, list...)}
		show := a.show(result, func() string { return retainText(list, opts.Apply) })
		if err != nil {
			return err
		}
		return show
	})
	cmd.Long = `List for each version whether it is kept, and why; with --apply, delete the
others. A version that is protected is always kept: in production, the one that
a rollback would restore, one with an alias, one that is held, the highest. The
files of deleted versions stay until purge.`
	nameFlags(cmd, &s.name)
	s.refFlag(cmd)
	flags := cmd.Flags()
	flags.UintVar(&last, "keep-last", 0, "keep this `number` of versions that were registered last")
	flags.Func("keep-newer-than", "keep versions that are younger than this `age`, like 36h or 90d", func(text string) (err error) {
		keep.KeepNewerThan, err = parseAge(text)
		return err
	})
	flags.BoolVar(&keep.KeepEverInProduction, "keep-ever-in-production", false, "keep versions that are or were in production")
	flags.StringArrayVar(&keep.KeepTagged, "keep-tagged", nil, "keep versions with a tag of this `key`; repeatable")
	flags.BoolVar(&opts.Apply, "apply", false, "delete; without it the command only lists")
	actorFlag(cmd, &opts.Actor, "")
	flags.StringVar(&opts.Reason, "reason", "", "`text` for the history")
	return cmd
}

func retainText(list []modelregistry.RetainedVersion, applied bool) string {
	t := table{columns: []column{{title: "Version", width: 12}, {title: "Action", width: 10}, {title: "Kept because"}}}
	for _, v := range list {
		action := "delete"
		switch {
		case len(v.Keep) > 0:
			action = "keep"
		case v.Deleted:
			action = "deleted"
		}
		t.add(v.Version, action, orDash(strings.Join(v.Keep, "; ")))
	}
	if !applied {
		return t.String() + "nothing was changed; --apply does it\n"
	}
	return t.String()
}

func (a *app) purge() *cobra.Command {
	var s subject
	var opts modelregistry.PurgeOptions
	cmd := a.command("purge", "List files of deleted versions and of dead registrations; with --apply, remove them", func(ctx context.Context, r *modelregistry.ModelRegistry) error {
		var clear func()
		opts.Progress, clear = deletionBar(a.err)
		report, err := r.Purge(ctx, s.name, &opts)
		clear()
		if err != nil && len(report.Versions)+len(report.Remains) == 0 {
			return err
		}
		result := struct {
			Applied  bool                          `json:"applied"`
			Versions []modelregistry.PurgedVersion `json:"versions"`
			Remains  []modelregistry.PurgedRemains `json:"remains"`
		}{opts.Apply, append([]modelregistry.PurgedVersion{}, report.Versions...), append([]modelregistry.PurgedRemains{}, report.Remains...)}
		show := a.show(result, func() string { return purgeText(report, opts.Apply) })
		if err != nil {
			return err
		}
		return show
	})
	cmd.Long = `List the versions whose files purge would remove, and what failed registrations
left; with --apply, remove them. That can't be undone. The history keeps the
numbers, metrics, metadata, tags and reasons for ever.`
	nameFlags(cmd, &s.name)
	s.refFlag(cmd)
	flags := cmd.Flags()
	flags.Func("older-than", "`age` of a deletion from which files are removed, like 36h or 90d; 0 for all (default 30d)", func(text string) (err error) {
		if opts.Now = slices.Contains([]string{"0", "0s", "0d"}, text); opts.Now {
			opts.OlderThan = 0
			return nil
		}
		opts.OlderThan, err = parseAge(text)
		return err
	})
	flags.BoolVar(&opts.Apply, "apply", false, "remove; without it the command only lists")
	actorFlag(cmd, &opts.Actor, "")
	flags.StringVar(&opts.Reason, "reason", "", "`text` for the history")
	return cmd
}

func purgeText(report modelregistry.PurgeReport, applied bool) string {
	if len(report.Versions)+len(report.Remains) == 0 {
		return "nothing to purge\n"
	}
	action := func(removed bool) string {
		switch {
		case removed:
			return "removed"
		case applied:
			return "left: the next purge removes it"
		}
		return "remove"
	}
	var text string
	if len(report.Versions) > 0 {
		t := table{columns: []column{{title: "Version", width: 12}, {title: "Deleted", width: 20}, {title: "By", width: 10}, {title: "Files", width: 6}, {title: "Bytes", width: 12}, {title: "Action"}}}
		for _, p := range report.Versions {
			t.add(p.Version, shortTime(p.DeletedAt), orDash(p.DeletedBy), fmt.Sprint(p.Files), fmt.Sprint(p.Bytes), action(p.Removed))
		}
		text = t.String()
	}
	if len(report.Remains) > 0 {
		t := table{columns: []column{{title: "Remains", width: 12}, {title: "Path"}, {title: "Files", width: 6}, {title: "Bytes", width: 12}, {title: "Action"}}}
		for _, p := range report.Remains {
			t.add(string(p.Kind), p.Path, fmt.Sprint(p.Files), fmt.Sprint(p.Bytes), action(p.Removed))
		}
		text += t.String()
	}
	if !applied {
		return text + "nothing was changed; --apply does it\n"
	}
	return text
}

func (a *app) du() *cobra.Command {
	var s subject
	cmd := a.command("du", "List how much space models take, in bytes", func(ctx context.Context, r *modelregistry.ModelRegistry) error {
		list := []modelregistry.ModelUsage{}
		var failed []error
		for u, err := range r.Usage(ctx, &modelregistry.UsageOptions{UseCase: s.name.UseCase, Model: s.name.Model}) {
			if err != nil {
				failed = append(failed, err)
				continue
			}
			list = append(list, u)
		}
		switch {
		case len(list) > 0:
		case len(failed) > 0:
			return errors.Join(failed...)
		case s.name != (modelregistry.ModelName{}):
			return fmt.Errorf("models of %s: %w", strings.Trim(s.name.String(), "/"), modelregistry.ErrNotFound)
		}
		err := a.show(list, func() string { return usageText(list, s.name.Model != "") })
		return errors.Join(append(failed, err)...)
	})
	optionalNameFlags(cmd, &s.name)
	s.refFlag(cmd)
	return cmd
}

func usageText(list []modelregistry.ModelUsage, byVersion bool) string {
	t := table{columns: []column{{title: "Model", width: 30}, {title: "Live", width: 12}, {title: "Deleted", width: 12}, {title: "Staging", width: 10}, {title: "Orphans", width: 10}, {title: "Other", width: 10}, {title: "Total"}}}
	for _, u := range list {
		t.add(u.Name.String(), fmt.Sprint(u.Live), fmt.Sprint(u.Deleted), fmt.Sprint(u.Staging), fmt.Sprint(u.Orphans), fmt.Sprint(u.Other), fmt.Sprint(u.Total()))
	}
	if !byVersion || len(list) != 1 {
		return t.String()
	}
	v := table{columns: []column{{title: "Version", width: 12}, {title: "Files", width: 6}, {title: "Bytes", width: 12}, {title: "State"}}}
	for _, u := range list[0].Versions {
		state := "live"
		if u.Deleted {
			state = "deleted"
		}
		v.add(u.Version, fmt.Sprint(u.Files), fmt.Sprint(u.Bytes), state)
	}
	return t.String() + "\n" + v.String()
}
