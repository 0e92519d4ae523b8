package index

import (
	"slices"
	"sync"
)

// numbers is a list of versions without duplicates that finds each at once. A
// slice of its list stays valid: the list is only extended or replaced.
type numbers struct {
	list []string
	set  map[string]bool // the list, once it was needed
	once sync.Once
}

func (n *numbers) has(version string) bool {
	n.once.Do(func() {
		n.set = make(map[string]bool, len(n.list))
		for _, v := range n.list {
			n.set[v] = true
		}
	})
	return n.set[version]
}

// add appends a version, and reports whether it is new.
func (n *numbers) add(version string) bool {
	if n.has(version) {
		return false
	}
	n.set[version] = true
	n.list = append(n.list, version)
	return true
}

// drop removes versions from the list.
func (n *numbers) drop(versions map[string]bool) {
	if len(versions) == 0 {
		return
	}
	n.has("")
	n.list = slices.DeleteFunc(slices.Clone(n.list), func(v string) bool { return versions[v] })
	for v := range versions {
		delete(n.set, v)
	}
}
