package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ubunye-go/modelregistry"
)

func (a *app) models() *cobra.Command {
	return group("models", "Register, inspect and move versions of models",
		a.list(), a.find(), a.best(), a.info(), a.register(), a.promote(), a.demote(), a.rollback(), a.archive(), a.compare(),
		a.gates(), a.alias(), a.tag(), a.describe(), a.hold(), a.unhold(), a.delete(), a.undelete(), a.deleteModel(), a.retain(), a.purge(), a.du(), a.history(), a.production(), a.verify(), a.repair(), a.checkpoint(), a.sweep())
}

// nameFlags adds the flags that name a model, both required.
func nameFlags(cmd *cobra.Command, n *modelregistry.ModelName) {
	optionalNameFlags(cmd, n)
	require(cmd, "use-case", "model")
}

func optionalNameFlags(cmd *cobra.Command, n *modelregistry.ModelName) {
	cmd.Flags().StringVarP(&n.UseCase, "use-case", "u", "", "`name` of the use case")
	cmd.Flags().StringVarP(&n.Model, "model", "m", "", "`name` of the model")
}

func versionFlag(cmd *cobra.Command, version *string, usage string) {
	cmd.Flags().StringVarP(version, "version", "v", "", usage)
}

// actorFlag adds --by, and its longer name if a command has one.
func actorFlag(cmd *cobra.Command, actor *string, longer string) {
	cmd.Flags().StringVar(actor, "by", "", "`name` of the actor, by default the environment's USER")
	if longer != "" {
		cmd.Flags().StringVar(actor, longer, "", "the same as --by `name`")
		cmd.MarkFlagsMutuallyExclusive(longer, "by")
	}
}

func require(cmd *cobra.Command, flags ...string) {
	for _, f := range flags {
		if err := cmd.MarkFlagRequired(f); err != nil {
			panic(err) // the flag was not defined
		}
	}
}

// withHint says that --ref names all parts of a version, if a command has that
// flag and one of the others is missing.
func withHint(cmd *cobra.Command, err error) error {
	if cmd.Flags().Lookup("ref") == nil || !strings.HasPrefix(err.Error(), "required flag(s)") {
		return err
	}
	for _, name := range []string{`"use-case"`, `"model"`, `"version"`} {
		if strings.Contains(err.Error(), name) {
			return fmt.Errorf("%w; or name it with --ref use_case/model@version", err)
		}
	}
	return err
}

func (a *app) info() *cobra.Command {
	var s subject
	cmd := a.command("info", "Print the record of a version or of a model, as JSON", func(ctx context.Context, r *modelregistry.ModelRegistry) error {
		if s.isModel() {
			return a.printFacts(ctx, r, s.name)
		}
		return a.printInfo(ctx, r, s.target())
	})
	nameFlags(cmd, &s.name)
	versionFlag(cmd, &s.version, "`version` to print; without it the aliases, note and gates of the model")
	s.refFlag(cmd)
	return cmd
}

func (a *app) printInfo(ctx context.Context, r *modelregistry.ModelRegistry, ref modelregistry.Ref) error {
	m, err := r.GetModel(ctx, ref, nil)
	if err != nil {
		// The record of a version is still useful when its files are missing,
		// or can't be downloaded.
		v, noRecord := r.GetVersion(ctx, ref)
		if noRecord != nil {
			return err
		}
		a.complain("warning: " + err.Error())
		return a.printVersion(v, "", nil)
	}
	return errors.Join(a.printVersion(m.Version, "path", m.Path), m.Close())
}

func (a *app) printFacts(ctx context.Context, r *modelregistry.ModelRegistry, name modelregistry.ModelName) error {
	facts, err := r.Facts(ctx, name)
	if err != nil {
		return err
	}
	raw, err := json.Marshal(facts)
	if err != nil {
		return err
	}
	return a.printJSON(raw)
}

// printVersion prints a version as the library returns it, followed by a member
// that is not part of it, if that has a name.
func (a *app) printVersion(v modelregistry.ModelVersion, key string, value any) error {
	raw, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if key != "" {
		member, err := json.Marshal(map[string]any{key: value})
		if err != nil {
			return err
		}
		raw = append(append(raw[:len(raw)-1], ','), member[1:]...)
	}
	return a.printJSON(raw)
}
