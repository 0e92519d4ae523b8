package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/ubunye-go/modelregistry"
)

func (a *app) sweep() *cobra.Command {
	var name modelregistry.ModelName
	var opts SweepOptions
	cmd := &cobra.Command{
		Use:   "sweep",
		Short: "List the remains of dead registrations in a bucket; with --apply, clean them up",
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			a.parsed = true
			inBucket, err := isBucket(a.store)
			if err != nil {
				return err
			}
			if !inBucket {
				return fmt.Errorf("sweep %s: %w: the store is not a bucket; remains in a folder are removed by ubunye models purge and repair", a.store, errors.ErrUnsupported)
			}
			s, err := a.openBucket(cmd.Context(), slog.New(warnings{a}))
			if err != nil {
				return err
			}
			return errors.Join(a.sweepAll(cmd.Context(), s, name, opts), s.Close())
		},
	}
	optionalNameFlags(cmd, &name)
	cmd.MarkFlagsRequiredTogether("use-case", "model")
	flags := cmd.Flags()
	flags.BoolVar(&opts.Apply, "apply", false, "clean them up; without it the command only lists")
	opts.OlderThan = day
	flags.Func("older-than", "`age` from which an upload is treated as dead, like 36h or 90d (default 1d); younger uploads may be under way", func(s string) (err error) {
		opts.OlderThan, err = parseAge(s)
		return err
	})
	return cmd
}

// sweepAll sweeps one model, or all models. If it fails, it still prints the
// work that was done before.
func (a *app) sweepAll(ctx context.Context, s Bucket, name modelregistry.ModelName, opts SweepOptions) error {
	var done []Swept
	var err error
	if name != (modelregistry.ModelName{}) {
		done, err = s.Sweep(ctx, name, opts)
	} else {
		done, err = s.SweepAll(ctx, opts)
		if err == nil && len(done) == 0 {
			err = a.orEmpty(ctx, s)
		}
	}
	if err != nil && len(done) == 0 {
		return err
	}
	return errors.Join(a.printSwept(done, opts), err)
}

// orEmpty returns the error of a missing store if a bucket has no model below
// the prefix.
func (a *app) orEmpty(ctx context.Context, s Bucket) error {
	for _, err := range s.Models(ctx) {
		return err
	}
	return noStore(a.store)
}

// A sweptUpload is the JSON form of a Swept.
type sweptUpload struct {
	UseCase string `json:"use_case"`
	Model   string `json:"model_name"`
	Version string `json:"version,omitempty"`
	Upload  string `json:"upload"`
	Objects int    `json:"objects"`

	Unfinished string     `json:"unfinished,omitempty"`
	Bytes      int64      `json:"bytes,omitempty"`
	Newest     *time.Time `json:"newest,omitempty"`
}

func (a *app) printSwept(done []Swept, opts SweepOptions) error {
	result := struct {
		Applied bool          `json:"applied"`
		Uploads []sweptUpload `json:"uploads"`
	}{opts.Apply, []sweptUpload{}}
	for _, d := range done {
		up := sweptUpload{UseCase: d.Name.UseCase, Model: d.Name.Model, Version: d.Version, Upload: d.Upload, Objects: d.Objects}
		if d.Unfinished != "" {
			up.Unfinished, up.Bytes, up.Newest = d.Unfinished, d.Bytes, &d.Newest
		}
		result.Uploads = append(result.Uploads, up)
	}
	return a.show(result, func() string { return sweptText(done, opts.Apply) })
}

func sweptText(done []Swept, applied bool) string {
	if len(done) == 0 {
		return "nothing to sweep\n"
	}
	t := table{columns: []column{{title: "Upload"}, {title: "Objects"}, {title: "Action"}}}
	for _, d := range done {
		if d.Unfinished != "" {
			t.add(d.Unfinished, fmt.Sprintf("%d bytes", d.Bytes), "parts removed: never finished, sent until "+shortTime(d.Newest)+", of "+d.Name.String())
			continue
		}
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
