package objectstore_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
	"gocloud.dev/blob"
	"gocloud.dev/blob/memblob"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/registrytest"
)

var documentKey = fraud.String() + "/registry.json"

// python changes a stage in the document as the Python registry does. It reads
// the document, drops the key that it does not know, and writes the object
// without a condition.
func (f *faultyBucket) python(t testing.TB, version string, to mr.ModelStage) {
	t.Helper()
	now := time.Now().UTC().Format("2006-01-02T15:04:05.000000+00:00")
	f.edit(t, func(versions map[string]map[string]any) {
		if to == mr.Production {
			for other, v := range versions {
				if v["stage"] == "production" && other != version {
					v["stage"], v["archived_at"] = "archived", now
				}
			}
		}
		stamps := map[mr.ModelStage]string{mr.Staging: "promoted_to_staging", mr.Production: "promoted_to_prod", mr.Archived: "archived_at"}
		if key := stamps[to]; key != "" {
			versions[version][key] = now
		}
		versions[version]["stage"] = to
	})
}

// edit changes the entries of the document as the Python registry does.
func (f *faultyBucket) edit(t testing.TB, change func(versions map[string]map[string]any)) {
	t.Helper()
	data, err := f.b.ReadAll(t.Context(), documentKey)
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		ModelName string                    `json:"model_name"`
		UseCase   string                    `json:"use_case"`
		Versions  map[string]map[string]any `json:"versions"`
	}
	if err := json.Unmarshal(data, &doc); err != nil {
		t.Fatal(err)
	}
	change(doc.Versions)
	if data, err = json.MarshalIndent(doc, "", "  "); err != nil {
		t.Fatal(err)
	}
	if err := f.b.WriteAll(t.Context(), documentKey, data, nil); err != nil {
		t.Fatal(err)
	}
}

// history returns the operations of a model's events, oldest first, with the
// version and the stage that each move names.
func history(t testing.TB, r *mr.ModelRegistry) (list []string) {
	t.Helper()
	for e, err := range r.History(t.Context(), fraud, nil) {
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, strings.TrimSpace(fmt.Sprint(e.Op, " ", e.Version, " ", e.To)))
	}
	return list
}

// edited returns a bucket in which 1.0.0 is in production and 1.0.1 in
// development, with a registry that read both.
func edited(t *testing.T, opts *mr.Options) (*faultyBucket, *blob.Bucket, *mr.ModelRegistry) {
	t.Helper()
	f, b := newFaulty(t)
	w := registrytest.NewOn(t, newStore(t, b, nil), nil)
	registrytest.Put(t, w, fraud.In(mr.Production), files)
	registrytest.Put(t, w, fraud.At("1.0.1"), files)
	r := registrytest.NewOn(t, newStore(t, b, nil), opts)
	wantProduction(t, r, "1.0.0")
	return f, b, r
}

func wantProduction(t testing.TB, r *mr.ModelRegistry, version string) {
	t.Helper()
	v, err := r.GetVersion(t.Context(), fraud.In(mr.Production))
	if err != nil || v.Version != version {
		t.Errorf("the version in production is %q, %v; want %s", v.Version, err, version)
	}
}

func TestReadSeesExternalChangeWithOption(t *testing.T) {
	t.Parallel()
	f, _, r := edited(t, &mr.Options{ExternalChanges: true})
	f.python(t, "1.0.1", mr.Production)
	wantProduction(t, r, "1.0.1")
	f.requests()
	wantProduction(t, r, "1.0.1")
	if diff := cmp.Diff(map[string]int{"head": 2}, f.requests()); diff != "" {
		t.Errorf("requests of a read of an unchanged model (-want +got):\n%s", diff)
	}
	f.python(t, "1.0.0", mr.Production)
	wantProduction(t, r, "1.0.0")
}

// Once another program has changed a model, reads check its document too, also
// in a process that reads no more of the history than it must.
func TestReadSeesExternalChangeOfSharedModel(t *testing.T) {
	t.Parallel()
	f, b, r := edited(t, nil)
	f.python(t, "1.0.1", mr.Production)
	w := registrytest.NewOn(t, newStore(t, b, nil), nil)
	registrytest.Put(t, w, fraud.At("1.0.2"), files)
	wantProduction(t, r, "1.0.1") // the history has the event of the external change
	fresh := registrytest.NewOn(t, newStore(t, b, nil), nil)
	wantProduction(t, fresh, "1.0.1")

	f.python(t, "1.0.2", mr.Production)
	wantProduction(t, r, "1.0.2")
	wantProduction(t, fresh, "1.0.2")
}

func TestWatchSeesExternalChange(t *testing.T) {
	t.Parallel()
	for name, shared := range map[string]bool{"a shared model": true, "by the option": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, _, r := edited(t, &mr.Options{ExternalChanges: !shared})
			if shared {
				f.python(t, "1.0.1", mr.Staging)
				registrytest.Put(t, r, fraud.At("1.0.2"), files)
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			var got []string
			for v, err := range r.Watch(ctx, fraud.In(mr.Production), &mr.WatchOptions{Interval: 5 * time.Millisecond}) {
				if err != nil {
					t.Fatal(err)
				}
				if got = append(got, v.Version); len(got) == 2 {
					break
				}
				f.python(t, "1.0.1", mr.Production)
			}
			if want := []string{"1.0.0", "1.0.1"}; !slices.Equal(got, want) {
				t.Errorf("the watch yields %v, want %v", got, want)
			}
		})
	}
}

// If a document is newer than the changes that a view shows, the writer has
// lost the race for the next change. No changes are lost.
func TestDocumentNewerThanTheViewIsALostRace(t *testing.T) {
	t.Parallel()
	f, b, _ := edited(t, nil)
	var log bytes.Buffer
	r := registrytest.NewOn(t, newStore(t, b, nil), &mr.Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	wantProduction(t, r, "1.0.0")
	other := registrytest.NewOn(t, newStore(t, b, nil), nil)
	registrytest.Put(t, other, fraud.At("1.0.2"), files)
	f.meanwhile(false, "get", documentKey, func() { registrytest.Put(t, other, fraud.At("1.0.3"), files) })
	registrytest.Put(t, r, fraud.At("1.0.4"), files)
	if log.Len() > 0 {
		t.Errorf("the registry warns: %s", log.String())
	}
	want := []string{"register 1.0.0 development", "promote 1.0.0 production"}
	for _, version := range []string{"1.0.1", "1.0.2", "1.0.3", "1.0.4"} {
		want = append(want, "register "+version+" development")
	}
	if diff := cmp.Diff(want, history(t, r)); diff != "" {
		t.Errorf("the history (-want +got):\n%s", diff)
	}
}

func TestChangeRecordsExternalChangeFirst(t *testing.T) {
	t.Parallel()
	changes := map[string]func(r *mr.ModelRegistry) error{
		"register": func(r *mr.ModelRegistry) error {
			_, err := r.Register(t.Context(), fraud, mr.FromFS(files), nil)
			return err
		},
		"promote": func(r *mr.ModelRegistry) error {
			_, err := r.Promote(t.Context(), fraud.At("1.0.0"), mr.Production, nil)
			return err
		},
		"rollback": func(r *mr.ModelRegistry) error {
			_, err := r.Rollback(t.Context(), fraud, nil)
			return err
		},
		"archive": func(r *mr.ModelRegistry) error {
			_, err := r.Archive(t.Context(), fraud.At("1.0.1"), nil)
			return err
		},
	}
	want := map[string]struct {
		event  string
		stages map[string]mr.ModelStage
	}{
		"register": {"register 1.0.2 development", map[string]mr.ModelStage{"1.0.0": mr.Archived, "1.0.1": mr.Production, "1.0.2": mr.Development}},
		"promote":  {"promote 1.0.0 production", map[string]mr.ModelStage{"1.0.0": mr.Production, "1.0.1": mr.Archived}},
		"rollback": {"rollback 1.0.0 production", map[string]mr.ModelStage{"1.0.0": mr.Production, "1.0.1": mr.Archived}},
		"archive":  {"archive 1.0.1 archived", map[string]mr.ModelStage{"1.0.0": mr.Archived, "1.0.1": mr.Archived}},
	}
	for op, change := range changes {
		t.Run(op, func(t *testing.T) {
			t.Parallel()
			f, b, r := edited(t, nil)
			f.python(t, "1.0.1", mr.Production)
			if err := change(r); err != nil {
				t.Fatal(err)
			}
			events := []string{"register 1.0.0 development", "promote 1.0.0 production", "register 1.0.1 development", "foreign", want[op].event}
			for _, r := range []*mr.ModelRegistry{r, registrytest.NewOn(t, newStore(t, b, nil), nil)} {
				if diff := cmp.Diff(events, history(t, r)); diff != "" {
					t.Errorf("the history (-want +got):\n%s", diff)
				}
				registrytest.WantStages(t, r, fraud, want[op].stages)
			}
		})
	}
}

// Another program that deletes a version removes its files, then its entry. The
// next change records that. If only the entry is missing and the files exist,
// the event records a doubt.
func TestChangeRecordsExternalDeletion(t *testing.T) {
	t.Parallel()
	for _, stay := range []bool{false, true} {
		f, b, r := edited(t, nil)
		if !stay {
			for key := range f.dump(t) {
				if strings.HasPrefix(key, fraud.String()+"/versions/1.0.1/") {
					if err := f.b.Delete(t.Context(), key); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
		f.edit(t, func(versions map[string]map[string]any) { delete(versions, "1.0.1") })
		registrytest.Put(t, r, fraud.At(""), fstest.MapFS{"w": {}})
		want := map[string]mr.ModelStage{"1.0.0": mr.Production, "1.0.2": mr.Development}
		events := []string{"register 1.0.0 development", "promote 1.0.0 production", "register 1.0.1 development", "foreign", "register 1.0.2 development"}
		if stay {
			want["1.0.1"] = mr.Development
		}
		fresh := registrytest.NewOn(t, newStore(t, b, nil), nil)
		for _, r := range []*mr.ModelRegistry{r, fresh} {
			registrytest.WantStages(t, r, fraud, want)
			if diff := cmp.Diff(events, history(t, r)); diff != "" {
				t.Errorf("files stay %t: the history (-want +got):\n%s", stay, diff)
			}
		}
		for e, err := range fresh.History(t.Context(), fraud, nil) {
			if err != nil {
				t.Fatal(err)
			}
			if doubted := len(e.Doubts) > 0; string(e.Op) == "foreign" && doubted != stay {
				t.Errorf("files stay %t: the doubts are %v", stay, e.Doubts)
			}
		}
	}
}

// A move that finds nothing to do makes no commit. It must not decide so by a
// state that another program has changed since.
func TestMoveWithNothingToDoSeesExternalChange(t *testing.T) {
	t.Parallel()
	f, _, r := edited(t, nil)
	f.python(t, "1.0.1", mr.Production)
	if _, err := r.Promote(t.Context(), fraud.At("1.0.0"), mr.Production, nil); err != nil {
		t.Fatal(err)
	}
	wantProduction(t, r, "1.0.0")
	f.python(t, "1.0.0", mr.Archived)
	opts := &mr.MoveOptions{IfProduction: "1.0.0"}
	if _, err := r.Promote(t.Context(), fraud.At("1.0.1"), mr.Production, opts); !errors.Is(err, mr.ErrConflict) {
		t.Errorf("promoting if 1.0.0 is in production: got error %v, want %v", err, mr.ErrConflict)
	}
}

// meanwhile calls fn once, before or after the next request of a kind for a key
// that contains part.
func (f *faultyBucket) meanwhile(after bool, op, part string, fn func()) {
	var once sync.Once
	hook := func(o, key string) error {
		if o == op && strings.Contains(key, part) {
			once.Do(fn)
		}
		return nil
	}
	f.set(func() {
		if after {
			f.after = hook
		} else {
			f.before = hook
		}
	})
}

// A document that another program writes while a change is being made is not
// overwritten by the change's document. It is recorded when the model is idle,
// or at the latest when the registry is closed.
func TestExternalChangeMeanwhileIsKept(t *testing.T) {
	t.Parallel()
	f, b, r := edited(t, nil)
	f.meanwhile(true, "put", "history/", func() { f.python(t, "1.0.1", mr.Production) })
	if _, err := r.Register(t.Context(), fraud, mr.FromFS(files), nil); err != nil {
		t.Fatal(err)
	}
	if data := f.dump(t)[documentKey]; strings.Contains(data, "modelregistry") {
		t.Errorf("the external change was overwritten by\n%s", data)
	}
	wantProduction(t, r, "1.0.1")
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	fresh := registrytest.NewOn(t, newStore(t, b, nil), nil)
	want := []string{"register 1.0.0 development", "promote 1.0.0 production", "register 1.0.1 development", "register 1.0.2 development", "foreign"}
	if diff := cmp.Diff(want, history(t, fresh)); diff != "" {
		t.Errorf("the history (-want +got):\n%s", diff)
	}
	registrytest.WantStages(t, fresh, fraud, map[string]mr.ModelStage{"1.0.0": mr.Archived, "1.0.1": mr.Production, "1.0.2": mr.Development})
	if data := f.dump(t)[documentKey]; !strings.Contains(data, "modelregistry") {
		t.Errorf("the document is not a checkpoint again:\n%s", data)
	}
}

// The first document is put in place only if there still is none. Even a
// document that appears between the last check and the request is kept.
func TestFirstDocumentKeepsExternalOne(t *testing.T) {
	t.Parallel()
	f, b := newFaulty(t)
	r := registrytest.NewOn(t, newStore(t, b, nil), nil)
	theirs := `{"model_name": "FraudRiskModel", "use_case": "fraud_detection", "versions": {"7.0.0": {"version": "7.0.0", "stage": "staging"}}}`
	f.meanwhile(false, "put", documentKey, func() {
		if err := f.b.WriteAll(t.Context(), documentKey, []byte(theirs), nil); err != nil {
			t.Error(err)
		}
	})
	registrytest.Put(t, r, fraud.At("1.0.0"), files)
	if got := f.dump(t)[documentKey]; got != theirs {
		t.Errorf("the document is\n%s\nwant\n%s", got, theirs)
	}
	want := map[string]mr.ModelStage{"1.0.0": mr.Development, "7.0.0": mr.Staging}
	registrytest.WantStages(t, r, fraud, want)
	f.b.WriteAll(t.Context(), fraud.String()+"/versions/7.0.0/model/w", []byte("w"), nil) // for Verify
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	registrytest.WantStages(t, registrytest.NewOn(t, newStore(t, b, nil), nil), fraud, want)
}

// The answer to the first document is lost. The client's next attempt finds a
// document, which is its own.
func TestLostAnswerToTheFirstDocument(t *testing.T) {
	t.Parallel()
	for n := range int64(5) {
		f, b := newFaulty(t)
		r := registrytest.NewOn(t, newStore(t, b, nil), nil)
		f.loseNext(documentKey, n)
		registrytest.Put(t, r, fraud.At("1.0.0"), files)
		f.requests()
		registrytest.WantStages(t, r, fraud, map[string]mr.ModelStage{"1.0.0": mr.Development})
		if diff := cmp.Diff(map[string]int{"head": 1}, f.requests()); diff != "" {
			t.Errorf("%d: requests of a read afterwards (-want +got):\n%s", n, diff)
		}
	}
}

// Two processes that change one model don't take each other's documents for
// external changes. The later process replaces the other's document.
func TestDocumentsOfOtherProcessesAreReplaced(t *testing.T) {
	t.Parallel()
	f, b, r := edited(t, nil)
	other := registrytest.NewOn(t, newStore(t, b, nil), nil)
	held, release := make(chan struct{}), make(chan struct{})
	f.meanwhile(false, "put", documentKey, func() { // the other process's document is late
		close(held)
		<-release
	})
	var wg sync.WaitGroup
	wg.Go(func() { registrytest.Put(t, other, fraud.At("1.0.2"), files) })
	<-held
	f.meanwhile(true, "put", "history/", func() { // it arrives between our check and our document
		close(release)
		wg.Wait()
	})
	registrytest.Put(t, r, fraud.At("1.0.3"), files)
	if data := f.dump(t)[documentKey]; !strings.Contains(data, `"event": 5`) {
		t.Errorf("the document is not the later one:\n%s", data)
	}
	if h := history(t, r); slices.Contains(h, "foreign") {
		t.Errorf("the history has an external change: %v", h)
	}
}

// Some services have no MD5 of an object: those that encrypt with a key of
// their own, or got the object in parts. Then the ETag identifies the document,
// and a change reads the document that the change before wrote.
func TestExternalChangeWithoutMD5(t *testing.T) {
	t.Parallel()
	for _, wrong := range []bool{false, true} {
		f, _ := newFaulty(t)
		f.b = memblob.OpenBucket(&memblob.Options{NoMD5: true})
		f.set(func() { f.wrongMD5 = wrong })
		b := blob.NewBucket(f)
		open := func() *mr.ModelRegistry {
			return registrytest.NewOn(t, newStore(t, b, nil), &mr.Options{ExternalChanges: true})
		}
		r := open()
		registrytest.Put(t, r, fraud.In(mr.Production), files)
		registrytest.Put(t, r, fraud.At("1.0.1"), fstest.MapFS{"w": {}})
		if h := history(t, r); slices.Contains(h, "foreign") {
			t.Errorf("the history has an external change: %v", h)
		}
		wantProduction(t, r, "1.0.0") // the read records the ETag
		f.requests()
		wantProduction(t, r, "1.0.0")
		if diff := cmp.Diff(map[string]int{"head": 2}, f.requests()); diff != "" {
			t.Errorf("requests of a read of an unchanged model (-want +got):\n%s", diff)
		}
		f.python(t, "1.0.1", mr.Production)
		wantProduction(t, r, "1.0.1")
		if _, err := r.Archive(t.Context(), fraud.At("1.0.0"), nil); err != nil {
			t.Fatal(err)
		}
		if _, err := r.Promote(t.Context(), fraud.At("1.0.0"), mr.Staging, nil); err != nil {
			t.Fatal(err)
		}
		want := []string{"register 1.0.0 development", "promote 1.0.0 production", "register 1.0.1 development", "foreign", "promote 1.0.0 staging"}
		if diff := cmp.Diff(want, history(t, open())); diff != "" {
			t.Errorf("the history (-want +got):\n%s", diff)
		}
	}
}

// A change that can't check the document fails, and nothing is changed.
func TestChangeFailsIfDocumentCannotBeChecked(t *testing.T) {
	t.Parallel()
	f, _, r := edited(t, nil)
	f.python(t, "1.0.1", mr.Production)
	before := f.dump(t)
	f.set(func() {
		f.before = func(op, key string) error {
			if op == "head" && key == documentKey {
				return &refusedError{}
			}
			return nil
		}
	})
	if _, err := r.Register(t.Context(), fraud, mr.FromFS(files), nil); err == nil || !strings.Contains(err.Error(), "refused") {
		t.Errorf("registering: got error %v, want the refusal", err)
	}
	if diff := cmp.Diff(before, f.dump(t)); diff != "" {
		t.Errorf("the bucket (-before +after):\n%s", diff)
	}
	f.set(func() { f.before = nil })
}

// A refusedError is an answer for which trying again is useless.
type refusedError struct{}

func (*refusedError) Error() string       { return "refused" }
func (*refusedError) HTTPStatusCode() int { return 400 }

// Another program may name a version as the registry would not.
func TestVersionNamedByAnotherProgram(t *testing.T) {
	t.Parallel()
	f, b := newFaulty(t)
	const version = "CON"
	doc := `{"model_name": "FraudRiskModel", "use_case": "fraud_detection", "versions": {"CON": {"version": "CON", "stage": "staging", ` +
		`"registered_at": "2026-11-20T05:30:11.655479+00:00", "metrics": {}, "metadata": {}}}}`
	for key, data := range map[string]string{documentKey: doc, strings.TrimSuffix(documentKey, "registry.json") + "versions/CON/model/weights.bin": "w"} {
		if err := f.b.WriteAll(t.Context(), key, []byte(data), nil); err != nil {
			t.Fatal(err)
		}
	}
	r := mr.New(newStore(t, b, nil), nil)
	if _, err := r.Promote(t.Context(), fraud.At(version), mr.Production, nil); err != nil {
		t.Error(err)
	}
	m, err := r.GetModel(t.Context(), fraud.In(mr.Production), nil)
	if err != nil {
		t.Fatal(err)
	}
	if data, err := os.ReadFile(filepath.Join(m.Path, "weights.bin")); string(data) != "w" {
		t.Errorf("the file: got %q, error %v", data, err)
	}
	if err := m.Close(); err != nil {
		t.Error(err)
	}
}
