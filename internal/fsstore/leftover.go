package fsstore

import (
	"errors"
	"io/fs"
	"path"
	"slices"
	"time"
)

// A failed registration removes its staging folder. If that fails too, because
// the process has too many files open, say, the store notes it, and tries again
// after its next change and at Close.

// leftoversEvery bounds how often the store tries to remove leftovers.
const leftoversEvery = 100 * time.Millisecond

// noteLeftover notes that a staging folder in a model's folder of stagings
// could not be removed. made are folders to remove when they are empty.
func (s *Store) noteLeftover(stagings string, made []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.leftovers == nil {
		s.leftovers = map[string][]string{}
	}
	s.leftovers[stagings] = append(s.leftovers[stagings], made...)
	s.leftoversAt = time.Now()
}

// removeLeftovers tries again to remove leftovers, unless it did so just now.
func (s *Store) removeLeftovers(d Disk, always bool) {
	s.mu.Lock()
	if len(s.leftovers) == 0 || !always && time.Since(s.leftoversAt) < leftoversEvery {
		s.mu.Unlock()
		return
	}
	left := s.leftovers
	s.leftovers = nil
	s.mu.Unlock()
	for stagings, made := range left {
		if s.sweepNow(d, stagings) {
			s.drop(d, stagings, made)
		} else {
			s.noteLeftover(stagings, made)
		}
	}
}

// drop removes folders that were made for a staging and hold nothing.
func (s *Store) drop(d Disk, stagings string, made []string) {
	for i, name := range slices.Backward(made) {
		err := d.Remove(name)
		if err == nil || errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if !errors.Is(err, fs.ErrExist) && !errors.Is(err, fs.ErrPermission) { // it is not in use
			s.noteLeftover(stagings, made[:i+1])
		}
		return
	}
}

// sweepNow removes the stagings of dead processes, and those that this process
// had to leave. It returns false if it could not remove one of them.
func (s *Store) sweepNow(d Disk, stagings string) (clean bool) {
	entries, err := d.ReadDir(stagings)
	clean = err == nil || errors.Is(err, fs.ErrNotExist)
	for _, e := range entries {
		name := path.Join(stagings, e.Name())
		is, err := isStaging(d, e, name)
		if is {
			var dead claim
			if dead, is, err = s.tryOwn(d, name); is {
				err = dead.remove()
			}
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrPermission) { // or it is another user's
			clean = false
		}
	}
	return clean
}
