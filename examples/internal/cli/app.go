// Package cli is the command line of the programs ubunye and ubunye-cloud. It
// parses flags, calls the library and prints the result. The library makes
// every decision. The package must not import a cloud's client library: the
// program ubunye would start several times slower with it.
package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime/debug"
	"strings"

	"github.com/fatih/color"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/examples/internal/program"
)

const defaultStore = ".ubunye/model_store"

// develVersion is the version of a program that was built from a clone.
const develVersion = "(devel)"

// storeVariable is the environment variable that names the store if --store
// does not.
const storeVariable = "UBUNYE_STORE"

// Main runs the command line of this process and returns the exit status. A
// program without a cloud hands command lines for buckets to ubunye-cloud.
func Main(cloud *Cloud) int {
	ctx, stop := program.Context()
	defer stop()
	return Run(ctx, os.Args[1:], color.Output, color.Error, cloud)
}

// Run is Main with the arguments, the output and the messages that it is given.
func Run(ctx context.Context, args []string, out, messages io.Writer, cloud *Cloud) int {
	a := &app{out: out, err: messages, output: outputTable, cloud: cloud, args: args}
	root := a.root()
	root.SetArgs(args)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return program.OK
	}
	err = withHint(cmd, err)
	a.report(err)
	if err := a.showFailure(err); err != nil {
		a.complain(err.Error())
	}
	if !a.wrongUsage(err) {
		return program.Error
	}
	fmt.Fprintf(a.err, "Run '%s --help' for usage.\n", cmd.CommandPath())
	return program.Usage
}

// An app is one run of the program.
type app struct {
	out, err io.Writer
	args     []string
	cloud    *Cloud // nil if this program opens no buckets
	store    string
	cache    string
	output   outputFormat
	parsed   bool // cobra found no fault in the command line
	printed  bool // a result, or a part of one

	oneMachine bool
}

func (a *app) root() *cobra.Command {
	models, lineage := a.models(), a.lineage()
	models.PersistentPreRunE, lineage.PersistentPreRunE = a.prepare, a.prepare
	root := group("ubunye", "Manage the versions of models in a folder or a bucket", models, lineage)
	root.Long = root.Short + `.

The store is the one that --store names, or the environment variable
UBUNYE_STORE. A change without --by is recorded with the environment's USER.

Exit status:
  0  done
  1  refused, not found, not in order (verify), or the system failed
  2  wrong usage

With --output json, a command prints one JSON value: its result, or
{"error": {"code", "message", "gates"}}. The code is one of: usage, refused,
not_found, deleted, exists, protected, conflict, wrong_direction, artifact, damaged, newer_format,
permission, unsupported, uncertain, interrupted, failed.`
	root.Version = buildVersion()
	root.SilenceErrors, root.SilenceUsage = true, true
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error {
		a.findOutput()
		return err
	})
	root.PersistentFlags().StringVarP(&a.store, "store", "s", cmp.Or(os.Getenv(storeVariable), defaultStore), storeUsage)
	root.PersistentFlags().StringVar(&a.cache, "cache", os.Getenv("UBUNYE_CACHE"), cacheUsage)
	root.PersistentFlags().BoolVar(&a.oneMachine, "one-machine", false, "only this machine writes to the folder, although it is in a mounted bucket or on a network file system")
	root.PersistentFlags().Var(&a.output, "output", "`format` of the results: table or json")
	completeWith(root, "output", outputTable, outputJSON)
	return root
}

// findOutput reads --output after a wrong flag, at which pflag stopped.
func (a *app) findOutput() {
	for i, arg := range a.args {
		if arg == "--output=json" || arg == "json" && i > 0 && a.args[i-1] == "--output" {
			a.output = outputJSON
		}
	}
}

// buildVersion returns the version of the module that this program was built
// from, and "(devel)" for a build from a clone without one.
func buildVersion() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return develVersion
}

// completeWith makes the shell complete a flag with fixed values.
func completeWith[T ~string](cmd *cobra.Command, flag string, values ...T) {
	var list []cobra.Completion
	for _, v := range values {
		list = append(list, string(v))
	}
	if err := cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(list, cobra.ShellCompDirectiveNoFileComp)); err != nil {
		panic(err) // the flag was not defined
	}
}

// group makes a command that only has subcommands. It has a Run function, so
// that an unknown subcommand is an error and does not print the help.
func group(use, short string, commands ...*cobra.Command) *cobra.Command {
	g := &cobra.Command{
		Use:   use,
		Short: short,
		// Flags of a misspelt command must not hide the misspelling.
		FParseErrWhitelist: cobra.FParseErrWhitelist{UnknownFlags: true},
		Args:               cobra.ArbitraryArgs, // RunE refuses them
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return fmt.Errorf("%s needs a command", cmd.CommandPath())
			}
			return unknownCommand(cmd, args[0])
		},
	}
	g.AddCommand(commands...)
	return g
}

// prepare runs before each command that opens a store, and before the command
// reads a file: ubunye-cloud may have to read it.
func (a *app) prepare(cmd *cobra.Command, _ []string) error {
	if err := refuseEmpty(cmd); err != nil {
		return err
	}
	inBucket, err := isBucket(a.store)
	if err != nil || !inBucket || a.cloud != nil {
		return err
	}
	a.parsed = true
	return a.handOver()
}

// maxTypos is how many letters of a command may be wrong for a suggestion.
const maxTypos = 2

func unknownCommand(group *cobra.Command, name string) error {
	group.SuggestionsMinimumDistance = maxTypos
	err := fmt.Errorf("unknown command %q for %q", name, group.CommandPath())
	if alike := group.SuggestionsFor(name); len(alike) > 0 {
		err = fmt.Errorf("%w; did you mean %s?", err, strings.Join(alike, " or "))
	}
	return err
}

// refuseEmpty refuses --version "". It is usually an unset shell variable, and
// without a version some commands do something else.
func refuseEmpty(cmd *cobra.Command) (err error) {
	cmd.Flags().Visit(func(f *pflag.Flag) {
		if err == nil && f.Value.Type() == "string" && f.Value.String() == "" {
			err = fmt.Errorf("--%s is empty", f.Name)
		}
	})
	return err
}

func noArguments(_ *cobra.Command, args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("unexpected argument %q", args[0])
	}
	return nil
}

// command makes a command that has flags only, and reads or changes a registry.
func (a *app) command(use, short string, do func(context.Context, *modelregistry.ModelRegistry) error) *cobra.Command {
	return &cobra.Command{
		Use:   use,
		Short: short,
		Args:  noArguments,
		RunE:  func(cmd *cobra.Command, _ []string) error { return a.withRegistry(cmd, do) },
	}
}

// withRegistry opens the store for one command. The store must exist.
func (a *app) withRegistry(cmd *cobra.Command, do func(context.Context, *modelregistry.ModelRegistry) error) error {
	missing, out := exists(a.store), a.out
	if missing != nil {
		a.out = io.Discard // the command prints nothing, but still reports an invalid name
	}
	err := a.withNewRegistry(cmd, func(ctx context.Context, r *modelregistry.ModelRegistry) error {
		return a.orMissing(ctx, r, do(ctx, r))
	})
	if missing == nil {
		return err
	}
	a.out, a.printed = out, false
	if errors.Is(err, modelregistry.ErrInvalid) {
		return err
	}
	return missing
}

// withNewRegistry is withRegistry for a command that may make the store.
func (a *app) withNewRegistry(cmd *cobra.Command, do func(context.Context, *modelregistry.ModelRegistry) error) error {
	a.parsed = true
	r, err := a.open(cmd.Context(), &modelregistry.Options{
		Actor:           currentUser(),
		Logger:          slog.New(warnings{a}),
		ExternalChanges: true, // --follow on a bucket shows every event
		OneMachine:      a.oneMachine,
	})
	if err != nil {
		return err
	}
	return errors.Join(do(cmd.Context(), r), r.Close())
}

// currentUser returns the actor of a command that does not name one. It is
// empty where the system names no user, as in many containers.
func currentUser() string { return cmp.Or(os.Getenv("USER"), os.Getenv("USERNAME")) }
