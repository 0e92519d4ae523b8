package modelregistry

import (
	"slices"
	"sync/atomic"

	"github.com/ubunye-go/modelregistry/driver"
	"github.com/ubunye-go/modelregistry/internal/index"
)

// A state is what is known of one model, with how it was read and what readers
// made of it. The model's lock guards it.
type state struct {
	*index.State
	rev    driver.Revision
	docErr error // the document is damaged; the history is not

	listed atomic.Pointer[versionList]
	ranges rangeIndex
}

// A versionList is every version as callers see it, newest first.
type versionList struct {
	generation int64 // of the state that it was made of
	versions   []ModelVersion
}

// view returns an entry as a caller sees it.
func (s *state) view(e *index.Entry) ModelVersion { return viewEntry(s.State, e) }

func viewEntry(s *index.State, e *index.Entry) ModelVersion {
	return viewAmong(s, e, func() *index.Entry { return s.Holder(index.Production) })
}

// view returns an entry as a caller sees it once the changes are made.
func (t *txn) view(e *index.Entry) ModelVersion { return viewAmong(t.Base, e, t.Production) }

// viewAmong returns an entry as a caller sees it, given the function that
// returns the entry in production. Of two in production, which only another
// program can have left, the one promoted last counts. The other reads as
// archived, because the next change will archive it.
func viewAmong(s *index.State, e *index.Entry, production func() *index.Entry) ModelVersion {
	v := *decodeVersion(modelName(s), e)
	v.ModelGates = factsGates(s.Facts)
	if v.Stage == Production {
		if p := production(); p != e {
			v.Stage = Archived
			v.Problems = append(slices.Clip(v.Problems), "stored as production beside "+p.Version+", which was promoted last")
		}
	}
	return v
}

func modelName(s *index.State) ModelName { return ModelName{UseCase: s.UseCase, Model: s.Model} }

// list returns every version as callers see it, newest first. The list is
// shared, and must not be changed.
func (s *state) list() []ModelVersion {
	if known := s.listed.Load(); known != nil && known.generation == s.Generation {
		return known.versions
	}
	list := make([]ModelVersion, len(s.Entries))
	for i, e := range s.Entries {
		list[i] = s.view(e)
	}
	slices.SortStableFunc(list, func(a, b ModelVersion) int {
		if c := b.RegisteredAt.Compare(a.RegisteredAt); c != 0 {
			return c
		}
		return index.CompareVersions(b.Version, a.Version)
	})
	s.listed.Store(&versionList{s.Generation, list})
	return list
}
