package modelregistry

import (
	"fmt"
	"strings"

	"github.com/ubunye-go/modelregistry/internal/pathname"
)

// A ModelName names one model by its use case and its own name. Each is one
// path segment of at most 200 bytes. A name that some system can't store, or
// would read as something else, is refused before any I/O.
type ModelName struct {
	UseCase string
	Model   string
}

// String returns "use_case/model".
func (n ModelName) String() string { return n.UseCase + "/" + n.Model }

// all returns a reference to the model as a whole.
func (n ModelName) all() Ref { return Ref{Name: n} }

// Validate returns nil if the name can be used. Otherwise it returns an error
// that matches ErrInvalid and gives the reason.
func (n ModelName) Validate() error {
	if err := pathname.Check(n.UseCase); err != nil {
		return fmt.Errorf("%w use case %q: %w", ErrInvalid, n.UseCase, err)
	}
	if err := pathname.Check(n.Model); err != nil {
		return fmt.Errorf("%w model name %q: %w", ErrInvalid, n.Model, err)
	}
	return nil
}

// ParseModelName parses "use_case/model" and validates the name.
func ParseModelName(s string) (ModelName, error) {
	useCase, model, found := strings.Cut(s, "/")
	if !found {
		return ModelName{}, invalid("model name %q: want use_case/model", s)
	}
	n := ModelName{UseCase: useCase, Model: model}
	return n, n.Validate()
}
