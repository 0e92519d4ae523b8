package modelregistry_test

import (
	"context"
	"testing"

	mr "github.com/ubunye-go/modelregistry"
)

// A gate that is a function is asked again if any field of the version changed
// while the gate ran.
func TestFunctionGateIsAskedAgainAfterAChange(t *testing.T) {
	t.Parallel()
	text := "seen"
	for name, change := range map[string]func(context.Context, *mr.ModelRegistry) error{
		"alias": func(ctx context.Context, r *mr.ModelRegistry) error {
			return r.SetAliases(ctx, fraud, map[string]string{"champion": "1.0.0"}, nil)
		},
		"tag": func(ctx context.Context, r *mr.ModelRegistry) error {
			return r.Annotate(ctx, fraud.At("1.0.0"), mr.Note{Set: map[string]string{"review": "withdrawn"}}, nil)
		},
		"description": func(ctx context.Context, r *mr.ModelRegistry) error {
			return r.Annotate(ctx, fraud.At("1.0.0"), mr.Note{Description: &text}, nil)
		},
		"stage": func(ctx context.Context, r *mr.ModelRegistry) error {
			_, err := r.Promote(ctx, fraud.At("1.0.0"), mr.Staging, nil)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, _ := newStore(t, nil)
			register(t, r, "1.0.0", nil)
			asked := 0
			gate := mr.GateOf("asked", func(ctx context.Context, _ mr.ModelVersion) error {
				if asked++; asked == 1 {
					return change(ctx, r)
				}
				return nil
			})
			if _, err := r.Promote(t.Context(), fraud.At("1.0.0"), mr.Production, &mr.MoveOptions{Gates: gate}); err != nil || asked != 2 {
				t.Errorf("the gate was asked %d times, with error %v; want 2 and none", asked, err)
			}
		})
	}
}

// Each field of a version counts as a change, so that a new field can't be
// forgotten.
func TestEachFieldOfAVersionCountsAsAChange(t *testing.T) {
	t.Parallel()
	for _, field := range mr.UncomparedFields(t) {
		t.Errorf("a change of %s is not noticed", field)
	}
}
