package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ubunye-go/modelregistry"
)

// A foundError is the error of verify when it found problems. It has printed
// them. The hints say what helps.
type foundError struct{ hints []string }

func (e *foundError) Error() string { return "the store is not in order" }

// errUnread is the error of verify when parts of the store could not be read
// and the others are in order. There is nothing to repair then.
var errUnread = errors.New("parts of the store could not be read, so they were not checked")

func (a *app) verify() *cobra.Command {
	var name modelregistry.ModelName
	var opts modelregistry.VerifyOptions
	cmd := a.command("verify", "Check histories, documents and the digests of every file", func(ctx context.Context, r *modelregistry.ModelRegistry) error {
		opts.UseCase, opts.Model = name.UseCase, name.Model
		return a.printVerify(ctx, r, opts)
	})
	cmd.Long = `Check histories, documents and the digests of every file. The exit status is 1
if something is wrong; notices alone leave it 0.`
	optionalNameFlags(cmd, &name)
	cmd.Flags().BoolVar(&opts.WithoutArtifacts, "without-artifacts", false, "leave the files of versions alone")
	return cmd
}

func (a *app) printVerify(ctx context.Context, r *modelregistry.ModelRegistry, opts modelregistry.VerifyOptions) error {
	draw, clear := progressBar(a.err)
	if draw != nil {
		opts.Progress = func(p modelregistry.VerifyProgress) { draw(p.Files) }
	}
	report, err := r.Verify(ctx, &opts)
	clear()
	if err == nil && report.Models == 0 && len(report.Findings) == 0 && isURL(a.store) {
		err = errEmpty
	}
	if err != nil {
		return err
	}
	result := struct {
		Models   int                     `json:"models"`
		Versions int                     `json:"versions"`
		Findings []modelregistry.Finding `json:"findings"`
	}{report.Models, report.Versions, append([]modelregistry.Finding{}, report.Findings...)}
	err = a.show(result, func() string { return verifyText(report) })
	return errors.Join(err, verdict(report.Problems(), isURL(a.store)))
}

// verdict returns the error of verify for the problems that it found.
func verdict(problems []modelregistry.Finding, inBucket bool) error {
	if len(problems) == 0 {
		return nil
	}
	for _, p := range problems {
		if p.Kind != modelregistry.StoreUnreadable {
			return &foundError{whatHelps(problems, inBucket)}
		}
	}
	return errUnread
}

// whatHelps returns a line for each kind of help that the problems need.
func whatHelps(problems []modelregistry.Finding, inBucket bool) (hints []string) {
	repair := "Run 'ubunye models repair' to see what a repair would do."
	if inBucket {
		repair = "Repair needs a folder: copy the prefix to disk, repair the copy, and copy it to a new prefix."
	}
	for _, p := range problems {
		hint := repair
		switch p.Kind {
		case modelregistry.ArtifactMissing, modelregistry.ArtifactDamaged, modelregistry.ManifestDamaged:
			hint = "A repair can't restore files of versions: restore them from a backup, or register the model again as a new version."
		case modelregistry.EntryUnreadable:
			hint = "What can't be read of a version is not repaired: correct it in registry.json, or replace its gates by 'ubunye models gates set'."
		case modelregistry.StoreUnreadable:
			hint = "Parts of the store could not be read, so they were not checked."
		}
		if !slices.Contains(hints, hint) {
			hints = append(hints, hint)
		}
	}
	return hints
}

func verifyText(report *modelregistry.VerifyReport) string {
	var b strings.Builder
	for _, f := range report.Findings {
		mark := "✗"
		if f.Kind.Notice() {
			mark = "·"
		}
		fmt.Fprintf(&b, "  %s %s\n", mark, escape(oneLine(f.String())))
	}
	problems := len(report.Problems())
	fmt.Fprintf(&b, "%s and %s checked: %s, %s\n", count(report.Models, "model"), count(report.Versions, "version"),
		count(problems, "problem"), count(len(report.Findings)-problems, "notice"))
	return b.String()
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

func oneLine(s string) string { return strings.ReplaceAll(s, "\n", "; ") }
