package modelregistry

import (
	"context"
	"encoding/json"
	"maps"
)

// ModelFacts is what the registry keeps about a model itself, as it was when it
// was read.
type ModelFacts struct {
	Name        ModelName
	Aliases     map[string]string // from alias to version
	Tags        map[string]string
	Description string        // Markdown
	Gates       PromotionGate // they apply to all versions
}

// Facts returns what the registry keeps about a model itself. The error matches
// ErrNotFound if the model does not exist.
func (r *ModelRegistry) Facts(ctx context.Context, name ModelName) (facts ModelFacts, err error) {
	defer func() { err = opError("facts", name.all(), err) }()
	m, err := r.model(name)
	if err != nil {
		return facts, err
	}
	err = m.read(ctx, func(s state) error {
		if s.Empty() {
			return notFound("model %s", name)
		}
		note := s.Facts.Annotation()
		facts = ModelFacts{name, maps.Clone(s.Facts.Aliases()), note.Tags, note.Description, PromotionGate{factsGates(s.Facts)}}
		return nil
	})
	return facts, err
}

// MarshalJSON returns the facts with the member names of the store.
func (f ModelFacts) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		UseCase     string            `json:"use_case"`
		Model       string            `json:"model_name"`
		Aliases     map[string]string `json:"aliases,omitempty"`
		Tags        map[string]string `json:"tags,omitempty"`
		Description string            `json:"description,omitempty"`
		Gates       *PromotionGate    `json:"promotion_gates,omitempty"`
	}{f.Name.UseCase, f.Name.Model, f.Aliases, f.Tags, f.Description, gatesOrNil(f.Gates)})
}
