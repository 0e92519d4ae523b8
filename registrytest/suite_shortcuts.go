package registrytest

import (
	"errors"
	"os"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/driver"
)

// The cases of Looker and ArtifactTree, which are shortcuts.

// look passes a store that is not a Looker.
func look(s *suite) {
	store, other, name := s.handle(), s.handle(), s.name("m")
	l, ok := store.(driver.Looker)
	if !ok {
		return
	}
	// lookAt returns the lines that the view of Look shows, or those of Read if
	// that view may be stale, and the revision of the view.
	lookAt := func(since driver.Revision) (lines []string, rev driver.Revision, changed bool) {
		s.Helper()
		v, err := l.Look(s.Context(), name.UseCase, name.Model, since)
		if err != nil {
			s.Fatalf("looking: %v", err)
		}
		if v == nil {
			return nil, since, false
		}
		lines, _, err = readLog(v, 0)
		if err == nil {
			_, _, err = v.Document()
		}
		if errors.Is(err, driver.ErrStaleView) {
			err = store.Read(s.Context(), name.UseCase, name.Model, func(read driver.View) (err error) {
				v = read
				lines, _, err = readLog(v, 0)
				if err == nil {
					_, _, err = v.Document()
				}
				rev = v.Revision()
				return err
			})
			if err != nil {
				s.Fatalf("reading instead: %v", err)
			}
			return lines, rev, true
		}
		if err != nil {
			s.Fatalf("reading the view of Look: %v", err)
		}
		return lines, v.Revision(), true
	}
	var want []string
	var rev driver.Revision
	for i, line := range []string{"one", "two", "three"} {
		s.add([]mr.Store{other, store}[i%2], name, line)
		want = append(want, line)
		got, next, changed := lookAt(rev)
		if !changed {
			s.Errorf("after %q was appended, Look returns no view", line)
			return
		}
		s.want("the lines that Look shows", got, want)
		for _, strange := range []driver.Revision{nil, "of another store"} {
			if got, _, changed := lookAt(strange); !changed {
				s.Errorf("for the revision %v, Look returns no view", strange)
			} else {
				s.want("the lines that Look shows for a strange revision", got, want)
			}
		}
		rev = next
	}
}

// artifactTree passes a store whose trees are not ArtifactTrees.
func artifactTree(s *suite) {
	store, other, name := s.handle(), s.handle(), s.name("m")
	s.put(store, name, "1.0.0", someFiles("1.0.0"))
	s.put(store, name, "1.0.1", withManifest(map[string]string{"other/model/w": "weights", "models/w": "weights"}))
	s.put(store, name, "1.0.2", withManifest(map[string]string{"model": "a file"}))
	for _, h := range []mr.Store{store, other, store} { // a store may remember a tree that it opened
		for version, want := range map[string]string{"1.0.0": "model", "1.0.1": "", "1.0.2": ""} {
			s.wantArtifact(h, name, version, want)
		}
	}
}

// wantArtifact checks the path of a version's artifact.
func (s *suite) wantArtifact(store mr.Store, name mr.ModelName, version, want string) {
	s.Helper()
	tree, err := store.OpenTree(s.Context(), name.UseCase, name.Model, version)
	if err != nil {
		s.Fatalf("opening %s: %v", version, err)
	}
	defer tree.Close()
	a, ok := tree.(driver.ArtifactTree)
	if !ok {
		return
	}
	if want == "" {
		s.want("the artifact of "+version, a.Artifact(), "")
		return
	}
	got, gotErr := os.Stat(a.Artifact())
	there, err := os.Stat(tree.Path() + "/" + want)
	if gotErr != nil || err != nil || !os.SameFile(got, there) {
		s.Errorf("the artifact of %s is at %q (%v), want the folder %s in %s (%v)", version, a.Artifact(), gotErr, want, tree.Path(), err)
	}
}
