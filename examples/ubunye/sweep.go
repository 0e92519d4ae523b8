package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/objectstore"
)

func (a *app) sweep() *cobra.Command {
	var name modelregistry.ModelName
	opts := objectstore.SweepOptions{}
	cmd := &cobra.Command{
		Use:   "sweep",
		Short: "List the remains of dead registrations in a bucket; with --apply, clean them up",
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			a.parsed = true
			s, err := openBucket(cmd.Context(), a.store, a.cache, slog.New(warnings{a}))
			if err != nil {
				return err
			}
			if s == nil {
				return fmt.Errorf("sweep %s: %w: the store is not a bucket; remains in a folder are removed by ubunye models repair", a.store, errors.ErrUnsupported)
			}
			return errors.Join(a.sweepAll(cmd.Context(), s, name, &opts), s.Close())
		},
	}
	optionalNameFlags(cmd, &name)
	cmd.MarkFlagsRequiredTogether("use-case", "model")
	flags := cmd.Flags()
	flags.BoolVar(&opts.Apply, "apply", false, "clean them up; without it the command only lists")
	opts.OlderThan = day
	flags.Func("older-than", "`age` from which an upload is taken for dead, like 36h or 90d (default 1d); younger uploads may be under way", func(s string) (err error) {
		opts.OlderThan, err = parseAge(s)
		return err
	})
	return cmd
}

// sweepAll sweeps one model, or all models. If it fails, it still prints the
// work that was done before.
func (a *app) sweepAll(ctx context.Context, s *objectstore.Store, name modelregistry.ModelName, opts *objectstore.SweepOptions) error {
	if name != (modelregistry.ModelName{}) {
		done, err := s.Sweep(ctx, name, opts)
		if err != nil && len(done) == 0 {
			return err
		}
		return errors.Join(a.printSwept(done, opts), err)
	}
	var all []objectstore.Swept
	var errs []error
	found := false
	for name, err := range s.Models(ctx) {
		found = true
		if err == nil {
			var done []objectstore.Swept
			done, err = s.Sweep(ctx, modelregistry.ModelName(name), opts)
			all = append(all, done...)
		}
		errs = append(errs, err)
	}
	if !found {
		return noStore(a.store)
	}
	err := errors.Join(errs...)
	if err != nil && len(all) == 0 {
		return err
	}
	return errors.Join(a.printSwept(all, opts), err)
}

// A sweptUpload is the JSON form of a Swept.
type sweptUpload struct {
	UseCase string `json:"use_case"`
	Model   string `json:"model_name"`
	Version string `json:"version,omitempty"`
	Upload  string `json:"upload"`
	Objects int    `json:"objects"`
}

func (a *app) printSwept(done []objectstore.Swept, opts *objectstore.SweepOptions) error {
	result := struct {
		Applied bool          `json:"applied"`
		Uploads []sweptUpload `json:"uploads"`
	}{opts.Apply, []sweptUpload{}}
	for _, d := range done {
		result.Uploads = append(result.Uploads, sweptUpload{d.Name.UseCase, d.Name.Model, d.Version, d.Upload, d.Objects})
	}
	return a.show(result, func() string { return sweptText(done, opts.Apply) })
}

func sweptText(done []objectstore.Swept, applied bool) string {
	if len(done) == 0 {
		return "nothing to sweep\n"
	}
	t := table{columns: []column{{title: "Upload"}, {title: "Objects"}, {title: "Action"}}}
	for _, d := range done {
		what := "removed: no version of " + d.Name.String()
		if d.Version != "" {
			what = "put in place: " + d.Name.At(d.Version).String()
		}
		t.add(d.Upload, strconv.Itoa(d.Objects), what)
	}
	if !applied {
		return t.String() + "nothing was changed; --apply does it\n"
	}
	return t.String()
}
