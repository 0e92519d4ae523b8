package modelregistry

import (
	"fmt"
	"strings"

	"github.com/ubunye-go/modelregistry/internal/pathname"
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

// all refers to the model as a whole.
func (n ModelName) all() Ref { return Ref{Name: n} }

// Validate returns an error that matches ErrInvalid and gives the reason, or
// nil.
func (n ModelName) Validate() error {
	if err := pathname.Check(n.UseCase); err != nil {
		return fmt.Errorf("%w use case %q: %w", ErrInvalid, n.UseCase, err)
	}
	if err := pathname.Check(n.Model); err != nil {
		return fmt.Errorf("%w model name %q: %w", ErrInvalid, n.Model, err)
	}
	return nil
}

// ParseModelName reads "use_case/model", and checks it as Validate does.
func ParseModelName(s string) (ModelName, error) {
	useCase, model, found := strings.Cut(s, "/")
	if !found {
		return ModelName{}, invalid("model name %q: want use_case/model", s)
	}
	n := ModelName{UseCase: useCase, Model: model}
	return n, n.Validate()
}
