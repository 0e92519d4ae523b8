package index

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/ubunye-go/modelregistry/internal/pyjson"
	"github.com/ubunye-go/modelregistry/internal/spelling"
)

// aliasesKey is the member of the facts that holds the aliases: an object from
// alias to version.
const aliasesKey = "aliases"

// MaxName is the length of the longest alias or tag key in bytes.
const MaxName = 64

// CheckName returns nil if a text can be the key of a tag: a lower-case letter,
// then lower-case letters, digits, "_" and "-", at most MaxName of them.
func CheckName(s string) error {
	for i, c := range []byte(s) {
		letter, other := 'a' <= c && c <= 'z', '0' <= c && c <= '9' || c == '_' || c == '-'
		if !letter && (i == 0 || !other) {
			return errors.New("want a lower-case letter, then lower-case letters, digits, _ and -")
		}
	}
	if len(s) == 0 || len(s) > MaxName {
		return fmt.Errorf("want 1 to %d bytes", MaxName)
	}
	return nil
}

// latest is the range of all releases.
const latest = "latest"

// CheckAlias returns nil if a text can be an alias. An alias is a name that
// means nothing else after the "@" of a reference, and that is not a typing
// error of a stage.
func CheckAlias(s string) error {
	if err := CheckName(s); err != nil {
		return err
	}
	if meant := Resembles(s); meant != "" {
		return fmt.Errorf("it resembles %s", meant)
	}
	if s == "none" {
		return errors.New("it is reserved")
	}
	if _, err := ParseRange(s); err == nil {
		return errors.New("it is a range of versions")
	}
	return nil
}

// Resembles returns the stage, or latest, that a text probably means: the one
// that it is or begins, such as "prod", or from which it differs by at most two
// letters that are added, left out or replaced. It returns "" if there is none.
func Resembles(s string) string {
	words := append(slices.Clone(Stages), latest)
	for _, word := range words {
		if len(s) >= 3 && strings.HasPrefix(word, s) {
			return word
		}
	}
	return spelling.Nearest(s, words)
}

// An AliasChange is what an event did to an alias.
type AliasChange struct {
	Alias    string
	From, To string // versions; empty for none
}

// readAliases reads the aliases of facts. It ignores a value that is not a
// string: a later release may keep more about an alias.
func readAliases(raw []byte) map[string]string {
	members, err := pyjson.Object(raw)
	if err != nil {
		return nil
	}
	aliases := make(map[string]string, len(members))
	for _, m := range members {
		if m.Value[0] == '"' {
			aliases[m.Key] = string(pyjson.Text(m.Value))
		}
	}
	return aliases
}

// Alias returns the version that an alias names.
func (f Facts) Alias(alias string) (version string, ok bool) {
	version, ok = f.aliases[alias]
	return version, ok
}

// Aliases returns all aliases with their versions. The caller must not change
// the map.
func (f Facts) Aliases() map[string]string { return f.aliases }

// AliasesOf returns the aliases of a version, sorted. The caller must not
// change the list, but may append to it.
func (f Facts) AliasesOf(version string) []string { return slices.Clip(f.named[version]) }

// SetAliases appends the event that makes aliases name versions. An empty
// version removes its alias. If nothing would change, it appends no event.
func (t *Txn) SetAliases(set map[string]string, actor, reason string) error {
	f := t.Facts()
	raw := f.Get(aliasesKey)
	var changes []AliasChange
	for _, alias := range slices.Sorted(maps.Keys(set)) {
		from, to := f.aliases[alias], set[alias]
		if from == to {
			continue
		}
		changes = append(changes, AliasChange{alias, from, to})
		var value []byte
		if to != "" {
			value = pyjson.Quote(to)
		}
		raw = withMember(raw, alias, value)
	}
	if len(changes) == 0 {
		return nil
	}
	return t.Emit(&Event{Op: OpAlias, Actor: actor, Reason: reason, Aliases: changes, Model: f.with(aliasesKey, raw).image()})
}

// dropReusedAliases removes the aliases whose version was deleted and whose
// number another program used again in an external change. Such an alias would
// name a version that was not chosen for it.
func (s *State) dropReusedAliases(diff *Event) {
	raw := s.Facts.Get(aliasesKey)
	for _, alias := range slices.Sorted(maps.Keys(s.Facts.aliases)) {
		if version := s.Facts.aliases[alias]; slices.Contains(diff.Reused, version) {
			diff.Aliases = append(diff.Aliases, AliasChange{Alias: alias, From: version})
			raw = withMember(raw, alias, nil)
		}
	}
	if diff.Aliases != nil {
		s.SetFacts(s.Facts.with(aliasesKey, raw))
		diff.Model = s.Facts.image()
	}
}

// appendAliases appends the member of an event that lists its changes of
// aliases.
func appendAliases(b []byte, changes []AliasChange) []byte {
	if len(changes) == 0 {
		return b
	}
	next := `,"aliases":{`
	for _, c := range changes {
		b = append(pyjson.AppendString(append(b, next...), c.Alias), ':', '{')
		if c.From != "" {
			b = pyjson.AppendString(append(b, `"from":`...), c.From)
		}
		if c.To != "" {
			if c.From != "" {
				b = append(b, ',')
			}
			b = pyjson.AppendString(append(b, `"to":`...), c.To)
		}
		b = append(b, '}')
		next = ","
	}
	return append(b, '}')
}

// aliasChanges reads that member.
func (d *eventDecoder) aliasChanges(raw []byte) (list []AliasChange) {
	if raw = d.object("aliases", raw); raw == nil || d.effect {
		return nil
	}
	members, _ := pyjson.Object(raw)
	for _, m := range members {
		var c struct{ From, To string }
		d.fail("aliases", json.Unmarshal(m.Value, &c))
		list = append(list, AliasChange{m.Key, c.From, c.To})
	}
	return list
}

// NamedBy returns which aliases name a version, such as "the aliases a and b
// name it", or "" if there are none.
func (f Facts) NamedBy(version string) string {
	list := f.AliasesOf(version)
	switch last := len(list) - 1; {
	case last < 0:
		return ""
	case last == 0:
		return fmt.Sprintf("the alias %s names it", list[0])
	default:
		return fmt.Sprintf("the aliases %s and %s name it", strings.Join(list[:last], ", "), list[last])
	}
}

// UnmetAliases returns an error that names an alias that does not name the
// version that it should, or nil. An alias that should not be set has the empty
// version.
func (f Facts) UnmetAliases(want map[string]string) error {
	for _, alias := range slices.Sorted(maps.Keys(want)) {
		now, _ := f.Alias(alias)
		switch {
		case now == want[alias]:
		case now == "":
			return fmt.Errorf("alias %s is not set, and should name %s", alias, want[alias])
		case want[alias] == "":
			return fmt.Errorf("alias %s names %s, and should not be set", alias, now)
		default:
			return fmt.Errorf("alias %s names %s, not %s", alias, now, want[alias])
		}
	}
	return nil
}
