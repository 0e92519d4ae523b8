package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ubunye-go/modelregistry"
)

// historyFlags are the flags of history besides those that name the model.
type historyFlags struct {
	subject
	opts   modelregistry.HistoryOptions
	oldest bool
	max    uint
}

func (a *app) history() *cobra.Command {
	var f historyFlags
	cmd := a.command("history", "List the events of a model, newest first", func(ctx context.Context, r *modelregistry.ModelRegistry) error {
		if err := f.find(ctx, r); err != nil {
			return err
		}
		if f.version != "" {
			f.opts.Versions = []string{f.version}
		}
		if f.opts.Follow {
			return a.followHistory(ctx, r, f)
		}
		return a.printHistory(ctx, r, f)
	})
	nameFlags(cmd, &f.name)
	versionFlag(cmd, &f.version, "only events of this `version`")
	f.refFlag(cmd)
	flags := cmd.Flags()
	flags.Func("op", "only this `operation`: register, promote, demote, rollback, archive, gates, alias, annotate, delete, undelete, purge, hold, unhold, foreign, import or repair; repeatable", func(s string) error {
		op := modelregistry.Operation(s)
		if !knownOps[op] {
			return errors.New("there is no such operation")
		}
		f.opts.Ops = append(f.opts.Ops, op)
		return nil
	})
	completeWith(cmd, "op", slices.Sorted(maps.Keys(knownOps))...)
	timeFlag(cmd, &f.opts.Since, "since", "only from this `time` on: "+timeForms)
	timeFlag(cmd, &f.opts.Until, "until", "only before this `time`")
	flags.UintVarP(&f.max, "max", "n", 0, "at most this number of `events`; 0 for all")
	flags.BoolVar(&f.oldest, "reverse", false, "oldest first")
	flags.BoolVarP(&f.opts.Follow, "follow", "f", false, "oldest first, then each new event until interrupted; in JSON, one event per line")
	cmd.MarkFlagsMutuallyExclusive("follow", "max")
	return cmd
}

var knownOps = map[modelregistry.Operation]bool{
	modelregistry.OpRegister: true, modelregistry.OpPromote: true, modelregistry.OpDemote: true, modelregistry.OpRollback: true,
	modelregistry.OpArchive: true, modelregistry.OpGates: true, modelregistry.OpAlias: true, modelregistry.OpAnnotate: true,
	modelregistry.OpDelete: true, modelregistry.OpUndelete: true, modelregistry.OpPurge: true, modelregistry.OpHold: true, modelregistry.OpUnhold: true, modelregistry.OpForeign: true, modelregistry.OpImport: true, modelregistry.OpRepair: true,
}

// printHistory prints the events that can be read, and returns an error if some
// can't.
func (a *app) printHistory(ctx context.Context, r *modelregistry.ModelRegistry, f historyFlags) error {
	f.opts.Newest = !f.oldest
	events := []modelregistry.Event{}
	var failed []error
	for e, err := range r.History(ctx, f.name, &f.opts) {
		if err != nil {
			failed = append(failed, err)
			continue
		}
		events = append(events, e)
		if f.max > 0 && uint(len(events)) == f.max {
			break
		}
	}
	if len(events) == 0 && len(failed) > 0 {
		return errors.Join(failed...)
	}
	if len(events) == 0 && f.version != "" { // does the version exist?
		if _, err := r.GetVersion(ctx, f.name.At(f.version)); err != nil && !errors.Is(err, modelregistry.ErrDeleted) {
			return err
		}
	}
	err := a.show(events, func() string {
		t := historyTable()
		for _, e := range events {
			t.add(eventCells(e)...)
		}
		return t.String()
	})
	return errors.Join(append(failed, err)...)
}

// followHistory prints each event as it comes. The widths of its columns are
// fixed, because later events are not known yet.
func (a *app) followHistory(ctx context.Context, r *modelregistry.ModelRegistry, f historyFlags) error {
	var failed []error
	head := a.output == outputTable // is printed with the first event, because there may be an error instead
	for e, err := range r.History(ctx, f.name, &f.opts) {
		var text string
		switch {
		case errors.Is(err, modelregistry.ErrNotFound): // no event comes after it
			return err
		case err != nil:
			a.complain(err.Error())
			failed = append(failed, err)
			continue
		case a.output == outputTable:
			t := historyTable()
			t.add(eventCells(e)...)
			if text = t.String(); !head {
				text = text[strings.LastIndexByte(text[:len(text)-1], '\n')+1:]
			}
			head = false
		default:
			raw, err := json.Marshal(e)
			if err != nil {
				return err
			}
			text = escapeJSON(string(raw)) + "\n"
		}
		if err := a.print(text); err != nil {
			return err
		}
	}
	if len(failed) > 0 {
		return fmt.Errorf("history of %s: some events could not be read", f.name)
	}
	return nil
}

func historyTable() table {
	return table{columns: []column{
		{title: "Event", width: 5},
		{title: "Time", width: 20},
		{title: "Operation", width: 9},
		{title: "By", width: 10},
		{title: "Changes", width: 40, gap: "  "},
		{title: "Reason", width: 20, gap: "  "},
	}}
}

func eventCells(e modelregistry.Event) []string {
	number := strconv.FormatInt(e.Number, 10)
	if e.Unrecorded() {
		number = "-" // the next change gives the event a number
	}
	return []string{number, shortTime(e.Time), string(e.Op), orDash(e.Actor), eventChanges(e), orDash(e.Reason)}
}

// maxChanges is the number of versions that a line of the table names. A repair
// may change every version; JSON lists them all.
const maxChanges = 10

func eventChanges(e modelregistry.Event) string {
	var parts []string
	if e.Refused {
		var gates []string
		for _, g := range e.Gates {
			if !g.Passed {
				gates = append(gates, g.Name)
			}
		}
		parts = append(parts, fmt.Sprintf("%s: %s → %s refused by %s", e.Version, e.From, e.To, orDash(strings.Join(gates, ", "))))
	}
	for i, c := range e.Changes {
		if i == maxChanges {
			parts = append(parts, fmt.Sprintf("… and %d more", len(e.Changes)-i))
			break
		}
		parts = append(parts, changeText(c))
	}
	if e.VersionGates != nil {
		parts = []string{fmt.Sprintf("%s: gates %s", e.Version, gatesText(*e.VersionGates))} // instead of an edited entry
	}
	if e.ModelGates != nil {
		parts = append(parts, "gates of the model: "+gatesText(*e.ModelGates))
	}
	for _, c := range e.Aliases {
		parts = append(parts, "alias "+c.String())
	}
	if len(e.Purged) > 0 {
		n := min(len(e.Purged), maxChanges)
		text := "files given up of " + strings.Join(e.Purged[:n], ", ")
		if more := len(e.Purged) - n; more > 0 {
			text += fmt.Sprintf(" and %d more", more)
		}
		parts = append(parts, text)
	}
	switch e.Op { // instead of an edited entry
	case modelregistry.OpHold:
		parts = []string{e.Version + ": held"}
	case modelregistry.OpUndelete:
		parts = []string{fmt.Sprintf("%s: listed again in %s", e.Version, e.To)}
	case modelregistry.OpUnhold:
		parts = []string{e.Version + ": not held any more"}
	}
	if e.Note != nil {
		parts = []string{noteChangeText(e.Version, *e.Note)} // instead of an edited entry
	}
	for i, d := range e.Doubts {
		if i == maxChanges {
			parts = append(parts, fmt.Sprintf("… and %d more doubts", len(e.Doubts)-i))
			break
		}
		parts = append(parts, fmt.Sprintf("%s: in doubt: %s", d.Version, d.Reason))
	}
	if e.SkippedGates {
		parts = append(parts, "gates skipped")
	}
	if e.Forced {
		parts = append(parts, "forced")
	}
	return orDash(strings.Join(parts, ", "))
}

// noteChangeText shows what an event changed in the note of a version, or
// without one in that of the model.
func noteChangeText(version string, n modelregistry.Note) string {
	if version == "" {
		version = "the model"
	}
	var parts []string
	if len(n.Set) > 0 {
		parts = append(parts, "tags "+tagsText(n.Set))
	}
	for _, key := range n.Remove {
		parts = append(parts, "tag "+key+" removed")
	}
	if n.Description != nil {
		parts = append(parts, fmt.Sprintf("description of %d bytes", len(*n.Description)))
	}
	return version + ": " + strings.Join(parts, ", ")
}

func changeText(c modelregistry.Change) string {
	text := fmt.Sprintf("%s: %s → %s", c.Version, c.From, c.To)
	switch {
	case c.Reused:
		text = fmt.Sprintf("%s: another version in %s, the number was given out before", c.Version, c.To)
	case c.From == "":
		text = fmt.Sprintf("%s: new in %s", c.Version, c.To)
	case c.To == "":
		text = fmt.Sprintf("%s: removed from %s", c.Version, c.From)
	case c.From == c.To:
		text = fmt.Sprintf("%s: edited", c.Version)
	}
	if n := len(c.Beside); n > 0 {
		if c.From == c.To {
			text += ", in production"
		}
		text += " beside " + strings.Join(c.Beside[:min(n, maxChanges)], " and ")
		if n > maxChanges {
			text += fmt.Sprintf(" and %d more", n-maxChanges)
		}
	}
	switch {
	case c.Forced:
		return text + " forced" + gateList(" past ", c.SkippedGates)
	case len(c.MissedGates) > 0:
		return text + gateList(", would be refused by ", c.MissedGates)
	}
	return text
}

// gateList lists results after an introduction.
func gateList(intro string, results []modelregistry.GateResult) (text string) {
	for _, g := range results {
		text += fmt.Sprintf("%s%s (%s)", intro, g.Name, g.Message)
		intro = " and "
	}
	return text
}

// gatesText shows gates as the map in which users write them.
func gatesText(g modelregistry.PromotionGate) string {
	raw, err := json.Marshal(g)
	if g.Len() == 0 || err != nil {
		return "none"
	}
	return string(raw)
}
