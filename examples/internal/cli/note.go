package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ubunye-go/modelregistry"
)

func (a *app) tag() *cobra.Command {
	return group("tag", "Tag versions and models", a.setTags(), a.removeTags())
}

// noteFlags are the flags of the commands that change a note: that of a
// version, or without a version that of the model.
type noteFlags struct {
	subject
	note modelregistry.Note
	opts modelregistry.NoteOptions
	when pairsOfText
}

func (f *noteFlags) define(cmd *cobra.Command) {
	f.when = pairsOfText{}
	nameFlags(cmd, &f.name)
	versionFlag(cmd, &f.version, "the `version`; without it the model")
	f.refFlag(cmd)
	actorFlag(cmd, &f.opts.Actor, "")
	cmd.Flags().StringVar(&f.opts.Reason, "reason", "", "`text` for the history")
	cmd.Flags().Func("if", "only if a tag has this value, as `risk=low`; risk= for none; repeatable", f.when.add)
}

func (a *app) setTags() *cobra.Command {
	f := noteFlags{note: modelregistry.Note{Set: map[string]string{}}}
	cmd := a.noteCommand(&f, "set KEY=VALUE…", "Set tags of a version, or of a model")
	cmd.Args = func(_ *cobra.Command, args []string) error {
		for _, arg := range args {
			if err := pairsOfText(f.note.Set).add(arg); err != nil {
				return err
			}
		}
		if len(args) == 0 {
			return errors.New("want KEY=VALUE, such as team=fraud")
		}
		return nil
	}
	return cmd
}

func (a *app) removeTags() *cobra.Command {
	var f noteFlags
	cmd := a.noteCommand(&f, "rm KEY…", "Remove tags of a version, or of a model")
	cmd.Args = func(_ *cobra.Command, args []string) error {
		if f.note.Remove = args; len(args) == 0 {
			return errors.New("want the key of a tag")
		}
		return nil
	}
	return cmd
}

func (a *app) describe() *cobra.Command {
	var f noteFlags
	var file string
	cmd := a.noteCommand(&f, "describe", "Replace the description of a version, or of a model")
	change := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		text, err := readText(cmd.InOrStdin(), file)
		if err != nil {
			a.parsed = true
			return err
		}
		f.note.Description = &text
		return change(cmd, args)
	}
	cmd.Flags().StringVar(&file, "file", "", "`file` with the description, in Markdown; - for the standard input; an empty one removes it")
	require(cmd, "file")
	return cmd
}

func readText(in io.Reader, file string) (string, error) {
	if file == "-" {
		data, err := io.ReadAll(in)
		return string(data), err
	}
	data, err := os.ReadFile(file)
	return string(data), err
}

func (a *app) noteCommand(f *noteFlags, use, short string) *cobra.Command {
	cmd := a.command(use, short, func(ctx context.Context, r *modelregistry.ModelRegistry) error {
		f.opts.If = f.when
		if f.isModel() {
			if err := r.AnnotateModel(ctx, f.name, f.note, &f.opts); err != nil {
				return err
			}
			facts, err := r.Facts(ctx, f.name)
			if err != nil {
				return err
			}
			return a.show(facts, func() string { return noteText(facts.Name.String(), facts.Tags, facts.Description) })
		}
		if err := r.Annotate(ctx, f.target(), f.note, &f.opts); err != nil {
			return err
		}
		v, err := r.GetVersion(ctx, f.target())
		if err != nil {
			return err
		}
		return a.show(v, func() string { return noteText(v.String(), v.Tags, v.Description) })
	})
	f.define(cmd)
	return cmd
}

// noteText shows a note on one line, with the length of the description.
func noteText(subject string, tags map[string]string, description string) string {
	text := escape(subject) + ": " + orDash(escape(tagsText(tags)))
	if description != "" {
		text += fmt.Sprintf("; a description of %d bytes", len(description))
	}
	return text + "\n"
}

// tagsText returns tags as "key=value, key=value".
func tagsText(tags map[string]string) string {
	var list []string
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		list = append(list, key+"="+tags[key])
	}
	return strings.Join(list, ", ")
}
