package modelregistry

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/ubunye-go/modelregistry/internal/index"
)

// A Config is the "registry" block of a training pipeline's configuration, in
// JSON or YAML. It says how the trained model is registered and promoted:
//
//	registry:
//	  store: ".ubunye/model_store"
//	  use_case: fraud_detection
//	  auto_version: true        # false: version must be given
//	  version: "2.0.0"
//	  promote_to: staging
//	  promotion_gates: {min_auc: 0.85, max_loss: 0.20, require_drift_check: true}
//
// Use it as a field of your own configuration's struct, with the tag
// "registry". An unknown key is an error.
type Config struct {
	// Store is a folder for Open, or a URL that the program gives to
	// objectstore.Open. The registry does not use it.
	Store   string `json:"store,omitzero" yaml:"store,omitempty"`
	UseCase string `json:"use_case" yaml:"use_case"`
	// AutoVersion lets the registry choose the number, and ignores Version. If
	// it is missing, it is true if Version is empty.
	AutoVersion    *bool         `json:"auto_version,omitzero" yaml:"auto_version,omitempty"`
	Version        string        `json:"version,omitzero" yaml:"version,omitempty"`
	PromoteTo      ModelStage    `json:"promote_to,omitzero" yaml:"promote_to,omitempty"` // empty: register only
	PromotionGates PromotionGate `json:"promotion_gates,omitzero" yaml:"promotion_gates,omitempty"`
}

var configKeys = []string{"store", "use_case", "auto_version", "version", "promote_to", "promotion_gates"}

// plainConfig is Config without its methods.
type plainConfig Config

// UnmarshalJSON reads and validates the block. An unknown key is an error.
func (c *Config) UnmarshalJSON(data []byte) error {
	return c.read(func(v any) error { return json.Unmarshal(data, v) })
}

// UnmarshalYAML reads and validates the block. An unknown key is an error. It
// works with every YAML library that supports this form of the method.
func (c *Config) UnmarshalYAML(unmarshal func(any) error) error { return c.read(unmarshal) }

func (c *Config) read(unmarshal func(any) error) error {
	var keys map[string]any
	if err := unmarshal(&keys); err != nil {
		return err
	}
	var unknown []string
	for key := range keys {
		if !slices.Contains(configKeys, key) {
			unknown = append(unknown, fmt.Sprintf("%q", key))
		}
	}
	if unknown != nil {
		slices.Sort(unknown)
		return invalid("registry configuration: unknown key %s", strings.Join(unknown, ", "))
	}
	var plain plainConfig
	if err := unmarshal(&plain); err != nil {
		return err
	}
	if err := Config(plain).Validate(); err != nil {
		return err
	}
	*c = Config(plain)
	return nil
}

// Validate returns nil if the configuration can be used. Otherwise it returns
// an error that matches ErrInvalid and gives the reason.
func (c Config) Validate() error {
	if c.UseCase == "" {
		return invalid("registry configuration: use_case is missing")
	}
	if c.Store != "" && !strings.Contains(c.Store, "://") {
		if err := checkStore(c.Store); err != nil {
			return fmt.Errorf("registry configuration: %w", err)
		}
	}
	if c.PromoteTo != "" {
		if _, err := ParseStage(string(c.PromoteTo)); err != nil {
			return err
		}
		if c.PromoteTo == Archived {
			return invalid("registry configuration: promote_to: a promotion to archived is not possible")
		}
	}
	if !c.auto() {
		if c.Version == "" {
			return invalid("registry configuration: version is missing, and auto_version is false")
		}
		return checkVersion(c.Version)
	}
	return nil
}

func (c Config) auto() bool {
	if c.AutoVersion == nil {
		return c.Version == ""
	}
	return *c.AutoVersion
}

// An Outcome is the result of RegisterAndPromote. Registered and Promoted say
// which of its two steps succeeded.
type Outcome struct {
	Version    ModelVersion // as it is now
	Registered bool
	Promoted   bool         // it is in the stage of Config.PromoteTo, or beyond
	Gates      []GateResult // the result of each gate of the promotion
}

// RegisterAndPromote registers a version of a model in cfg's use case. If
// cfg.PromoteTo is set, it then promotes the version. The gates of cfg and of
// opts are stored with the version, so they apply to every later promotion,
// too. cfg.Store and opts.Version are not used.
//
// If opts.Once found a version that has left development since, it stays in its
// stage: a repeated job does not undo what was decided meanwhile.
//
// If the outcome is Registered but not Promoted, the version stays in
// development. The error then says why the promotion failed: a *GateError if
// gates refused it. Each failed gate is also logged with its value and
// threshold. If the outcome is not Registered, nothing has changed, unless the
// error matches ErrUncertain.
func (r *ModelRegistry) RegisterAndPromote(ctx context.Context, cfg Config, modelName string, a Artifact, opts *RegisterOptions) (out Outcome, err error) {
	name := ModelName{UseCase: cfg.UseCase, Model: modelName}
	if err := cfg.Validate(); err != nil {
		return out, opError(index.OpRegister, name.all(), err)
	}
	var o RegisterOptions
	if opts != nil {
		o = *opts
	}
	o.Gates = Gates(o.Gates, cfg.PromotionGates)
	o.Version = cfg.Version
	if cfg.auto() {
		o.Version = ""
	}
	if out.Version, err = r.Register(ctx, name, a, &o); err != nil {
		return out, err
	}
	out.Registered = true
	if out.Version.Existing && out.Version.Stage != Development { // an earlier try promoted it
		out.Promoted = rank[out.Version.Stage] >= rank[cfg.PromoteTo]
		return out, nil
	}
	if cfg.PromoteTo == "" {
		return out, nil
	}
	mv := MoveOptions{Actor: o.Actor, Reason: o.Reason}
	v, results, err := r.promote(ctx, out.Version.Ref(), cfg.PromoteTo, &mv)
	out.Gates = results
	if err != nil {
		return out, err
	}
	out.Version, out.Promoted = v, true
	return out, nil
}
