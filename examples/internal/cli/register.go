package cli

import (
	"context"
	"fmt"
	"maps"

	"github.com/spf13/cobra"

	"github.com/ubunye-go/modelregistry"
)

// registerFlags are the flags of register besides those that name the model.
type registerFlags struct {
	artifact, links       string
	metrics               pairs
	metricsFile, metaFile string
	tags                  pairsOfText
	description           string
	gates                 gateFlags
	opts                  modelregistry.RegisterOptions
}

// runIDKey is the value of --once without one.
const runIDKey = "run-id"

func (a *app) register() *cobra.Command {
	var s subject
	var f registerFlags
	cmd := &cobra.Command{
		Use:   "register",
		Short: "Add a version of a model, in development",
		Args: func(cmd *cobra.Command, args []string) error {
			if f.opts.Once == runIDKey && len(args) > 0 { // --once KEY: pflag takes KEY for an argument
				f.opts.Once, args = args[0], args[1:]
			}
			return noArguments(cmd, args)
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withNewRegistry(cmd, func(ctx context.Context, r *modelregistry.ModelRegistry) error {
				if err := f.read(); err != nil {
					return err
				}
				if s.ref != (modelregistry.Ref{}) {
					return fmt.Errorf("%w reference %s: a new version has a number or none", modelregistry.ErrInvalid, s.ref)
				}
				f.opts.Version = s.version
				var clear func()
				f.opts.Progress, clear = progressBar(cmd.ErrOrStderr())
				v, err := r.Register(ctx, s.name, f.source(), &f.opts)
				clear()
				if err != nil {
					return err
				}
				return a.show(v, func() string {
					if v.Existing {
						return fmt.Sprintf("%s was registered before (%s)\n", escape(v.String()), paintStage(string(v.Stage)))
					}
					return fmt.Sprintf("registered %s (%s)\n", escape(v.String()), paintStage(string(v.Stage)))
				})
			})
		},
	}
	nameFlags(cmd, &s.name)
	versionFlag(cmd, &s.version, "pinned `version`; without it the next")
	s.refFlag(cmd)
	f.define(cmd)
	return cmd
}

func (f *registerFlags) define(cmd *cobra.Command) {
	f.metrics = pairs{}
	flags := cmd.Flags()
	flags.StringVar(&f.artifact, "artifact", "", "`folder or file` of the model")
	flags.StringVar(&f.links, "follow-links", "", "copy the files that symbolic links lead to, inside this `folder`, which holds the artifact")
	flags.Func("metric", "a metric, as `auc=0.91`; repeatable, goes before --metrics", func(s string) error {
		return f.metrics.add(s, isNumber, "a number")
	})
	flags.StringVar(&f.metricsFile, "metrics", "", "JSON `file` of metrics")
	flags.StringVar(&f.metaFile, "metadata", "", "JSON `file` of metadata")
	f.gates.define(cmd, "kept with the version, for every promotion of it")
	f.tags = pairsOfText{}
	flags.Func("tag", "a tag, as `team=fraud`; repeatable", f.tags.add)
	flags.StringVar(&f.description, "description", "", "`file` with a description, in Markdown")
	flags.StringVar(&f.opts.Once, "once", "", "`key` of this registration: if a version was registered with it, and with the same files, that one is the result; without a value the run's id")
	flags.Lookup("once").NoOptDefVal = runIDKey
	flags.StringVar(&f.opts.LineageRunID, "run-id", "", "`id` of the run that produced it")
	flags.StringVar(&f.opts.ConfigHash, "config-hash", "", "`hash` of the configuration of that run")
	// Without a value the library would record the revision of this program,
	// which did not train the model.
	flags.StringVar(&f.opts.SourceRevision, "source-revision", "unknown", "`revision` of the code that produced it")
	actorFlag(cmd, &f.opts.Actor, "registered-by")
	flags.StringVar(&f.opts.Reason, "reason", "", "`text` for the history")
	require(cmd, "artifact")
}

// source returns the artifact that the flags name.
func (f *registerFlags) source() modelregistry.Artifact {
	a := modelregistry.FromPath(f.artifact)
	if f.links != "" {
		a = a.FollowLinks(f.links)
	}
	return a
}

// read reads the files that the flags name into the options.
func (f *registerFlags) read() (err error) {
	if f.opts.Metrics, err = readObject(f.metricsFile); err != nil {
		return err
	}
	if f.opts.Metrics == nil {
		f.opts.Metrics = map[string]any{}
	}
	maps.Copy(f.opts.Metrics, f.metrics)
	if f.opts.Metadata, err = readObject(f.metaFile); err != nil {
		return err
	}
	f.opts.Note.Set = f.tags
	if f.description != "" {
		text, err := readText(nil, f.description)
		if err != nil {
			return err
		}
		f.opts.Note.Description = &text
	}
	if f.opts.Once == runIDKey {
		if f.opts.Once = f.opts.LineageRunID; f.opts.Once == "" {
			return fmt.Errorf("%w option --once: without a value it needs --run-id", modelregistry.ErrInvalid)
		}
	}
	f.opts.Gates, err = f.gates.read()
	return err
}
