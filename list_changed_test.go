package modelregistry

import (
	"reflect"
	"testing"

	"github.com/ubunye-go/modelregistry/internal/derived"
	"github.com/ubunye-go/modelregistry/internal/index"
)

// After a change, the list of all versions is made from the list before. Only
// those versions are decoded again that the change concerns.
func TestListVersionsDecodesWhatChanged(t *testing.T) {
	t.Parallel()
	m, versions := withVersions(t, 20)
	seen := 0
	list := func() []ModelVersion {
		return m.derived.Versions(m.State.State, func(e *index.Entry) ModelVersion { seen++; return m.view(e) })
	}
	alias := func(version string) *memoryChange {
		return &memoryChange{decide: func(t *txn) (string, error) {
			return "", t.SetAliases(map[string]string{"champion": version}, "", "")
		}}
	}
	list()
	for _, change := range []struct {
		what string
		*memoryChange
		seen int
	}{
		{"nothing changed", nil, 0},
		{"a registration", m.register(), 1},
		{"a promotion", m.move(index.OpPromote, versions[3], Staging), 1},
		{"a promotion to production", m.move(index.OpPromote, versions[4], Production), 1},
		{"a new alias", alias(versions[5]), 1 + 1}, // and the version in production, each time
		{"an alias of another version", alias(versions[6]), 2 + 1},
		{"no alias", alias(""), 1 + 1},
		{"gates of the model", &memoryChange{decide: func(t *txn) (string, error) {
			return "", t.SetModelGates([]byte(`{"min_auc":0.5}`), "", "")
		}}, 21},
		{"an alias beside gates", alias(versions[7]), 1 + 1},
		{"no gates of the model", &memoryChange{decide: func(t *txn) (string, error) { return "", t.SetModelGates(nil, "", "") }}, 21},
	} {
		if seen = 0; change.memoryChange != nil {
			m.append(change.memoryChange)
		}
		got := list()
		if seen != change.seen {
			t.Errorf("after %s: %d versions are decoded again, want %d", change.what, seen, change.seen)
		}
		var fresh derived.Cache[ModelVersion]
		if want := fresh.Versions(m.State.State, m.view); !reflect.DeepEqual(got, want) {
			t.Errorf("after %s: the list differs from a new one:\n%v\n%v", change.what, got, want)
		}
	}
}
