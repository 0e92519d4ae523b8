package modelregistry

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/ubunye-go/modelregistry/internal/index"
)

// A Config is the block that says in a training pipeline's configuration what
// becomes of the model, in JSON or YAML:
//
//	registry:
//	  store: ".ubunye/model_store"
//	  use_case: fraud_detection
//	  auto_version: true        # false: version must be given
//	  version: "2.0.0"
//	  promote_to: staging
//	  promotion_gates: {min_auc: 0.85, max_loss: 0.20, require_drift_check: true}
//
// Make it a field of your own configuration's struct, tagged "registry". A key
// that it does not know is an error.
type Config struct {
	// Store is a folder for Open, or a URL that the program gives to
	// objectstore.Open. The registry does not use it.
	Store   string `json:"store,omitzero" yaml:"store,omitempty"`
	UseCase string `json:"use_case" yaml:"use_case"`
	// AutoVersion has the number chosen, and Version passed over. Left out, it
	// is true if there is no Version.
	AutoVersion    *bool         `json:"auto_version,omitzero" yaml:"auto_version,omitempty"`
	Version        string        `json:"version,omitzero" yaml:"version,omitempty"`
	PromoteTo      ModelStage    `json:"promote_to,omitzero" yaml:"promote_to,omitempty"` // empty: register only
	PromotionGates PromotionGate `json:"promotion_gates,omitzero" yaml:"promotion_gates,omitempty"`
}

var configKeys = []string{"store", "use_case", "auto_version", "version", "promote_to", "promotion_gates"}

// plainConfig is Config without its methods.
type plainConfig Config

// UnmarshalJSON reads the block strictly.
func (c *Config) UnmarshalJSON(data []byte) error {
	return c.read(func(v any) error { return json.Unmarshal(data, v) })
}

// UnmarshalYAML reads the block strictly, with any YAML library that knows this
// form of the method.
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
		return invalid("registry configuration: unknown %s", strings.Join(unknown, ", "))
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

// Validate returns an error that matches ErrInvalid and says what is wrong.
func (c Config) Validate() error {
	if c.UseCase == "" {
		return invalid("registry configuration: there is no use_case")
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
			return invalid("registry configuration: promote_to: archived is no promotion")
		}
	}
	if !c.auto() {
		if c.Version == "" {
			return invalid("registry configuration: auto_version is false, and there is no version")
		}
		_, err := checkVersion(c.Version)
		return err
	}
	return nil
}

func (c Config) auto() bool {
	if c.AutoVersion == nil {
		return c.Version == ""
	}
	return *c.AutoVersion
}

// An Outcome says how far RegisterAndPromote came.
type Outcome struct {
	Version    ModelVersion // as it stands now
	Registered bool
	Promoted   bool         // it is in the stage that was asked for
	Gates      []GateResult // what the gates of the promotion found
}

// RegisterAndPromote registers a version of a model of cfg's use case and, if
// cfg says so, promotes it through cfg's gates and those of opts, all of which
// are kept with the version: a later promotion by hand meets them too. Store
// and the version in opts are not used.
//
// If the outcome is Registered but not Promoted, the version stays in
// development, and the error says why: a *GateError if gates failed, each of
// which is logged with its value and threshold. If it is not Registered,
// nothing has changed.
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
