package linearizability

import (
	"slices"
	"strings"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/internal/index"
)

func (s *state) isDeleted(version string) bool {
	return slices.ContainsFunc(s.deleted, func(e entry) bool { return e.version == version })
}

func (s *state) delete(in Input) (*state, Output) {
	e := s.get(in.Version)
	switch {
	case e == nil && s.isDeleted(in.Version):
		return s, Output{Version: in.Version}
	case e == nil:
		return s, Output{Err: notFound}
	}
	protects := e.stage == mr.Production || s.previous() == e.version || s.isAliased(e.version) || s.highest() == e.version
	if protects && !in.Force {
		return s, Output{Err: protected}
	}
	without := slices.DeleteFunc(slices.Clone(s.entries), func(other entry) bool { return other.version == e.version })
	deleted := append(slices.Clone(s.deleted), *e)
	slices.SortFunc(deleted, func(a, b entry) int { return strings.Compare(a.version, b.version) })
	return newState(without, s.productions, s.names, deleted), Output{Version: in.Version}
}

// highest returns the highest release, or the highest version if none is a
// release.
func (s *state) highest() string {
	return slices.MaxFunc(s.entries, func(a, b entry) int {
		switch aRC, bRC := strings.Contains(a.version, "-"), strings.Contains(b.version, "-"); {
		case aRC && !bRC:
			return -1
		case bRC && !aRC:
			return 1
		}
		return index.CompareVersions(a.version, b.version)
	}).version
}

func (s *state) undelete(in Input) (*state, Output) {
	if s.get(in.Version) != nil {
		return s, Output{Version: in.Version}
	}
	at := slices.IndexFunc(s.deleted, func(e entry) bool { return e.version == in.Version })
	if at < 0 {
		return s, Output{Err: notFound}
	}
	back := s.deleted[at]
	if back.stage == mr.Production {
		back.stage = mr.Archived
	}
	deleted := slices.Delete(slices.Clone(s.deleted), at, at+1)
	return newState(append(slices.Clone(s.entries), back), s.productions, s.names, deleted), Output{Version: in.Version}
}
