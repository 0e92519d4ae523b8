package ledger

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"

	"github.com/ubunye-go/modelregistry"
)

// The alias that all workers set, and the tag that holds the token of the last
// operation that set it.
const alias, tag = "champion", "token"

// setAlias makes the alias name a random version, on the condition that it
// still names what the worker read. So it writes if it succeeds.
func (w *Worker) setAlias(ctx context.Context, token string) error {
	version, err := w.choose(ctx)
	if err != nil || version == "" {
		return err
	}
	facts, err := w.Registry.Facts(ctx, w.Model)
	if err != nil || facts.Aliases[alias] == version {
		return err
	}
	return w.do(Line{Op: "alias", Token: token, Version: version, From: facts.Aliases[alias]}, func(l Line) (modelregistry.ModelVersion, error) {
		return modelregistry.ModelVersion{Version: l.Version}, w.Registry.SetAliases(ctx, w.Model, map[string]string{alias: l.Version},
			&modelregistry.AliasOptions{Reason: token, If: map[string]string{alias: l.From}})
	})
}

// annotate sets the tag of a random version to the token.
func (w *Worker) annotate(ctx context.Context, token string) error {
	version, err := w.choose(ctx)
	if err != nil || version == "" {
		return err
	}
	return w.do(Line{Op: "annotate", Token: token, Version: version}, func(l Line) (modelregistry.ModelVersion, error) {
		return modelregistry.ModelVersion{Version: l.Version}, w.Registry.Annotate(ctx, w.Model.At(l.Version),
			modelregistry.Note{Set: map[string]string{tag: token}}, &modelregistry.NoteOptions{Reason: token})
	})
}

// registerOnce registers with one of a few keys. Each key has an artifact of
// its own, so a second call gets the version of the first.
func (w *Worker) registerOnce(ctx context.Context, token string) error {
	key := fmt.Sprintf("key %d", rand.IntN(20))
	return w.do(Line{Op: "register", Token: token, Once: key}, func(Line) (modelregistry.ModelVersion, error) {
		return w.Registry.Register(ctx, w.Model, modelregistry.FromFunc(save(key)), &modelregistry.RegisterOptions{Reason: token, Once: key})
	})
}

// An AliasChange is what an event did to an alias.
type AliasChange struct{ From, To string }

// Aliases applies the events in order and returns the version of each alias. It
// fails unless each change of an alias starts from what the alias named, and
// the facts in its event are those after it.
func Aliases(events []Event) (map[string]string, error) {
	now := map[string]string{}
	for _, e := range events {
		for alias, c := range e.Aliases {
			if now[alias] != c.From {
				return nil, fmt.Errorf("event %d moves %s from %q, but it named %q", e.Number, alias, c.From, now[alias])
			}
			if now[alias] = c.To; c.To == "" {
				delete(now, alias)
			}
		}
		if e.Model != nil && !maps.Equal(e.Model.Aliases, now) {
			return nil, fmt.Errorf("event %d leaves the aliases %v, want %v", e.Number, e.Model.Aliases, now)
		}
	}
	return now, nil
}

// byKey returns the version that was registered with each key. It fails if
// there are two.
func byKey(events []Event) (map[string]string, error) {
	registered := map[string]string{}
	for _, e := range events {
		key := e.Extra[e.Version].Once.Key
		if e.Op != "register" || key == "" {
			continue
		}
		if before := registered[key]; before != "" {
			return nil, fmt.Errorf("event %d registers %s with the key %q, as %s was before", e.Number, e.Version, key, before)
		}
		registered[key] = e.Version
	}
	return registered, nil
}
