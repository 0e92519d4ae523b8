package modelregistry

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/ubunye-go/modelregistry/internal/index"
)

// AliasOptions go with SetAliases. The zero value and nil are valid.
type AliasOptions struct {
	Actor  string // the person or program that sets them; by default Options.Actor
	Reason string // the reason, for the history
	// If makes the call conditional: each of these aliases must name this
	// version, and no version where it is empty.
	If map[string]string
}

// SetAliases makes each alias name a version, and removes an alias whose
// version is empty. It is one change: readers see all of it or nothing. If all
// aliases name these versions already, it changes nothing. The history keeps
// what each alias named before, the actor and the reason.
//
// An alias has at most 64 bytes: a lower-case letter, then lower-case letters,
// digits, "_" and "-". It must not be a stage, latest, none, the beginning of a
// stage, such as "prod", or a range, such as "v2". It must differ from each
// stage and from latest by more than two letters. An alias may name an archived
// version. Promotions and rollbacks do not move aliases. Archive and Demote
// refuse to archive a version that has an alias.
//
// The error matches ErrInvalid for another alias, ErrNotFound if a version does
// not exist, and ErrConflict if a condition of AliasOptions.If does not hold.
func (r *ModelRegistry) SetAliases(ctx context.Context, name ModelName, aliases map[string]string, opts *AliasOptions) (err error) {
	defer func() { err = opError("set aliases", name.all(), err) }()
	var o AliasOptions
	if opts != nil {
		o = *opts
	}
	for _, set := range []map[string]string{aliases, o.If} {
		for alias := range set {
			if err := checkAlias(alias); err != nil {
				return err
			}
		}
	}
	m, err := r.model(name)
	if err != nil {
		return err
	}
	aliases, o.If = maps.Clone(aliases), maps.Clone(o.If) // the caller may change them
	return m.changeExisting(ctx, func(t *txn) error {
		if err := t.Facts().UnmetAliases(o.If); err != nil {
			return fmt.Errorf("%w: %w", ErrConflict, err)
		}
		for _, alias := range slices.Sorted(maps.Keys(aliases)) {
			if version := aliases[alias]; version != "" && t.Get(version) == nil {
				return missing(t.Deletion, version)
			}
		}
		return t.Txn.SetAliases(aliases, firstOf(o.Actor, r.opts.Actor), o.Reason)
	})
}

func checkAlias(alias string) error {
	if err := index.CheckAlias(alias); err != nil {
		return invalid("alias %q: %v", alias, err)
	}
	return nil
}
