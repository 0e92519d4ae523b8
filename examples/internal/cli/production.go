package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/ubunye-go/modelregistry"
)

func (a *app) production() *cobra.Command {
	var s subject
	var at time.Time
	stage := modelregistry.Production
	const short = "Show the version in production, now or at some time, since when, and the actor"
	cmd := a.command("production", short, func(ctx context.Context, r *modelregistry.ModelRegistry) error {
		held, err := r.StageAt(ctx, s.name, stage, at)
		if err == nil && len(held) == 0 {
			when := "now"
			if !at.IsZero() {
				when = "at " + shortTime(at)
			}
			err = fmt.Errorf("a version of %s in %s %s: %w", s.name, stage, when, modelregistry.ErrNotFound)
		}
		if err != nil {
			return err
		}
		var result any = held
		if stage == modelregistry.Production { // at most one version is in production
			result = held[0]
		}
		return a.show(result, func() string {
			var b strings.Builder
			for _, t := range held {
				b.WriteString(stagePeriodText(t))
			}
			return b.String()
		})
	})
	nameFlags(cmd, &s.name)
	s.refFlag(cmd)
	timeFlag(cmd, &at, "at", "the `time`: "+timeForms+"; now, if not given")
	cmd.Flags().Func("stage", "another `stage`", func(text string) (err error) {
		stage, err = modelregistry.ParseStage(text)
		return err
	})
	completeWith(cmd, "stage", modelregistry.Development, modelregistry.Staging, modelregistry.Production, modelregistry.Archived)
	return cmd
}

func stagePeriodText(t modelregistry.StagePeriod) string {
	line := func(label string, at time.Time, by string, e *modelregistry.Event) string {
		text := fmt.Sprintf("  %s %s by %s, %s", label, shortTime(at), orDash(by), e.Op)
		if !e.Unrecorded() {
			text += fmt.Sprintf(", event %d", e.Number)
		}
		if e.Reason != "" {
			text += ": " + e.Reason
		}
		return escape(text) + "\n"
	}
	text := escape(fmt.Sprintf("%s@%s", t.Name, t.Version)) + " " + paintStage(escape(string(t.Stage))) + "\n" + line("since", t.Since, t.By, &t.Event)
	if t.End == nil {
		return text + "  until now\n"
	}
	return text + line("until", t.Until, t.End.Actor, t.End)
}
