package modelregistry_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/internal/pyjson"
	"github.com/ubunye-go/modelregistry/internal/pythonstore"
)

// membersOf returns the raw values of an entry.
func membersOf(t *testing.T, raw string) map[string]string {
	t.Helper()
	members, err := pyjson.Object([]byte(raw))
	if err != nil {
		t.Fatal(err)
	}
	m := map[string]string{}
	for _, member := range members {
		m[member.Key] = string(member.Value)
	}
	return m
}

// changesOf returns the changes of events, each as "version from>to".
func changesOf(list []modelregistry.Event) (changes []string) {
	for _, e := range list {
		for _, c := range e.Changes {
			text := fmt.Sprintf("%s %s>%s", c.Version, c.From, c.To)
			if c.Reused {
				text += " reused"
			}
			changes = append(changes, text)
		}
	}
	return changes
}

// After Python deletes a version, it is not found, the history records the
// deletion, and its number is not given out again.
func TestPythonDeletesAVersion(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		versions, production string
		deleted              string
		left                 []string
		next                 string
		back                 string // what a rollback restores, if anything
	}{
		"the newest":          {"1.0.0 1.0.1 1.0.2", "1.0.0", "1.0.2", []string{"1.0.1", "1.0.0"}, "1.0.3", ""},
		"the one between":     {"1.0.0 1.0.1 1.0.2", "", "1.0.1", []string{"1.0.2", "1.0.0"}, "1.0.3", ""},
		"production":          {"1.0.0 1.0.1 1.0.2", "1.0.0 1.0.1", "1.0.1", []string{"1.0.2", "1.0.0"}, "1.0.3", "1.0.0"},
		"the one before that": {"1.0.0 1.0.1 1.0.2", "1.0.0 1.0.1 1.0.2", "1.0.1", []string{"1.0.2", "1.0.0"}, "1.0.3", "1.0.0"},
		"the only one":        {"1.0.0", "1.0.0", "1.0.0", nil, "1.0.1", ""},
	} {
		for _, held := range []bool{true, false} {
			for _, lags := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s/held %t/lags %t", name, held, lags), func(t *testing.T) {
					t.Parallel()
					s, left := pythonstore.New(t), slices.Clone(tt.left)
					r := s.Open()
					for _, v := range strings.Fields(tt.versions) {
						s.Register(r, v)
					}
					for _, v := range strings.Fields(tt.production) {
						s.Promote(r, v, modelregistry.Production)
					}
					if lags { // by an event that changes none of these versions
						r.SetLag(-1, 1, time.Hour)
						s.Register(r, "0.1.0")
						left = append(left, "0.1.0")
					}
					before := time.Now()
					s.PythonDeletes(tt.deleted)
					if !held {
						r = s.Open()
					}
					check := func(when string) {
						t.Helper()
						var got []string
						for _, l := range s.List(r) {
							got = append(got, l.Version)
						}
						slices.Sort(got)
						slices.Reverse(got)
						if diff := cmp.Diff(left, got); diff != "" {
							t.Errorf("listed %s (-want +got):\n%s", when, diff)
						}
						if _, err := r.GetVersion(t.Context(), fraud.At(tt.deleted)); !errors.Is(err, modelregistry.ErrNotFound) {
							t.Errorf("GetVersion of the deleted %s %s: got error %v, want ErrNotFound", tt.deleted, when, err)
						}
						s.WantSound()
					}
					check("before our next change")
					_, err := r.Register(t.Context(), fraud, pythonstore.Artifact("x"), &modelregistry.RegisterOptions{Version: tt.deleted})
					if !errors.Is(err, modelregistry.ErrExists) {
						t.Errorf("register %s again: got error %v, want ErrExists", tt.deleted, err)
					}
					v, err := r.Register(t.Context(), fraud, pythonstore.Artifact("x"), nil)
					if err != nil || v.Version != tt.next {
						t.Errorf("the next number is %q, %v, want %s", v.Version, err, tt.next)
					}
					left = append([]string{tt.next}, left...)
					check("after our next change")
					s.Same(r)
					if got := changesOf(s.ForeignEvents(r)); len(got) != 1 || got[0] == "" {
						t.Errorf("foreign events have the changes %q, want one event with a change", got)
					}
					wantTombstone(s, tt.deleted, before)
					p, err := r.ProductionAt(t.Context(), fraud, time.Time{})
					if v, getErr := r.GetVersion(t.Context(), fraud.In(modelregistry.Production)); (getErr == nil) != (err == nil) || err == nil && v.Version != p.Version {
						t.Errorf("ProductionAt returns %q, %v; GetVersion returns %q, %v; want the same", p.Version, err, v.Version, getErr)
					}
					if p, err := r.ProductionAt(t.Context(), fraud, before); tt.production != "" && (err != nil || p.Version != strings.Fields(tt.production)[strings.Count(tt.production, " ")]) {
						t.Errorf("ProductionAt before the deletion returns %q, %v; want the last of %q", p.Version, err, tt.production)
					}
					back, err := r.Rollback(t.Context(), fraud, nil)
					if tt.back == "" && !errors.Is(err, modelregistry.ErrNotFound) || tt.back != "" && (err != nil || back.Version != tt.back) {
						t.Errorf("rolled back to %q, %v, want %q", back.Version, err, tt.back)
					}
					s.Same(r)
					s.WantSound()
				})
			}
		}
	}
}

// wantTombstone checks that the event and the document record a deletion, with
// its time and the same members.
func wantTombstone(s *pythonstore.Store, version string, after time.Time) {
	s.T.Helper()
	var fromEvent map[string]map[string]string
	for _, line := range s.Events() {
		if line.Deleted != nil {
			fromEvent = line.Deleted
			if !slices.Contains(line.Removed, version) {
				s.T.Errorf("the event has removed %q, want %s among them", line.Removed, version)
			}
		}
	}
	stone := fromEvent[version]
	at, err := time.Parse(time.RFC3339Nano, stone["at"])
	if err != nil || at.Before(after.Truncate(time.Microsecond)) || stone["by"] == "" || stone["registered_at"] == "" {
		s.T.Errorf("the event records the deletion as %v, want by, registered_at, and a time after %v", stone, after)
	}
	var inDocument map[string]map[string]string
	if err := json.Unmarshal(s.Document().Mark.Deleted, &inDocument); err != nil {
		s.T.Fatal(err)
	}
	if diff := cmp.Diff(stone, inDocument[version]); diff != "" {
		s.T.Errorf("the document records the deletion otherwise (-event +document):\n%s", diff)
	}
}

// Python counts from the entries that are left, so it may give out again a
// number that it deleted. That is another version, whether the registry
// recorded the deletion in between or not.
func TestPythonGivesANumberAgain(t *testing.T) {
	t.Parallel()
	for _, recorded := range []bool{true, false} {
		t.Run(fmt.Sprintf("recorded between %t", recorded), func(t *testing.T) {
			t.Parallel()
			s := pythonstore.New(t)
			r := s.Open()
			s.Register(r, "1.0.0")
			if _, err := r.Register(t.Context(), fraud, pythonstore.Artifact("1.0.1"), &modelregistry.RegisterOptions{Version: "1.0.1", Actor: "go", Gates: modelregistry.MinMetric("auc", 0.99)}); err != nil {
				t.Fatal(err)
			}
			s.Promote(r, "1.0.0", modelregistry.Production)
			old := s.RawEntry("1.0.1")
			s.PythonDeletes("1.0.1")
			want := []string{"1.0.1 development>", "1.0.1 >development reused"}
			if recorded {
				s.Archive(r, "1.0.0")
			}
			s.PythonRegisters("1.0.1")
			for _, r := range []*modelregistry.ModelRegistry{r, s.Open()} {
				v, err := r.GetVersion(t.Context(), fraud.At("1.0.1"))
				if err != nil || v.RegisteredBy != "" || v.ManifestSHA256 != "" || v.Gates.Len() != 0 || v.Metrics.String() != `{"auc":0.25,"psi":NaN}` {
					t.Errorf("1.0.1 is %+v, %v; want the one that Python registered", v, err)
				}
			}
			v, err := r.Register(t.Context(), fraud, pythonstore.Artifact("next"), nil)
			if err != nil || v.Version != "1.0.2" {
				t.Errorf("the next number is %q, %v, want 1.0.2", v.Version, err)
			}
			if diff := cmp.Diff(want, changesOf(s.ForeignEvents(r))); diff != "" {
				t.Errorf("changes of the foreign events (-want +got):\n%s", diff)
			}
			s.Same(r)
			s.WantSound()

			// A program writes the deleted version's entry back from an old
			// copy of the document.
			now := s.RawEntry("1.0.1")
			s.PythonWrites(func(entries map[string]map[string]string, _ *[]string) {
				entries["1.0.1"] = membersOf(t, old)
			})
			s.Register(r, "9.0.0")
			if got := s.RawEntry("1.0.1"); got != now {
				t.Errorf("the deleted version's entry replaced the other's; got:\n%s\nwant:\n%s", got, now)
			}
			s.WantNoEmptyForeignEvent(r)
			s.Same(r)
		})
	}
}

// A rollback does not restore a version that has only the number of one that
// was in production, and nothing else protects it for that.
func TestRollbackPassesANumberThatPythonGaveAgain(t *testing.T) {
	t.Parallel()
	s := pythonstore.New(t)
	r := s.Open()
	for _, version := range []string{"1.0.0", "1.0.1", "1.0.2"} {
		s.Register(r, version)
		s.Promote(r, version, modelregistry.Production)
	}
	s.PythonDeletes("1.0.1")
	s.PythonRegisters("1.0.1")
	v, err := s.Open().Rollback(t.Context(), fraud, nil)
	if err != nil || v.Version != "1.0.0" {
		t.Errorf("back to %s, %v, want 1.0.0", v.Version, err)
	}
	if err := r.Delete(t.Context(), fraud.At("1.0.1"), nil); err != nil {
		t.Errorf("delete the version with the number: %v", err)
	}
}

// If an old document brings back the entry of a deleted version, the version
// stays deleted, and Verify reports a doubt.
func TestPythonBringsBackADeletedEntry(t *testing.T) {
	t.Parallel()
	s := pythonstore.New(t)
	r := s.Open()
	s.Register(r, "1.0.0")
	s.Register(r, "1.0.1")
	before := s.Read("registry.json")
	s.PythonDeletes("1.0.1")
	s.Register(r, "1.0.2")
	s.Write("registry.json", before)
	s.PythonRegisters("1.0.3")
	want := map[string]string{"1.0.0": "development", "1.0.2": "development", "1.0.3": "development"}
	for _, r := range []*modelregistry.ModelRegistry{r, s.Open()} {
		if diff := cmp.Diff(want, pythonstore.Stages(s.List(r))); diff != "" {
			t.Errorf("before our next change (-want +got):\n%s", diff)
		}
	}
	s.Register(r, "1.0.4")
	want["1.0.4"] = "development"
	if diff := cmp.Diff(want, pythonstore.Stages(s.Same(r))); diff != "" {
		t.Errorf("after our next change (-want +got):\n%s", diff)
	}
	if list := s.Doubted(r); !slices.Contains(list, "1.0.1") {
		t.Errorf("Verify doubts %q, want 1.0.1 among them", list)
	}
	s.WantNoEmptyForeignEvent(r)
	s.WantSound()
}

// An editor that corrects a version's time of registration does not make it
// another version, because its files are those that the registry registered.
func TestEditedTimeOfRegistration(t *testing.T) {
	t.Parallel()
	s := pythonstore.New(t)
	r := s.Open()
	_, err := r.Register(t.Context(), fraud, pythonstore.Artifact("1.0.0"), &modelregistry.RegisterOptions{Version: "1.0.0", Gates: modelregistry.MinMetric("auc", 0.99)})
	if err != nil {
		t.Fatal(err)
	}
	s.PythonSets("1.0.0", "registered_at", string(pyjson.Quote(pythonstore.Day1)))
	v, err := s.Open().GetVersion(t.Context(), fraud.At("1.0.0"))
	if err != nil || v.Gates.Len() != 1 || v.ManifestSHA256 == "" || v.RegisteredAt.Format(time.RFC3339Nano) != "2026-11-20T05:30:11.655479Z" {
		t.Errorf("%+v, %v", v, err)
	}
	s.Register(r, "1.0.1")
	s.Same(r)
	s.WantSound()
}
