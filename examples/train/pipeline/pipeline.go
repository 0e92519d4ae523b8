// Package pipeline is the train example without its main function, so that the
// tests of other examples can train with it in their own process.
package pipeline

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"

	"github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/examples/breastcancer"
	"github.com/ubunye-go/modelregistry/examples/internal/program"
)

// Run is the train program: it takes its arguments and returns its exit code.
func Run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	flags := program.Flags("train", stderr)
	file := flags.String("config", "", "read the configuration of the pipeline from `FILE` (default: the built-in one)")
	store := flags.String("store", "", "keep the models in `DIR` (default: the store of the configuration)")
	actor := flags.String("actor", "training pipeline", "record `NAME` as the actor")
	run := flags.String("run", "run-"+rand.Text()[:8], "the run's `ID`: a run that is repeated registers its models once")
	return program.Run(flags, args, func() error { return trainAll(ctx, *file, *store, *actor, *run, stdout) })
}

// A pipeline is one run of the program.
type pipeline struct {
	config     config
	configHash string
	registry   *modelregistry.ModelRegistry
	runID      string
	train      []breastcancer.Case
	test       []breastcancer.Case // held out
	out        io.Writer
}

// trainAll reads the configuration, opens the store and runs the pipeline. If
// store is empty, it uses the store of the configuration.
func trainAll(ctx context.Context, file, store, actor, runID string, out io.Writer) (err error) {
	data, err := readConfig(file)
	if err != nil {
		return err
	}
	p := &pipeline{runID: runID, configHash: modelregistry.ConfigHash(data), out: out}
	if p.config, err = parseConfig(data); err != nil {
		return err
	}
	if store == "" {
		store = p.config.Registry.Store
	}
	if store == "" {
		return errors.New("no store: set -store or registry.store in the configuration")
	}
	if p.train, p.test, err = breastcancer.Split(); err != nil {
		return err
	}
	if p.registry, err = modelregistry.Open(store, &modelregistry.Options{Actor: actor}); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.registry.Close()) }()

	fmt.Fprintf(out, "This is %s. It trains on %d cases and holds out %d.\nThe models go to %s.\n", runID, len(p.train), len(p.test), store)
	return p.run(modelregistry.WithRunID(ctx, runID))
}

// run runs the steps of the pipeline.
func (p *pipeline) run(ctx context.Context) error {
	good, err := p.submit(ctx, candidate{
		title: "A model on all features",
		options: breastcancer.TrainOptions{
			Features:      breastcancer.AllFeatures(),
			L2:            p.config.Training.L2,
			MaxIterations: p.config.Training.MaxIterations,
		},
	})
	if err != nil {
		return err
	}
	if !good.Promoted {
		return fmt.Errorf("version %s did not pass the gates, so production is unchanged", good.Version.Version)
	}
	if err := p.release(ctx, good.Version); err != nil {
		return err
	}
	// Mean smoothness and mean symmetry alone say little about a tumour, and
	// the optimiser stops early.
	if _, err := p.submit(ctx, candidate{
		title:   "A weaker model on two features",
		options: breastcancer.TrainOptions{Features: []int{4, 8}, L2: 1, MaxIterations: 2},
	}); err != nil {
		return err
	}
	return p.list(ctx)
}

// A candidate is a model to train.
type candidate struct {
	title   string
	options breastcancer.TrainOptions
}

// submit trains a model, scores it on the held-out cases, registers it, and
// promotes it as the configuration says. It returns no error if the gates
// refuse the model: Promoted in the outcome is then false.
func (p *pipeline) submit(ctx context.Context, c candidate) (modelregistry.Outcome, error) {
	model, err := breastcancer.Train(p.train, c.options)
	if err != nil {
		return modelregistry.Outcome{}, err
	}
	scores := model.Evaluate(p.test)
	drift := breastcancer.MeasureDrift(p.train, p.test, c.options.Features)
	p.printModel(c, scores, drift)

	out, err := p.registry.RegisterAndPromote(ctx, p.config.Registry, p.config.Model,
		modelregistry.FromFunc(model.Save),
		&modelregistry.RegisterOptions{
			Metrics:    scores.Metrics(),
			Metadata:   p.metadata(c, drift),
			ConfigHash: p.configHash,
			Reason:     c.title,
			Once:       p.runID + ": " + c.title,
		})
	var refused *modelregistry.GateError
	switch {
	case errors.As(err, &refused):
		p.printRefusal(out.Version, refused)
		return out, nil
	case err != nil:
		return out, err
	}
	if out.Version.Existing {
		fmt.Fprintf(p.out, "Version %s was registered by this run before, and is in %s.\n", out.Version.Version, out.Version.Stage)
		return out, nil
	}
	fmt.Fprintf(p.out, "Version %s is registered. It passed %s and is in %s now.\n",
		out.Version.Version, count(len(out.Gates), "gate"), out.Version.Stage)
	return out, nil
}

// metadata returns the metadata of a version. The gate require_drift_check
// reads drift_check_passed.
func (p *pipeline) metadata(c candidate, drift breastcancer.Drift) map[string]any {
	return map[string]any{
		"algorithm":             "logistic regression",
		"features":              len(c.options.Features),
		"l2":                    c.options.L2,
		"training_cases":        len(p.train),
		"held_out_cases":        len(p.test),
		"drift_check_passed":    !p.drifted(drift),
		"drift_standard_errors": drift.Distance,
		"drift_feature":         breastcancer.FeatureName(drift.Feature),
	}
}

// drifted reports whether a drift exceeds the limit of the configuration.
func (p *pipeline) drifted(d breastcancer.Drift) bool {
	return !(d.Distance <= p.config.Drift.MaxStandardErrors) // a NaN counts as a drift
}

// release promotes a version to production through the gates.
func (p *pipeline) release(ctx context.Context, v modelregistry.ModelVersion) error {
	v, err := p.registry.Promote(ctx, v.Ref(), modelregistry.Production, &modelregistry.MoveOptions{
		Reason: "best model of its run",
		Gates:  p.config.Registry.PromotionGates,
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(p.out, "Version %s is in production now, promoted by %s.\n", v.Version, v.PromotedBy)
	return nil
}
