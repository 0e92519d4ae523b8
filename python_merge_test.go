package modelregistry_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/internal/crashtest"
	"github.com/ubunye-go/modelregistry/internal/fsstore"
	"github.com/ubunye-go/modelregistry/internal/pyjson"
	"github.com/ubunye-go/modelregistry/internal/pythonstore"
)

// The tests of this file change a store from Python and from the registry. The
// registry merges both, and reports a doubt where it can't decide.

// The names of two boots of a system. On Windows, a name is the second in which
// the system was started.
const firstBoot, laterBoot = "1000", "2000"

// openBooted opens a registry in a named boot of the system. It sets no actor,
// so that an entry does not show which program moved it.
func openBooted(s *pythonstore.Store, boot string) *modelregistry.ModelRegistry {
	s.T.Helper()
	r, err := modelregistry.OpenBooted(s.Dir, nil, boot, func(d fsstore.Disk) fsstore.Disk { return d })
	if err != nil {
		s.T.Fatal(err)
	}
	s.T.Cleanup(func() { r.Close() })
	return r
}

// If Python demotes or archives a version, its entry may equal an earlier one
// of ours, because Python writes no time. It is a change all the same.
func TestPythonPutsAnEntryBackToWhatItWas(t *testing.T) {
	t.Parallel()
	type step = func(s *pythonstore.Store, r *modelregistry.ModelRegistry)
	goArchive := func(s *pythonstore.Store, r *modelregistry.ModelRegistry) { s.Archive(r, "1.0.0") }
	goPromote := func(to modelregistry.ModelStage) step {
		return func(s *pythonstore.Store, r *modelregistry.ModelRegistry) { s.Promote(r, "1.0.0", to) }
	}
	goDemote := func(to modelregistry.ModelStage) step {
		return func(s *pythonstore.Store, r *modelregistry.ModelRegistry) { s.Demote(r, "1.0.0", to) }
	}
	goOther := func(s *pythonstore.Store, r *modelregistry.ModelRegistry) {
		if _, err := r.Register(s.T.Context(), fraud, pythonstore.Artifact("other"), nil); err != nil {
			s.T.Fatal(err)
		}
	}
	py := func(stage string) step {
		return func(s *pythonstore.Store, _ *modelregistry.ModelRegistry) { s.PythonSetsStage("1.0.0", stage) }
	}
	for name, steps := range map[string][]step{
		"archived":                          {goArchive, goPromote(modelregistry.Development), py("archived")},
		"archived, as Python did before":    {py("archived"), goPromote(modelregistry.Development), py("archived")},
		"archived, with others between":     {py("archived"), goOther, goPromote(modelregistry.Development), goOther, py("archived")},
		"staging":                           {goPromote(modelregistry.Staging), goDemote(modelregistry.Development), py("staging")},
		"production":                        {goPromote(modelregistry.Production), goDemote(modelregistry.Development), py("production")},
		"development, as Python did before": {goPromote(modelregistry.Staging), py("development"), py("staging"), py("development"), goPromote(modelregistry.Production), py("development")},
	} {
		want := strings.Split(name, ",")[0]
		for _, held := range []bool{true, false} {
			for _, lags := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s/held %t/lags %t", name, held, lags), func(t *testing.T) {
					t.Parallel()
					s := pythonstore.New(t)
					one := openBooted(s, firstBoot)
					reg := func() *modelregistry.ModelRegistry {
						r := one
						if !held {
							r = openBooted(s, firstBoot)
						}
						if lags {
							r.SetLag(-1, 1, time.Hour)
						}
						return r
					}
					s.Register(reg(), "1.0.0")
					for _, step := range steps {
						r := reg()
						step(s, r)
						if !held || lags { // in turns: the document is written before Python reads it
							r.Close()
							if held {
								one = openBooted(s, firstBoot)
							}
						}
					}
					for _, r := range []*modelregistry.ModelRegistry{reg(), openBooted(s, firstBoot)} {
						if got := pythonstore.Stages(s.List(r))["1.0.0"]; got != want {
							t.Errorf("1.0.0 reads as %s, want %s", got, want)
						}
					}
					r := reg()
					goOther(s, r)
					if got := pythonstore.Stages(s.Same(r))["1.0.0"]; got != want {
						t.Errorf("1.0.0 is in %s after our next change, want %s", got, want)
					}
					s.WantNoEmptyForeignEvent(r)
					s.WantSound()
					if list := s.Doubted(openBooted(s, firstBoot)); list != nil {
						t.Errorf("Verify doubts %q, want none, in turns within one boot", list)
					}
				})
			}
		}
	}
}

// laggingStore makes a store whose document lags: it lacks what act did. It has
// 1.0.0 in production, and 1.1.0 and 1.2.0 in development.
func laggingStore(t *testing.T, act func(s *pythonstore.Store, r *modelregistry.ModelRegistry)) (*pythonstore.Store, *modelregistry.ModelRegistry) {
	t.Helper()
	s := pythonstore.New(t)
	r := s.Open()
	for _, v := range []string{"1.0.0", "1.1.0", "1.2.0"} {
		s.Register(r, v)
	}
	s.Promote(r, "1.0.0", modelregistry.Production)
	before := s.Document().Mark.Event
	r.SetLag(-1, 1, time.Hour)
	act(s, r)
	if at := s.Document().Mark.Event; at != before {
		t.Fatalf("the document is at event %d, want %d, so that it lags", at, before)
	}
	return s, r
}

// A change that Python makes to a lagging document counts, and does not undo
// the changes that the document lacked.
func TestPythonOnALaggingDocument(t *testing.T) {
	t.Parallel()
	const later = "2099-01-01T00:00:00.000001+00:00"
	type stages = map[string]string
	promote := func(s *pythonstore.Store, r *modelregistry.ModelRegistry) {
		s.Promote(r, "1.1.0", modelregistry.Production)
	}
	for name, tt := range map[string]struct {
		ours   func(s *pythonstore.Store, r *modelregistry.ModelRegistry)
		theirs func(s *pythonstore.Store)
		want   stages
		doubts []string
	}{
		"we promote, Python edits a metric of the one before": {promote,
			func(s *pythonstore.Store) { s.PythonSets("1.0.0", "metrics", `{"auc":0.77}`) },
			stages{"1.0.0": "archived", "1.1.0": "production", "1.2.0": "development"}, nil},
		"we promote, Python promotes another": {promote,
			func(s *pythonstore.Store) { s.PythonPromotes("1.2.0", later) },
			stages{"1.0.0": "archived", "1.1.0": "archived", "1.2.0": "production"}, nil},
		"we promote, Python promotes the one before again": {promote,
			func(s *pythonstore.Store) { s.PythonSets("1.0.0", "promoted_to_prod", string(pyjson.Quote(later))) },
			stages{"1.0.0": "production", "1.1.0": "archived", "1.2.0": "development"}, nil},
		"we promote, Python moves the one before": {promote,
			func(s *pythonstore.Store) { s.PythonMoves("1.0.0", "staging", later) },
			stages{"1.0.0": "staging", "1.1.0": "production", "1.2.0": "development"}, nil},
		"we promote, Python demotes the one before": {promote,
			func(s *pythonstore.Store) { s.PythonSetsStage("1.0.0", "development") },
			stages{"1.0.0": "development", "1.1.0": "production", "1.2.0": "development"}, nil},
		"we promote, Python archives the same": {promote,
			func(s *pythonstore.Store) { s.PythonSetsStage("1.1.0", "archived") },
			stages{"1.0.0": "archived", "1.1.0": "archived", "1.2.0": "development"}, nil},
		"we demote and promote, Python promotes, which archives what it found": {
			func(s *pythonstore.Store, r *modelregistry.ModelRegistry) {
				s.Demote(r, "1.0.0", modelregistry.Development)
				s.Promote(r, "1.1.0", modelregistry.Production)
			},
			func(s *pythonstore.Store) { s.PythonPromotes("1.2.0", later) },
			stages{"1.0.0": "development", "1.1.0": "archived", "1.2.0": "production"}, nil},
		"we promote, Python only changes promoted_by": {promote,
			func(s *pythonstore.Store) { s.PythonSets("1.0.0", "promoted_by", `"eve"`) },
			stages{"1.0.0": "archived", "1.1.0": "production", "1.2.0": "development"}, []string{"1.0.0"}},
		"we register, Python archives": {
			func(s *pythonstore.Store, r *modelregistry.ModelRegistry) { s.Register(r, "1.3.0") },
			func(s *pythonstore.Store) { s.PythonSetsStage("1.2.0", "archived") },
			stages{"1.0.0": "production", "1.1.0": "development", "1.2.0": "archived", "1.3.0": "development"}, nil},
		"we promote, Python deletes it": {promote,
			func(s *pythonstore.Store) { s.PythonDeletes("1.1.0") },
			stages{"1.0.0": "archived", "1.2.0": "development"}, nil},
		"we promote, Python registers": {promote,
			func(s *pythonstore.Store) { s.PythonRegisters("1.3.0") },
			stages{"1.0.0": "archived", "1.1.0": "production", "1.2.0": "development", "1.3.0": "development"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, r := laggingStore(t, tt.ours)
			tt.theirs(s)
			for _, r := range []*modelregistry.ModelRegistry{r, s.Open()} {
				if diff := cmp.Diff(tt.want, pythonstore.Stages(s.List(r))); diff != "" {
					t.Errorf("read before our next change (-want +got):\n%s", diff)
				}
			}
			s.WantSound()
			s.Register(r, "9.0.0")
			tt.want["9.0.0"] = "development"
			lines := s.Same(r)
			if diff := cmp.Diff(tt.want, pythonstore.Stages(lines)); diff != "" {
				t.Errorf("read after our next change (-want +got):\n%s", diff)
			}
			for _, l := range lines {
				if l.Stage == "production" && l.Served.IsZero() || l.Stage == "archived" && l.Version == "1.0.0" && l.Archived.IsZero() {
					t.Errorf("%s is %+v, want the time that its stage was set", l.Version, l)
				}
			}
			if diff := cmp.Diff(tt.doubts, s.Doubted(s.Open())); diff != "" {
				t.Errorf("doubts (-want +got):\n%s", diff)
			}
			s.WantNoEmptyForeignEvent(r)
			s.WantInStep()
			s.WantSound()
		})
	}
}

// Python reads the document before our change and writes it after, so it does
// not take turns. That does not undo our change, because Python's entries have
// older times than ours.
func TestPythonWroteWhatItReadBeforeOurChange(t *testing.T) {
	t.Parallel()
	s := pythonstore.New(t)
	r := s.Open()
	s.Register(r, "1.0.0")
	s.Register(r, "1.1.0")
	s.Promote(r, "1.0.0", modelregistry.Production)
	read := s.Read("registry.json")
	s.Promote(r, "1.1.0", modelregistry.Production)
	s.Register(r, "1.2.0")
	s.Write("registry.json", read)
	s.PythonRegisters("1.3.0") // a registration takes as long as it takes to save the model
	want := map[string]string{"1.0.0": "archived", "1.1.0": "production", "1.2.0": "development", "1.3.0": "development"}
	if diff := cmp.Diff(want, pythonstore.Stages(s.List(s.Open()))); diff != "" {
		t.Errorf("read before our next change (-want +got):\n%s", diff)
	}
	s.Register(r, "9.0.0")
	want["9.0.0"] = "development"
	if diff := cmp.Diff(want, pythonstore.Stages(s.Same(r))); diff != "" {
		t.Errorf("read after our next change (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"1.0.0", "1.1.0", "1.2.0"}, s.Doubted(s.Open())); diff != "" {
		t.Errorf("doubts of Verify (-want +got):\n%s", diff)
	}
	s.WantSound()
	s.Archive(r, "1.2.0")
	if diff := cmp.Diff([]string{"1.0.0", "1.1.0"}, s.Doubted(s.Open())); diff != "" {
		t.Errorf("doubts of Verify after 1.2.0 is archived (-want +got):\n%s", diff)
	}
}

// After a reboot, or in a copy without the lock file, the registry can't know
// which document Python changed. A document that may be old then undoes
// nothing, and Verify reports a doubt.
func TestPythonAfterARebootLeavesADoubt(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		ours  func(s *pythonstore.Store, r *modelregistry.ModelRegistry)
		stage string
		want  string
		doubt bool
	}{
		"archived, as it was": {func(s *pythonstore.Store, r *modelregistry.ModelRegistry) {
			s.Archive(r, "1.0.0")
			s.Promote(r, "1.0.0", modelregistry.Development)
		}, "archived", "development", true},
		"production, as it was": {func(s *pythonstore.Store, r *modelregistry.ModelRegistry) {
			s.Promote(r, "1.0.0", modelregistry.Production)
			s.Demote(r, "1.0.0", modelregistry.Development)
		}, "production", "development", true},
		"staging, as it never was": {func(s *pythonstore.Store, r *modelregistry.ModelRegistry) { s.Archive(r, "1.0.0") }, "staging", "staging", false},
	} {
		for _, lost := range []string{"reboot", "copy"} {
			t.Run(name+"/"+lost, func(t *testing.T) {
				t.Parallel()
				s := pythonstore.New(t)
				r := openBooted(s, firstBoot)
				s.Register(r, "1.0.0")
				tt.ours(s, r)
				if err := r.Close(); err != nil {
					t.Fatal(err)
				}
				boot := laterBoot
				if lost == "copy" {
					boot = firstBoot
					s.Remove(".lock")
				}
				s.PythonSetsStage("1.0.0", tt.stage)
				r = openBooted(s, boot)
				if got := pythonstore.Stages(s.List(r))["1.0.0"]; got != tt.want {
					t.Errorf("1.0.0 reads as %s, want %s", got, tt.want)
				}
				var want []string
				if tt.doubt {
					want = []string{"1.0.0"}
				}
				if diff := cmp.Diff(want, s.Doubted(r)); diff != "" {
					t.Errorf("doubts before our next change (-want +got):\n%s", diff)
				}
				s.Register(r, "1.1.0")
				if got := pythonstore.Stages(s.Same(r))["1.0.0"]; got != tt.want {
					t.Errorf("1.0.0 is in %s after our next change, want %s", got, tt.want)
				}
				if diff := cmp.Diff(want, s.Doubted(r)); diff != "" {
					t.Errorf("doubts after our next change (-want +got):\n%s", diff)
				}
				s.WantNoEmptyForeignEvent(r)
				events := s.ForeignEvents(r)
				if len(events) != 1 || tt.doubt != (len(events[0].Doubts) == 1) {
					t.Errorf("foreign events are %+v, want one, with a doubt: %t", events, tt.doubt)
				}
			})
		}
	}
}

// If our process is killed at any point of a change, Python's next change
// counts and so does what the history has of ours.
func TestPythonAfterAKilledProcess(t *testing.T) {
	t.Parallel()
	promote := func(r *modelregistry.ModelRegistry) error {
		_, err := r.Promote(t.Context(), fraud.At("1.0.0"), modelregistry.Development, nil)
		return err
	}
	register := func(r *modelregistry.ModelRegistry) error {
		_, err := r.Register(t.Context(), fraud, pythonstore.Artifact("x"), &modelregistry.RegisterOptions{Version: "1.2.0"})
		return err
	}
	for name, change := range map[string]func(*modelregistry.ModelRegistry) error{"promote": promote, "register": register} {
		for _, before := range []bool{false, true} { // true: Python made a change before that is not recorded yet
			t.Run(fmt.Sprintf("%s/after Python %t", name, before), func(t *testing.T) {
				t.Parallel()
				acknowledged, documents := 0, map[string]bool{}
				for at, hit := 1, "first"; hit != ""; at++ {
					s := pythonstore.New(t)
					r := openBooted(s, firstBoot)
					s.Register(r, "1.0.0")
					s.Register(r, "1.1.0")
					s.Archive(r, "1.0.0")
					if before {
						s.PythonSetsStage("1.1.0", "staging")
					}
					if err := r.Close(); err != nil {
						t.Fatal(err)
					}
					var faulty crashtest.Faulty
					r, err := modelregistry.OpenBooted(s.Dir, nil, firstBoot, func(d fsstore.Disk) fsstore.Disk { return faulty.Wrap(crashtest.NoSync{Disk: d}) })
					if err != nil {
						t.Fatal(err)
					}
					faulty.Fail(crashtest.Fault{At: at, Err: syscall.EIO, Stays: true})
					if change(r) == nil {
						acknowledged++
					}
					_, hit = faulty.Heal()
					faulty.Fail(crashtest.Fault{At: 1, Err: syscall.EIO, Stays: true})
					r.Close()

					found := s.StagesInDocument()
					documents[fmt.Sprint(found)] = true
					s.PythonSetsStage("1.0.0", "archived")
					s.PythonSets("1.1.0", "metrics", `{"auc":0.77}`)
					want := stagesInHistory(s)
					if before {
						want["1.1.0"] = "staging"
					}
					if found["1.0.0"] != "archived" { // otherwise Python changes nothing
						want["1.0.0"] = "archived"
					}
					{
						r = openBooted(s, firstBoot)
						lines := s.List(r)
						if diff := cmp.Diff(want, pythonstore.Stages(lines)); diff != "" {
							t.Errorf("killed at operation %d, %s (-want +got):\n%s", at, hit, diff)
						}
						for _, l := range lines {
							if l.Version == "1.1.0" && l.Metrics != `{"auc":0.77}` {
								t.Errorf("killed at operation %d, %s: the metrics are %s, want those that Python set", at, hit, l.Metrics)
							}
						}
						if list := s.Doubted(r); list != nil {
							t.Errorf("killed at operation %d, %s: Verify doubts %q, want none", at, hit, list)
						}
						s.Register(r, "9.0.0")
						want["9.0.0"] = "development"
						if diff := cmp.Diff(want, pythonstore.Stages(s.Same(r))); diff != "" {
							t.Errorf("killed at operation %d, %s, after our next change (-want +got):\n%s", at, hit, diff)
						}
					}
				}
				if acknowledged < 2 || len(documents) < 2 {
					t.Errorf("%d changes were acknowledged, %d documents seen, want 2 or more of each, so that kills fell around the rename", acknowledged, len(documents))
				}
			})
		}
	}
}

// stagesInHistory returns the stages by the events of complete appends. All
// lines of an append but the last end in a space.
func stagesInHistory(s *pythonstore.Store) map[string]string {
	s.T.Helper()
	m := map[string]string{}
	var group []string
	for line := range strings.Lines(string(s.Read("history.jsonl"))) {
		group = append(group, line)
		if !strings.HasSuffix(line, "\n") || strings.HasSuffix(line, " \n") {
			continue
		}
		for _, line := range group {
			var e struct {
				After map[string]struct{ Stage string }
			}
			if err := json.Unmarshal([]byte(line), &e); err != nil {
				s.T.Fatal(err)
			}
			for v, entry := range e.After {
				m[v] = entry.Stage
			}
		}
		group = nil
	}
	return m
}
