package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ubunye-go/modelregistry"
)

// errFound is the error of verify when it found problems. It has printed them.
var errFound = errors.New("the store is not in order; see ubunye models repair")

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
	return errors.Join(err, verdict(report.Problems()))
}

// verdict returns the error of verify for the problems that it found.
func verdict(problems []modelregistry.Finding) error {
	if len(problems) == 0 {
		return nil
	}
	for _, p := range problems {
		if p.Kind != modelregistry.StoreUnreadable {
			return errFound
		}
	}
	return errUnread
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

func (a *app) repair() *cobra.Command {
	var name modelregistry.ModelName
	var opts modelregistry.RepairOptions
	cmd := a.command("repair", "List the repairs of a model; with --apply, make them", func(ctx context.Context, r *modelregistry.ModelRegistry) error {
		report, err := r.Repair(ctx, name, &opts)
		if err != nil {
			return err
		}
		return a.show(repairResult(report), func() string { return repairText(report) })
	})
	cmd.Long = `List the repairs of a model; with --apply, make them.

Without --apply the exit status is 0 if the repairs can be listed, whether or
not there are any. "ubunye models verify" exits with 1 if something is wrong.`
	nameFlags(cmd, &name)
	flags := cmd.Flags()
	flags.BoolVar(&opts.Apply, "apply", false, "make the repairs; replaced files are kept")
	actorFlag(cmd, &opts.Actor, "")
	flags.StringVar(&opts.Reason, "reason", "", "`text` for the history")
	return cmd
}

type repairAction struct {
	Kind    modelregistry.RepairKind `json:"kind"`
	Version string                   `json:"version,omitempty"`
	Path    string                   `json:"path,omitempty"`
	Detail  string                   `json:"detail,omitempty"`
}

func repairResult(report *modelregistry.RepairReport) any {
	actions := []repairAction{}
	for _, act := range report.Actions {
		actions = append(actions, repairAction(act))
	}
	return struct {
		Applied bool           `json:"applied"`
		Actions []repairAction `json:"actions"`
		Kept    []string       `json:"kept,omitempty"`
	}{report.Applied, actions, report.Kept}
}

func repairText(report *modelregistry.RepairReport) string {
	if len(report.Actions) == 0 {
		return "nothing to repair\n"
	}
	var b strings.Builder
	for _, act := range report.Actions {
		fmt.Fprintf(&b, "  %s\n", escape(oneLine(act.String())))
	}
	for _, path := range report.Kept {
		fmt.Fprintf(&b, "kept %s\n", escape(path))
	}
	if !report.Applied {
		b.WriteString("nothing was changed; --apply does it\n")
	}
	return b.String()
}

func oneLine(s string) string { return strings.ReplaceAll(s, "\n", "; ") }
