package index

import (
	"slices"
	"sync"
)

// A versionSet is a list of versions without duplicates that finds each at
// once. A slice of its list stays valid: the list is only extended or replaced.
type versionSet struct {
	list []string
	set  map[string]bool // the list, once it was needed
	once sync.Once
}

func (s *versionSet) has(version string) bool {
	s.once.Do(func() {
		s.set = make(map[string]bool, len(s.list))
		for _, v := range s.list {
			s.set[v] = true
		}
	})
	return s.set[version]
}

// add appends a version, and reports whether it is new.
func (s *versionSet) add(version string) bool {
	if s.has(version) {
		return false
	}
	s.set[version] = true
	s.list = append(s.list, version)
	return true
}

// drop removes versions from the list.
func (s *versionSet) drop(versions map[string]bool) {
	if len(versions) == 0 {
		return
	}
	s.has("")
	s.list = slices.DeleteFunc(slices.Clone(s.list), func(v string) bool { return versions[v] })
	for v := range versions {
		delete(s.set, v)
	}
}
