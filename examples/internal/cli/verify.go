package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

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
	var s subject
	var opts modelregistry.VerifyOptions
	cmd := a.command("verify", "Check histories, documents and the digests of every file", func(ctx context.Context, r *modelregistry.ModelRegistry) error {
		opts.UseCase, opts.Model = s.name.UseCase, s.name.Model
		if ref := s.target(); ref != s.name.At("") {
			opts.Ref = ref
		}
		return a.printVerify(ctx, r, opts)
	})
	cmd.Long = `Check histories, documents and the digests of every file. The exit status is 1
if something is wrong; notices alone leave it 0.

An interrupt ends the command, which then shows what it has checked. A history
and its registry.json are always checked whole, also with --version or --after.`
	optionalNameFlags(cmd, &s.name)
	versionFlag(cmd, &s.version, "only the files of this `version`")
	s.refFlag(cmd)
	cmd.Flags().Int64Var(&opts.After, "after", 0, "only versions that changed after this `event` of the model's history")
	cmd.MarkFlagsMutuallyExclusive("after", "version")
	cmd.Flags().BoolVar(&opts.WithoutArtifacts, "without-artifacts", false, "leave the files of versions alone")
	return cmd
}

func (a *app) printVerify(ctx context.Context, r *modelregistry.ModelRegistry, opts modelregistry.VerifyOptions) error {
	show, clear := statusLine(a.err)
	if show != nil {
		opts.Progress = func(p modelregistry.VerifyProgress) {
			show(func(elapsed time.Duration) string { return verifyBar(p, elapsed) })
		}
	}
	report, err := r.Verify(ctx, &opts)
	clear()
	interrupted := err != nil && errors.Is(err, ctx.Err())
	switch {
	case err == nil && len(report.Models) == 0 && len(report.Findings) == 0 && isURL(a.store):
		return errEmpty
	case err != nil && !interrupted && (report == nil || len(report.Findings) == 0):
		return err
	}
	result := verified{Models: len(report.Models), Versions: report.Versions, Findings: append([]modelregistry.Finding{}, report.Findings...)}
	if interrupted {
		result.Interrupted = true
		for _, name := range report.Models {
			result.Complete = append(result.Complete, name.String())
		}
	}
	shown := a.show(result, func() string { return result.text() })
	if err == nil {
		err = verdict(report.Problems(), isURL(a.store))
	}
	return errors.Join(shown, err)
}

// verified is the result of the command.
type verified struct {
	Models      int                     `json:"models"`
	Versions    int                     `json:"versions"`
	Findings    []modelregistry.Finding `json:"findings"`
	Interrupted bool                    `json:"interrupted,omitempty"`
	Complete    []string                `json:"complete,omitempty"` // the models that were checked to the end before the interrupt
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

func (v *verified) text() string {
	var b strings.Builder
	problems := 0
	for _, f := range v.Findings {
		mark := "·"
		if !f.Kind.Notice() {
			mark = "✗"
			problems++
		}
		fmt.Fprintf(&b, "  %s %s\n", mark, escape(oneLine(f.String())))
	}
	if v.Interrupted {
		b.WriteString("interrupted; until then, ")
	}
	fmt.Fprintf(&b, "%s and %s checked: %s, %s\n", count(v.Models, "model"), count(v.Versions, "version"),
		count(problems, "problem"), count(len(v.Findings)-problems, "notice"))
	if n := len(v.Complete); n > 0 {
		fmt.Fprintf(&b, "complete: %s", escape(v.Complete[0]))
		if n > 1 {
			fmt.Fprintf(&b, " to %s", escape(v.Complete[n-1]))
		}
		b.WriteString("\n")
	}
	return b.String()
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

func oneLine(s string) string { return strings.ReplaceAll(s, "\n", "; ") }
