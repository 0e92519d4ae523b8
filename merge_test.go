package modelregistry_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/internal/crashtest"
	"github.com/ubunye-go/modelregistry/internal/fsstore"
	"github.com/ubunye-go/modelregistry/internal/pyjson"
)

// What another program changed by turns with us, and what we did meanwhile, is
// merged; neither is lost, and what can't be told is said.

// pyStage is Python's demote and archive, which leave no time.
func (s *pyStore) pyStage(version, stage string) {
	s.t.Helper()
	s.pyWrite(func(entries map[string]map[string]string, _ *[]string) {
		entries[version]["stage"] = string(pyjson.Quote(stage))
	})
}

// pyMove is Python's promotion to a stage with a time.
func (s *pyStore) pyMove(version, stage, when string) {
	s.t.Helper()
	if stage == "production" {
		s.pyPromote(version, when)
		return
	}
	key := map[string]string{"staging": "promoted_to_staging", "archived": "archived_at"}[stage]
	s.pyWrite(func(entries map[string]map[string]string, _ *[]string) {
		entries[version]["stage"], entries[version][key] = string(pyjson.Quote(stage)), string(pyjson.Quote(when))
	})
}

// pySet has Python write one value of an entry.
func (s *pyStore) pySet(version, key, value string) {
	s.t.Helper()
	s.pyWrite(func(entries map[string]map[string]string, _ *[]string) { entries[version][key] = value })
}

// pyDelete is Python's delete: the files first, then the entry.
func (s *pyStore) pyDelete(version string) {
	s.t.Helper()
	s.remove("versions/" + version)
	s.pyWrite(func(entries map[string]map[string]string, order *[]string) {
		delete(entries, version)
		*order = slices.DeleteFunc(*order, func(v string) bool { return v == version })
	})
}

// openBooted opens a registry in a boot of the system that has a name. It gives
// no actor, so that nothing in an entry tells its moves from others'.
func (s *pyStore) openBooted(boot string) *modelregistry.ModelRegistry {
	s.t.Helper()
	r, err := modelregistry.OpenBooted(s.dir, nil, boot, func(d fsstore.Disk) fsstore.Disk { return d })
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { r.Close() })
	return r
}

func (s *pyStore) archive(r *modelregistry.ModelRegistry, version string) {
	s.t.Helper()
	if _, err := r.Archive(s.t.Context(), pyName.At(version), nil); err != nil {
		s.t.Fatal(err)
	}
}

func (s *pyStore) demote(r *modelregistry.ModelRegistry, version string, to modelregistry.ModelStage) {
	s.t.Helper()
	if _, err := r.Demote(s.t.Context(), pyName.At(version), to, nil); err != nil {
		s.t.Fatal(err)
	}
}

// foreign returns the foreign events as History shows them.
func (s *pyStore) foreign(r *modelregistry.ModelRegistry) (list []modelregistry.Event) {
	s.t.Helper()
	for e, err := range r.History(s.t.Context(), pyName, &modelregistry.HistoryOptions{Ops: []modelregistry.Operation{modelregistry.OpForeign}}) {
		if err != nil {
			s.t.Fatal(err)
		}
		list = append(list, e)
	}
	return list
}

// saysSomething checks that no foreign event is empty.
func (s *pyStore) saysSomething(r *modelregistry.ModelRegistry) {
	s.t.Helper()
	for _, e := range s.foreign(r) {
		if len(e.Changes) == 0 && len(e.Doubts) == 0 && e.Reason == "" {
			s.t.Errorf("foreign event %d says nothing", e.Number)
		}
	}
}

// wantSound checks that Verify has no problem to report.
func (s *pyStore) wantSound() {
	s.t.Helper()
	report, err := s.open().Verify(s.t.Context(), nil)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, f := range report.Problems() {
		s.t.Errorf("Verify: %v", f)
	}
}

// doubted returns the versions of which Verify says that a doubt is left.
func (s *pyStore) doubted(r *modelregistry.ModelRegistry) (list []string) {
	s.t.Helper()
	report, err := r.Verify(s.t.Context(), &modelregistry.VerifyOptions{WithoutArtifacts: true})
	if err != nil {
		s.t.Fatal(err)
	}
	for _, f := range report.Findings {
		if f.Kind == modelregistry.ExternalDoubt {
			list = append(list, f.Version)
		}
	}
	return list
}

// An entry of Python's that looks as ours once did is no old one: Python's
// demote and archive leave no time, so that it can't look otherwise.
func TestPythonPutsAnEntryBackToWhatItWas(t *testing.T) {
	t.Parallel()
	type step = func(s *pyStore, r *modelregistry.ModelRegistry)
	goArchive := func(s *pyStore, r *modelregistry.ModelRegistry) { s.archive(r, "1.0.0") }
	goPromote := func(to modelregistry.ModelStage) step {
		return func(s *pyStore, r *modelregistry.ModelRegistry) { s.promote(r, "1.0.0", to) }
	}
	goDemote := func(to modelregistry.ModelStage) step {
		return func(s *pyStore, r *modelregistry.ModelRegistry) { s.demote(r, "1.0.0", to) }
	}
	goOther := func(s *pyStore, r *modelregistry.ModelRegistry) {
		if _, err := r.Register(s.t.Context(), pyName, pyArtifact("other"), nil); err != nil {
			s.t.Fatal(err)
		}
	}
	py := func(stage string) step {
		return func(s *pyStore, _ *modelregistry.ModelRegistry) { s.pyStage("1.0.0", stage) }
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
					s := pyNewStore(t)
					one := s.openBooted("one")
					reg := func() *modelregistry.ModelRegistry {
						r := one
						if !held {
							r = s.openBooted("one")
						}
						if lags {
							r.SetLag(-1, 1, time.Hour)
						}
						return r
					}
					s.register(reg(), "1.0.0")
					for _, step := range steps {
						r := reg()
						step(s, r)
						if !held || lags { // in turns: the document is brought up to date before Python's
							r.Close()
							if held {
								one = s.openBooted("one")
							}
						}
					}
					for _, r := range []*modelregistry.ModelRegistry{reg(), s.openBooted("one")} {
						if got := pyStages(s.list(r))["1.0.0"]; got != want {
							t.Errorf("1.0.0 reads as %s, want %s", got, want)
						}
					}
					r := reg()
					goOther(s, r)
					if got := pyStages(s.same(r))["1.0.0"]; got != want {
						t.Errorf("1.0.0 is in %s after our next change, want %s", got, want)
					}
					s.saysSomething(r)
					s.wantSound()
					if list := s.doubted(s.openBooted("one")); list != nil {
						t.Errorf("doubts about %q, in turns within one boot", list)
					}
				})
			}
		}
	}
}

// pyLagging makes a store whose document is behind what act did: it has 1.0.0
// in production, and 1.1.0 and 1.2.0 in development.
func pyLagging(t *testing.T, act func(s *pyStore, r *modelregistry.ModelRegistry)) (*pyStore, *modelregistry.ModelRegistry) {
	t.Helper()
	s := pyNewStore(t)
	r := s.open()
	for _, v := range []string{"1.0.0", "1.1.0", "1.2.0"} {
		s.register(r, v)
	}
	s.promote(r, "1.0.0", modelregistry.Production)
	before := s.document().Mark.Event
	r.SetLag(-1, 1, time.Hour)
	act(s, r)
	if at := s.document().Mark.Event; at != before {
		t.Fatalf("the document stands at event %d; it does not lag", at)
	}
	return s, r
}

// What Python did on a document that lagged counts, and undoes nothing that it
// did not know.
func TestPythonOnALaggingDocument(t *testing.T) {
	t.Parallel()
	const later = "2099-01-01T00:00:00.000001+00:00"
	type stages = map[string]string
	promote := func(s *pyStore, r *modelregistry.ModelRegistry) { s.promote(r, "1.1.0", modelregistry.Production) }
	for name, tt := range map[string]struct {
		ours   func(s *pyStore, r *modelregistry.ModelRegistry)
		theirs func(s *pyStore)
		want   stages
		doubts []string
	}{
		"we promote, Python edits a metric of the one before": {promote,
			func(s *pyStore) { s.pySet("1.0.0", "metrics", `{"auc":0.77}`) },
			stages{"1.0.0": "archived", "1.1.0": "production", "1.2.0": "development"}, nil},
		"we promote, Python promotes another": {promote,
			func(s *pyStore) { s.pyPromote("1.2.0", later) },
			stages{"1.0.0": "archived", "1.1.0": "archived", "1.2.0": "production"}, nil},
		"we promote, Python promotes the one before again": {promote,
			func(s *pyStore) { s.pySet("1.0.0", "promoted_to_prod", string(pyjson.Quote(later))) },
			stages{"1.0.0": "production", "1.1.0": "archived", "1.2.0": "development"}, nil},
		"we promote, Python moves the one before": {promote,
			func(s *pyStore) { s.pyMove("1.0.0", "staging", later) },
			stages{"1.0.0": "staging", "1.1.0": "production", "1.2.0": "development"}, nil},
		"we promote, Python demotes the one before": {promote,
			func(s *pyStore) { s.pyStage("1.0.0", "development") },
			stages{"1.0.0": "development", "1.1.0": "production", "1.2.0": "development"}, nil},
		"we promote, Python archives the same": {promote,
			func(s *pyStore) { s.pyStage("1.1.0", "archived") },
			stages{"1.0.0": "archived", "1.1.0": "archived", "1.2.0": "development"}, nil},
		"we demote and promote, Python promotes, which archives what it found": {
			func(s *pyStore, r *modelregistry.ModelRegistry) {
				s.demote(r, "1.0.0", modelregistry.Development)
				s.promote(r, "1.1.0", modelregistry.Production)
			},
			func(s *pyStore) { s.pyPromote("1.2.0", later) },
			stages{"1.0.0": "development", "1.1.0": "archived", "1.2.0": "production"}, nil},
		"we promote, Python only changes who promoted": {promote,
			func(s *pyStore) { s.pySet("1.0.0", "promoted_by", `"eve"`) },
			stages{"1.0.0": "archived", "1.1.0": "production", "1.2.0": "development"}, []string{"1.0.0"}},
		"we register, Python archives": {
			func(s *pyStore, r *modelregistry.ModelRegistry) { s.register(r, "1.3.0") },
			func(s *pyStore) { s.pyStage("1.2.0", "archived") },
			stages{"1.0.0": "production", "1.1.0": "development", "1.2.0": "archived", "1.3.0": "development"}, nil},
		"we promote, Python deletes it": {promote,
			func(s *pyStore) { s.pyDelete("1.1.0") },
			stages{"1.0.0": "archived", "1.2.0": "development"}, nil},
		"we promote, Python registers": {promote,
			func(s *pyStore) { s.pyRegister("1.3.0") },
			stages{"1.0.0": "archived", "1.1.0": "production", "1.2.0": "development", "1.3.0": "development"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, r := pyLagging(t, tt.ours)
			tt.theirs(s)
			for _, r := range []*modelregistry.ModelRegistry{r, s.open()} {
				if diff := cmp.Diff(tt.want, pyStages(s.list(r))); diff != "" {
					t.Errorf("read before our next change (-want +got):\n%s", diff)
				}
			}
			s.wantSound()
			s.register(r, "9.0.0")
			tt.want["9.0.0"] = "development"
			lines := s.same(r)
			if diff := cmp.Diff(tt.want, pyStages(lines)); diff != "" {
				t.Errorf("read after it (-want +got):\n%s", diff)
			}
			for _, l := range lines {
				if l.Stage == "production" && l.Served.IsZero() || l.Stage == "archived" && l.Version == "1.0.0" && l.Archived.IsZero() {
					t.Errorf("%s has the stage of one side and the times of the other: %+v", l.Version, l)
				}
			}
			if diff := cmp.Diff(tt.doubts, s.doubted(s.open())); diff != "" {
				t.Errorf("doubts (-want +got):\n%s", diff)
			}
			s.saysSomething(r)
			s.inStep()
			s.wantSound()
		})
	}
}

// A program that read the document before our change and wrote it after, which
// is not in turns, does not take back what it did not know: its entries have
// older times than those that it should have read.
func TestPythonWroteWhatItReadBeforeOurChange(t *testing.T) {
	t.Parallel()
	s := pyNewStore(t)
	r := s.open()
	s.register(r, "1.0.0")
	s.register(r, "1.1.0")
	s.promote(r, "1.0.0", modelregistry.Production)
	read := s.read("registry.json")
	s.promote(r, "1.1.0", modelregistry.Production)
	s.register(r, "1.2.0")
	s.write("registry.json", read)
	s.pyRegister("1.3.0") // a registration takes as long as it takes to save the model
	want := map[string]string{"1.0.0": "archived", "1.1.0": "production", "1.2.0": "development", "1.3.0": "development"}
	if diff := cmp.Diff(want, pyStages(s.list(s.open()))); diff != "" {
		t.Errorf("read before our next change (-want +got):\n%s", diff)
	}
	s.register(r, "9.0.0")
	want["9.0.0"] = "development"
	if diff := cmp.Diff(want, pyStages(s.same(r))); diff != "" {
		t.Errorf("read after it (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"1.0.0", "1.1.0", "1.2.0"}, s.doubted(s.open())); diff != "" {
		t.Errorf("Verify does not say that the program did not take turns (-want +got):\n%s", diff)
	}
	s.wantSound()
	s.archive(r, "1.2.0")
	if diff := cmp.Diff([]string{"1.0.0", "1.1.0"}, s.doubted(s.open())); diff != "" {
		t.Errorf("a change does not settle a doubt (-want +got):\n%s", diff)
	}
}

// Where it is not known what Python started from, as after a reboot or in a
// copy without the note, what may be an old document undoes nothing, and what
// is left open is said.
func TestPythonAfterARebootIsAGuessThatSaysSo(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		ours  func(s *pyStore, r *modelregistry.ModelRegistry)
		stage string
		want  string
		doubt bool
	}{
		"archived, as it was": {func(s *pyStore, r *modelregistry.ModelRegistry) {
			s.archive(r, "1.0.0")
			s.promote(r, "1.0.0", modelregistry.Development)
		}, "archived", "development", true},
		"production, as it was": {func(s *pyStore, r *modelregistry.ModelRegistry) {
			s.promote(r, "1.0.0", modelregistry.Production)
			s.demote(r, "1.0.0", modelregistry.Development)
		}, "production", "development", true},
		"staging, as it never was": {func(s *pyStore, r *modelregistry.ModelRegistry) { s.archive(r, "1.0.0") }, "staging", "staging", false},
	} {
		for _, lost := range []string{"reboot", "copy"} {
			t.Run(name+"/"+lost, func(t *testing.T) {
				t.Parallel()
				s := pyNewStore(t)
				r := s.openBooted("one")
				s.register(r, "1.0.0")
				tt.ours(s, r)
				if err := r.Close(); err != nil {
					t.Fatal(err)
				}
				boot := "two"
				if lost == "copy" {
					boot = "one"
					s.remove(".lock")
				}
				s.pyStage("1.0.0", tt.stage)
				r = s.openBooted(boot)
				if got := pyStages(s.list(r))["1.0.0"]; got != tt.want {
					t.Errorf("1.0.0 reads as %s, want %s", got, tt.want)
				}
				var want []string
				if tt.doubt {
					want = []string{"1.0.0"}
				}
				if diff := cmp.Diff(want, s.doubted(r)); diff != "" {
					t.Errorf("doubts before our next change (-want +got):\n%s", diff)
				}
				s.register(r, "1.1.0")
				if got := pyStages(s.same(r))["1.0.0"]; got != tt.want {
					t.Errorf("1.0.0 is in %s after our next change, want %s", got, tt.want)
				}
				if diff := cmp.Diff(want, s.doubted(r)); diff != "" {
					t.Errorf("doubts after it (-want +got):\n%s", diff)
				}
				s.saysSomething(r)
				events := s.foreign(r)
				if len(events) != 1 || tt.doubt != (len(events[0].Doubts) == 1) {
					t.Errorf("the history says %+v", events)
				}
			})
		}
	}
}

// Whenever our process is killed in a change, what Python does next counts, and
// what the history has of the change does.
func TestPythonAfterAKilledProcess(t *testing.T) {
	t.Parallel()
	promote := func(r *modelregistry.ModelRegistry) error {
		_, err := r.Promote(t.Context(), pyName.At("1.0.0"), modelregistry.Development, nil)
		return err
	}
	register := func(r *modelregistry.ModelRegistry) error {
		_, err := r.Register(t.Context(), pyName, pyArtifact("x"), &modelregistry.RegisterOptions{Version: "1.2.0"})
		return err
	}
	for name, change := range map[string]func(*modelregistry.ModelRegistry) error{"promote": promote, "register": register} {
		for _, before := range []bool{false, true} { // Python's turn before is not recorded yet
			t.Run(fmt.Sprintf("%s/after Python %t", name, before), func(t *testing.T) {
				t.Parallel()
				acknowledged, documents := 0, map[string]bool{}
				for at, hit := 1, "first"; hit != ""; at++ {
					s := pyNewStore(t)
					r := s.openBooted("one")
					s.register(r, "1.0.0")
					s.register(r, "1.1.0")
					s.archive(r, "1.0.0")
					if before {
						s.pyStage("1.1.0", "staging")
					}
					if err := r.Close(); err != nil {
						t.Fatal(err)
					}
					var faulty crashtest.Faulty
					r, err := modelregistry.OpenBooted(s.dir, nil, "one", func(d fsstore.Disk) fsstore.Disk { return faulty.Wrap(crashtest.NoSync{Disk: d}) })
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

					found := s.stagesInDocument()
					documents[fmt.Sprint(found)] = true
					s.pyStage("1.0.0", "archived")
					s.pySet("1.1.0", "metrics", `{"auc":0.77}`)
					want := s.stagesInHistory()
					if before {
						want["1.1.0"] = "staging"
					}
					if found["1.0.0"] != "archived" { // else it was there already, and Python changed nothing
						want["1.0.0"] = "archived"
					}
					{
						r = s.openBooted("one")
						lines := s.list(r)
						if diff := cmp.Diff(want, pyStages(lines)); diff != "" {
							t.Errorf("killed at operation %d, %s (-want +got):\n%s", at, hit, diff)
						}
						for _, l := range lines {
							if l.Version == "1.1.0" && l.Metrics != `{"auc":0.77}` {
								t.Errorf("killed at operation %d, %s: the metrics are %s", at, hit, l.Metrics)
							}
						}
						if list := s.doubted(r); list != nil {
							t.Errorf("killed at operation %d, %s: doubts about %q", at, hit, list)
						}
						s.register(r, "9.0.0")
						want["9.0.0"] = "development"
						if diff := cmp.Diff(want, pyStages(s.same(r))); diff != "" {
							t.Errorf("killed at operation %d, %s, after our next change (-want +got):\n%s", at, hit, diff)
						}
					}
				}
				if acknowledged < 2 || len(documents) < 2 {
					t.Errorf("%d changes were acknowledged, %d documents seen; it was not killed around the rename", acknowledged, len(documents))
				}
			})
		}
	}
}

// stagesInDocument returns the stages as Python reads them.
func (s *pyStore) stagesInDocument() map[string]string {
	s.t.Helper()
	m := map[string]string{}
	for _, e := range s.document().Entries {
		m[e.Version] = pyjson.Unquote([]byte(pyMember(s.t, string(e.Raw), "stage")))
	}
	return m
}

// stagesInHistory returns the stages as the events of whole appends have them:
// all lines of an append but the last end in a space.
func (s *pyStore) stagesInHistory() map[string]string {
	s.t.Helper()
	m := map[string]string{}
	var group []string
	for line := range strings.Lines(string(s.read("history.jsonl"))) {
		group = append(group, line)
		if !strings.HasSuffix(line, "\n") || strings.HasSuffix(line, " \n") {
			continue
		}
		for _, line := range group {
			var e struct {
				After map[string]struct{ Stage string }
			}
			if err := json.Unmarshal([]byte(line), &e); err != nil {
				s.t.Fatal(err)
			}
			for v, entry := range e.After {
				m[v] = entry.Stage
			}
		}
		group = nil
	}
	return m
}
