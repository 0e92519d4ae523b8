package cli

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ubunye-go/modelregistry"
)

func (a *app) alias() *cobra.Command {
	return group("alias", "Give versions names that move", a.setAlias(), a.removeAlias(), a.listAliases())
}

// aliasFlags are the flags of the commands that change aliases.
type aliasFlags struct {
	subject
	opts modelregistry.AliasOptions
	when pairsOfText
}

func (f *aliasFlags) define(cmd *cobra.Command) {
	f.when = pairsOfText{}
	nameFlags(cmd, &f.name)
	f.refFlag(cmd)
	actorFlag(cmd, &f.opts.Actor, "")
	cmd.Flags().StringVar(&f.opts.Reason, "reason", "", "`text` for the history")
	cmd.Flags().Func("if", "only if an alias names this version, as `champion=1.3.0`; champion= for none; repeatable", f.when.add)
}

func (a *app) setAlias() *cobra.Command {
	var f aliasFlags
	set := pairsOfText{}
	cmd := a.command("set ALIAS=VERSION…", "Make aliases name versions, all in one change", func(ctx context.Context, r *modelregistry.ModelRegistry) error {
		return a.changeAliases(ctx, r, &f, set)
	})
	cmd.Args = func(_ *cobra.Command, args []string) error {
		for _, arg := range args {
			if err := set.add(arg); err != nil {
				return err
			}
			if alias, version, _ := strings.Cut(arg, "="); version == "" {
				return fmt.Errorf("%q names no version; use 'ubunye models alias rm %s'", arg, alias)
			}
		}
		if len(args) == 0 {
			return errors.New("want ALIAS=VERSION, such as champion=1.4.0")
		}
		return nil
	}
	f.define(cmd)
	return cmd
}

func (a *app) removeAlias() *cobra.Command {
	var f aliasFlags
	var names []string
	cmd := a.command("rm ALIAS…", "Remove aliases, all in one change", func(ctx context.Context, r *modelregistry.ModelRegistry) error {
		facts, err := r.Facts(ctx, f.name)
		if err != nil {
			return err
		}
		set := pairsOfText{}
		for _, alias := range names {
			if _, conditional := f.when[alias]; facts.Aliases[alias] == "" && !conditional {
				return &modelregistry.Error{Op: "remove alias", Ref: f.name.Aliased(alias), Err: modelregistry.ErrNotFound}
			}
			set[alias] = ""
		}
		return a.changeAliases(ctx, r, &f, set)
	})
	cmd.Args = func(_ *cobra.Command, args []string) error {
		if names = args; len(args) == 0 {
			return errors.New("want an alias")
		}
		return nil
	}
	f.define(cmd)
	return cmd
}

func (a *app) changeAliases(ctx context.Context, r *modelregistry.ModelRegistry, f *aliasFlags, set map[string]string) error {
	f.opts.If = f.when
	if err := r.SetAliases(ctx, f.name, set, &f.opts); err != nil {
		return err
	}
	return a.show(aliasChange{f.name.UseCase, f.name.Model, set}, func() string {
		var b strings.Builder
		for _, alias := range slices.Sorted(maps.Keys(set)) {
			if subject := escape(f.name.Aliased(alias).String()); set[alias] == "" {
				fmt.Fprintf(&b, "%s: removed\n", subject)
			} else {
				fmt.Fprintf(&b, "%s: %s\n", subject, escape(set[alias]))
			}
		}
		return b.String()
	})
}

// An aliasChange is the JSON form of what an alias command did. An alias that
// was removed has the empty version.
type aliasChange struct {
	UseCase string            `json:"use_case"`
	Model   string            `json:"model_name"`
	Aliases map[string]string `json:"aliases"`
}

func (a *app) listAliases() *cobra.Command {
	var s subject
	cmd := a.command("list", "List the aliases of a model", func(ctx context.Context, r *modelregistry.ModelRegistry) error {
		facts, err := r.Facts(ctx, s.name)
		if err != nil {
			return err
		}
		aliases := facts.Aliases
		if aliases == nil {
			aliases = map[string]string{}
		}
		return a.show(aliasChange{s.name.UseCase, s.name.Model, aliases}, func() string {
			t := table{columns: []column{{title: "Alias", width: 20}, {title: "Version"}}}
			for _, alias := range slices.Sorted(maps.Keys(aliases)) {
				t.add(alias, aliases[alias])
			}
			return t.String()
		})
	})
	nameFlags(cmd, &s.name)
	s.refFlag(cmd)
	return cmd
}

// pairsOfText collects NAME=TEXT.
type pairsOfText map[string]string

func (p pairsOfText) add(s string) error {
	name, text, found := strings.Cut(s, "=")
	if !found || name == "" {
		return fmt.Errorf("%q: want NAME=TEXT", s)
	}
	if _, twice := p[name]; twice {
		return fmt.Errorf("%s is given twice", name)
	}
	p[name] = text
	return nil
}
