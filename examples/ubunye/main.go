// Command ubunye manages a folder of model versions from the command line. It
// parses flags, calls the library and prints the result. The library makes
// every decision.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/fatih/color"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/examples/internal/program"
)

const defaultStore = ".ubunye/model_store"

func main() { os.Exit(run()) }

func run() int {
	ctx, stop := program.Context()
	defer stop()

	a := &app{out: color.Output, err: color.Error, output: outputTable}
	cmd, err := a.root().ExecuteContextC(ctx)
	if err == nil {
		return program.OK
	}
	a.report(err)
	if !a.wrongUsage(err) {
		return program.Error
	}
	fmt.Fprintf(a.err, "Run '%s --help' for usage.\n", cmd.CommandPath())
	return program.Usage
}

// An app is one run of the program.
type app struct {
	out, err io.Writer
	store    string
	cache    string
	output   outputFormat
	parsed   bool // cobra found no fault in the command line
}

func (a *app) root() *cobra.Command {
	root := group("ubunye", "Manage the versions of models in a folder", a.models(), a.lineage())
	root.Long = root.Short + `.

Exit status:
  0  done
  1  refused, not found, not in order (verify), or the system failed
  2  wrong usage`
	root.SilenceErrors, root.SilenceUsage = true, true
	root.CompletionOptions.DisableDefaultCmd = true
	root.PersistentPreRunE = refuseEmpty
	root.PersistentFlags().StringVarP(&a.store, "store", "s", defaultStore, storeUsage)
	root.PersistentFlags().StringVar(&a.cache, "cache", os.Getenv("UBUNYE_CACHE"), cacheUsage)
	root.PersistentFlags().Var(&a.output, "output", "`format` of the results: table or json")
	return root
}

// group makes a command that only has subcommands. It has a Run function, so
// that an unknown subcommand is an error and does not print the help.
func group(use, short string, commands ...*cobra.Command) *cobra.Command {
	g := &cobra.Command{
		Use:   use,
		Short: short,
		// Flags of a misspelt command must not hide the misspelling.
		FParseErrWhitelist: cobra.FParseErrWhitelist{UnknownFlags: true},
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return fmt.Errorf("%s needs a command", cmd.CommandPath())
			}
			return fmt.Errorf("unknown command %q for %q", args[0], cmd.CommandPath())
		},
	}
	g.AddCommand(commands...)
	return g
}

// refuseEmpty refuses --version "". It is usually an unset shell variable, and
// without a version some commands do something else.
func refuseEmpty(cmd *cobra.Command, _ []string) (err error) {
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
	missing := exists(a.store)
	if missing != nil {
		a.out = io.Discard // the command prints nothing, but still reports an invalid name
	}
	err := a.withNewRegistry(cmd, do)
	if missing != nil && !errors.Is(err, modelregistry.ErrInvalid) {
		return missing
	}
	return err
}

// withNewRegistry is withRegistry for a command that may make the store.
func (a *app) withNewRegistry(cmd *cobra.Command, do func(context.Context, *modelregistry.ModelRegistry) error) error {
	a.parsed = true
	r, err := open(cmd.Context(), a.store, a.cache, &modelregistry.Options{
		Logger:          slog.New(warnings{a}),
		ExternalChanges: true, // --follow on a bucket shows every event
	})
	if err != nil {
		return err
	}
	return errors.Join(do(cmd.Context(), r), r.Close())
}
