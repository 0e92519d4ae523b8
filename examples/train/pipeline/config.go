package pipeline

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"os"

	"go.yaml.in/yaml/v3"

	"github.com/ubunye-go/modelregistry"
)

//go:embed pipeline.yaml
var defaultConfig []byte

// A config is the configuration of a pipeline. The registry reads only the
// block "registry".
type config struct {
	Model    string `yaml:"model"`
	Training struct {
		L2            float64 `yaml:"l2"` // see breastcancer.TrainOptions
		MaxIterations int     `yaml:"max_iterations"`
	} `yaml:"training"`
	Drift struct {
		MaxStandardErrors float64 `yaml:"max_standard_errors"`
	} `yaml:"drift"`
	Registry modelregistry.Config `yaml:"registry"`
}

// readConfig returns the content of a configuration file, or the default
// configuration if file is empty.
func readConfig(file string) ([]byte, error) {
	if file == "" {
		return defaultConfig, nil
	}
	return os.ReadFile(file)
}

// parseConfig parses a configuration. An unknown key is an error.
func parseConfig(data []byte) (config, error) {
	var c config
	dec := yaml.NewDecoder(bytes.NewReader(data))
	dec.KnownFields(true)
	if err := dec.Decode(&c); err != nil {
		return c, fmt.Errorf("configuration: %w", err)
	}
	if err := c.name().Validate(); err != nil {
		return c, fmt.Errorf("configuration: %w", err)
	}
	if c.Registry.PromoteTo == "" {
		return c, errors.New("configuration: registry.promote_to is missing")
	}
	if !(c.Drift.MaxStandardErrors > 0) {
		return c, errors.New("configuration: drift.max_standard_errors must be above 0")
	}
	return c, nil
}

func (c config) name() modelregistry.ModelName {
	return modelregistry.ModelName{UseCase: c.Registry.UseCase, Model: c.Model}
}
