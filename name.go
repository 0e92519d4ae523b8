package modelregistry

import (
	"fmt"
	"strings"

	"github.com/ubunye-go/modelregistry/internal/segment"
)

// A ModelName names one model: the use case it serves, and its own name. Each
// is one path segment of at most 200 bytes; names that some system could not
// store or would read as something else are refused before any I/O.
type ModelName struct {
	UseCase string
	Model   string
}

// String returns "use_case/model".
func (n ModelName) String() string { return n.UseCase + "/" + n.Model }

// Validate returns an error that matches ErrInvalid and gives the reason, or
// nil.
func (n ModelName) Validate() error {
	if err := segment.Check(n.UseCase); err != nil {
		return fmt.Errorf("%w use case %q: %w", ErrInvalid, n.UseCase, err)
	}
	if err := segment.Check(n.Model); err != nil {
		return fmt.Errorf("%w model name %q: %w", ErrInvalid, n.Model, err)
	}
	return nil
}

// At refers to one version of the model.
func (n ModelName) At(version string) Ref { return Ref{ModelName: n, Version: version} }

// In refers to the version of the model that is in a stage; of several, the one
// that entered it last.
func (n ModelName) In(stage ModelStage) Ref { return Ref{ModelName: n, Stage: stage} }

// A Ref refers to one version of a model: by its number, by its stage, or by
// both, which then must agree.
type Ref struct {
	ModelName
	Version string
	Stage   ModelStage
}

// String returns "use_case/model@version" or "use_case/model@stage".
func (r Ref) String() string {
	return r.ModelName.String() + "@" + strings.Trim(r.Version+","+string(r.Stage), ",")
}
