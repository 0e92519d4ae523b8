package modelregistry_test

import (
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/internal/pythonstore"
)

func setAliases(t testing.TB, r *mr.ModelRegistry, set map[string]string, opts *mr.AliasOptions) {
	t.Helper()
	if err := r.SetAliases(t.Context(), fraud, set, opts); err != nil {
		t.Fatal(err)
	}
}

// wantAliases compares the aliases of a model with the wanted ones, in a
// registry that is open and in one that reads the store again.
func wantAliases(t testing.TB, r *mr.ModelRegistry, dir string, want map[string]string) {
	t.Helper()
	for name, r := range map[string]*mr.ModelRegistry{"open": r, "new": openStore(t, dir, nil)} {
		facts, err := r.Facts(t.Context(), fraud)
		if err != nil {
			t.Fatal(err)
		}
		if !maps.Equal(facts.Aliases, want) {
			t.Errorf("%s registry: aliases %v, want %v", name, facts.Aliases, want)
		}
		list, err := r.ListVersions(t.Context(), fraud)
		if err != nil {
			t.Fatal(err)
		}
		shown := map[string]string{}
		for _, v := range list {
			for _, alias := range v.Aliases {
				shown[alias] = v.Version
			}
		}
		if diff := cmp.Diff(want, shown); diff != "" {
			t.Errorf("%s registry: aliases of the versions (-want +got):\n%s", name, diff)
		}
	}
}

func TestSetAliases(t *testing.T) {
	t.Parallel()
	dir := three(t)
	r := openStore(t, dir, nil)
	setAliases(t, r, map[string]string{"champion": "1.0.1", "challenger": "1.0.2", "previous": "1.0.0"}, &mr.AliasOptions{Actor: "alice", Reason: "first"})
	wantAliases(t, r, dir, map[string]string{"champion": "1.0.1", "challenger": "1.0.2", "previous": "1.0.0"})
	events := len(history(t, dir))
	setAliases(t, r, map[string]string{"champion": "1.0.2", "previous": "1.0.1", "challenger": ""}, nil)
	want := map[string]string{"champion": "1.0.2", "previous": "1.0.1"}
	wantAliases(t, r, dir, want)
	setAliases(t, r, map[string]string{"champion": "1.0.2", "missing": ""}, nil)
	if got := len(history(t, dir)); got != events+1 {
		t.Errorf("%d events, want %d: one change for all aliases, none for aliases that stand", got, events+1)
	}
	for _, tc := range []struct {
		set  map[string]string
		opts *mr.AliasOptions
		want error
		text string
	}{
		{map[string]string{"champion": "9.9.9"}, nil, mr.ErrNotFound, "version 9.9.9"},
		{map[string]string{"champion": "1.0.0", "other": "9.9.9"}, nil, mr.ErrNotFound, "version 9.9.9"},
		{map[string]string{"champion": "1.0.0"}, &mr.AliasOptions{If: map[string]string{"champion": "1.0.1"}}, mr.ErrConflict, "alias champion names 1.0.2, not 1.0.1"},
		{map[string]string{"champion": "1.0.0"}, &mr.AliasOptions{If: map[string]string{"champion": ""}}, mr.ErrConflict, "alias champion names 1.0.2, and should not be set"},
		{map[string]string{"champion": "1.0.0"}, &mr.AliasOptions{If: map[string]string{"canary": "1.0.1"}}, mr.ErrConflict, "alias canary is not set, and should name 1.0.1"},
		{map[string]string{"champion": "1.0.0"}, &mr.AliasOptions{If: map[string]string{"Canary": "1.0.1"}}, mr.ErrInvalid, `alias "Canary"`},
	} {
		err := r.SetAliases(t.Context(), fraud, tc.set, tc.opts)
		if !errors.Is(err, tc.want) || !strings.Contains(err.Error(), tc.text) {
			t.Errorf("SetAliases(%v): got error %v, want %v with %q", tc.set, err, tc.want, tc.text)
		}
	}
	wantAliases(t, r, dir, want)
	setAliases(t, r, map[string]string{"champion": "1.0.0"}, &mr.AliasOptions{If: map[string]string{"champion": "1.0.2", "canary": ""}})
	wantAliases(t, r, dir, map[string]string{"champion": "1.0.0", "previous": "1.0.1"})
	setAliases(t, r, map[string]string{"champion": "", "previous": ""}, nil)
	wantAliases(t, r, dir, map[string]string{})
	if err := r.SetAliases(t.Context(), mr.ModelName{UseCase: "u", Model: "none"}, map[string]string{"champion": ""}, nil); !errors.Is(err, mr.ErrNotFound) {
		t.Errorf("of a model that does not exist: got error %v, want ErrNotFound", err)
	}
}

func TestAliasNames(t *testing.T) {
	t.Parallel()
	for _, alias := range []string{"a", "champion", "canary-eu", "b_2", "stage", strings.Repeat("x", 62) + "-y"} {
		if err := fraud.Aliased(alias).Validate(); err != nil {
			t.Errorf("%q: %v", alias, err)
			continue
		}
		ref, err := mr.ParseRef(fraud.String() + "@" + alias)
		if want := fraud.Aliased(alias); err != nil || ref != want || ref.String() != fraud.String()+"@"+alias {
			t.Errorf("ParseRef of %q gives %+v, %v, want %+v", alias, ref, err, want)
		}
	}
	for alias, want := range map[string]string{
		"": "", "Champion": "lower-case", "9a": "lower-case", "a.b": "lower-case", "é": "lower-case", strings.Repeat("x", 65): "64 bytes",
		"production": "resembles production", "prodution": "resembles production", "prod": "resembles production", "dev": "resembles development", "latst": "resembles latest", "stagin": "resembles staging",
		"none": "reserved", "v2": "range", "x-large": "range", "x": "range",
	} {
		err := fraud.Aliased(alias).Validate()
		if !errors.Is(err, mr.ErrInvalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got error %v, want one with %q", alias, err, want)
		}
	}
	for text, want := range map[string]string{"prodution": "did you mean production?", "Staging": "did you mean staging?", "prod": "did you mean production?", "PROD": "did you mean production?", "lattest": "did you mean latest?"} {
		if _, err := mr.ParseRef("u/m@" + text); !errors.Is(err, mr.ErrInvalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("u/m@%s: got error %v, want one with %q", text, err, want)
		}
	}
	if err := (mr.Ref{Name: fraud, Alias: "champion", Stage: mr.Staging}).Validate(); !errors.Is(err, mr.ErrInvalid) {
		t.Errorf("an alias with a stage: got error %v, want ErrInvalid", err)
	}
}

// An alias stands for its version in all calls that take a reference.
func TestAliasInReferences(t *testing.T) {
	t.Parallel()
	r := openStore(t, three(t), nil)
	ctx, champion := t.Context(), fraud.Aliased("champion")
	if _, err := r.GetVersion(ctx, champion); !errors.Is(err, mr.ErrNotFound) || !strings.Contains(err.Error(), "alias champion") {
		t.Errorf("before it is set: got error %v, want ErrNotFound", err)
	}
	setAliases(t, r, map[string]string{"champion": "1.0.2", "old": "1.0.0"}, nil)
	m, err := r.GetModel(ctx, champion, nil)
	if err != nil || m.Version.Version != "1.0.2" || !cmp.Equal(m.Version.Aliases, []string{"champion"}) {
		t.Fatalf("GetModel: %v, %v", m, err)
	}
	m.Close()
	if c, err := r.Compare(ctx, champion, fraud.Aliased("old")); err != nil || c.A.Version != "1.0.2" || c.B.Version != "1.0.0" {
		t.Errorf("Compare: %v, %v", c, err)
	}
	if c, err := r.CheckPromotion(ctx, champion, mr.Production, nil); err != nil || c.Version.Version != "1.0.2" {
		t.Errorf("CheckPromotion: %v, %v", c, err)
	}
	for range 2 { // a repeated call finds it done
		v, err := r.Promote(ctx, champion, mr.Production, nil)
		if err != nil || v.Version != "1.0.2" || !cmp.Equal(v.Aliases, []string{"champion"}) {
			t.Fatalf("Promote: %v, %v", v, err)
		}
	}
	if v, err := r.RollbackTo(ctx, fraud.In(mr.Archived), nil); err != nil || v.Version != "1.0.1" {
		t.Fatalf("RollbackTo: %v, %v", v, err)
	}
	wantStages(t, r, map[string]mr.ModelStage{"1.0.0": mr.Archived, "1.0.1": mr.Production, "1.0.2": mr.Archived})
	if v, err := r.GetVersion(ctx, champion); err != nil || v.Version != "1.0.2" || v.Stage != mr.Archived {
		t.Errorf("after it was archived by a rollback: %v, %v", v, err)
	}
	if v, err := r.RollbackTo(ctx, champion, nil); err != nil || v.Version != "1.0.2" {
		t.Errorf("RollbackTo the alias: %v, %v", v, err)
	}
}

func TestAliasedVersionIsNotArchived(t *testing.T) {
	t.Parallel()
	dir := three(t)
	r := openStore(t, dir, nil)
	ctx := t.Context()
	setAliases(t, r, map[string]string{"champion": "1.0.2", "canary": "1.0.2"}, nil)
	moves := map[string]func(*mr.MoveOptions) (mr.ModelVersion, error){
		"Archive":              func(o *mr.MoveOptions) (mr.ModelVersion, error) { return r.Archive(ctx, fraud.At("1.0.2"), o) },
		"Archive of the alias": func(o *mr.MoveOptions) (mr.ModelVersion, error) { return r.Archive(ctx, fraud.Aliased("canary"), o) },
		"Demote": func(o *mr.MoveOptions) (mr.ModelVersion, error) {
			return r.Demote(ctx, fraud.At("1.0.2"), mr.Archived, o)
		},
	}
	for name, move := range moves {
		if _, err := move(nil); !errors.Is(err, mr.ErrProtected) || !strings.Contains(err.Error(), "1.0.2: protected: the aliases canary and champion name it") {
			t.Errorf("%s: got error %v, want ErrProtected that names the aliases", name, err)
		}
	}
	wantStages(t, r, map[string]mr.ModelStage{"1.0.0": mr.Archived, "1.0.1": mr.Production, "1.0.2": mr.Development})
	if _, err := moves["Archive"](&mr.MoveOptions{Force: true}); err != nil {
		t.Fatal(err)
	}
	if e := last(t, dir); e["op"] != "archive" || e["forced"] != true {
		t.Errorf("the history says %v, want a forced archive", e)
	}
	wantAliases(t, r, dir, map[string]string{"champion": "1.0.2", "canary": "1.0.2"})
	if _, err := r.Archive(ctx, fraud.At("1.0.2"), nil); err != nil {
		t.Errorf("a repeated archive: %v", err)
	}
	if _, err := r.Archive(ctx, fraud.At("1.0.1"), &mr.MoveOptions{Force: true}); err != nil {
		t.Fatal(err)
	}
	if e := last(t, dir); e["forced"] != nil {
		t.Errorf("Force was not needed, but the history says %v", e)
	}
}

// Another program's deletion leaves the alias, and following it says so. Its
// document has no aliases, and they stay.
func TestAliasAfterAnExternalDeletion(t *testing.T) {
	t.Parallel()
	dir := three(t)
	r := openStore(t, dir, nil)
	setAliases(t, r, map[string]string{"champion": "1.0.2", "old": "1.0.0"}, nil)
	pythonstore.At(t, dir).PythonDeletes("1.0.2")
	register(t, r, "1.0.3", nil)
	_, err := r.GetVersion(t.Context(), fraud.Aliased("champion"))
	if !errors.Is(err, mr.ErrNotFound) || !strings.Contains(err.Error(), "alias champion: version 1.0.2: deleted at ") {
		t.Errorf("got error %v, want ErrNotFound that names the version and the alias", err)
	}
	facts, err := r.Facts(t.Context(), fraud)
	if want := map[string]string{"champion": "1.0.2", "old": "1.0.0"}; err != nil || !maps.Equal(facts.Aliases, want) {
		t.Errorf("aliases %v, %v, want %v", facts.Aliases, err, want)
	}
}

// Python uses the number of a deleted version again. An alias of the first
// version does not name the second, which was not chosen.
func TestAliasOfANumberThatIsUsedAgain(t *testing.T) {
	t.Parallel()
	dir := three(t)
	r := openStore(t, dir, nil)
	setAliases(t, r, map[string]string{"champion": "1.0.2", "old": "1.0.0"}, nil)
	python := pythonstore.At(t, dir)
	python.PythonDeletes("1.0.2")
	python.PythonRegisters("1.0.2")
	wantAliases(t, r, dir, map[string]string{"old": "1.0.0"})
	register(t, r, "1.0.3", nil)
	wantAliases(t, r, dir, map[string]string{"old": "1.0.0"})
	var last []string
	for e, err := range r.History(t.Context(), fraud, nil) {
		if err != nil {
			t.Fatal(err)
		}
		if e.Op == mr.OpForeign {
			last = append(last, e.String())
		}
	}
	if len(last) != 1 || !strings.HasSuffix(last[0], "; champion from 1.0.2 removed") {
		t.Errorf("the external changes are %q, want one that removed champion", last)
	}
}

// The history dates each period of an alias, and reads the same from its end.
func TestAliasHistory(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	now := start
	dir := t.TempDir()
	r := openStore(t, dir, &mr.Options{Now: func() time.Time { return now }})
	ctx := t.Context()
	for _, v := range []string{"1.0.0", "1.0.1"} {
		register(t, r, v, nil)
	}
	for _, step := range []struct {
		hours int
		set   map[string]string
		actor string
	}{
		{1, map[string]string{"champion": "1.0.0", "other": "1.0.1"}, "ann"},
		{2, map[string]string{"champion": "1.0.1"}, "bob"},
		{3, map[string]string{"champion": "", "other": "1.0.0"}, "cid"},
		{4, map[string]string{"champion": "1.0.1"}, "dan"},
	} {
		now = start.Add(time.Duration(step.hours) * time.Hour)
		setAliases(t, r, step.set, &mr.AliasOptions{Actor: step.actor, Reason: "r"})
		promote(t, r, "1.0.0", mr.Staging) // an event that keeps the aliases
	}
	now = start.Add(9 * time.Hour)
	want := []string{"1.0.0 from 1 to 2 by ann", "1.0.1 from 2 to 3 by bob", "1.0.1 from 4 on by dan"}
	var got []string
	for p, err := range r.AliasHistory(ctx, fraud, "champion") {
		if err != nil {
			t.Fatal(err)
		}
		until := "on"
		if p.End != nil {
			until = fmt.Sprint("to ", p.Until.Sub(start).Hours())
		}
		got = append(got, fmt.Sprintf("%s from %v %s by %s", p.Version, p.Since.Sub(start).Hours(), until, p.By))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("AliasHistory (-want +got):\n%s", diff)
	}
	for hours, version := range map[float64]string{0.5: "", 1: "1.0.0", 1.9: "1.0.0", 2: "1.0.1", 3: "", 4.5: "1.0.1", 100: "1.0.1"} {
		p, err := r.AliasAt(ctx, fraud, "champion", start.Add(time.Duration(hours*float64(time.Hour))))
		if p.Version != version || (version == "") != errors.Is(err, mr.ErrNotFound) {
			t.Errorf("AliasAt %v hours: %s, %v; want %q", hours, p.Version, err, version)
		}
	}
	if p, err := r.AliasAt(ctx, fraud, "champion", time.Time{}); err != nil || p.Version != "1.0.1" || p.Event.Actor != "dan" {
		t.Errorf("AliasAt now: %+v, %v", p, err)
	}
	if _, err := r.AliasAt(ctx, fraud, "Champion", time.Time{}); !errors.Is(err, mr.ErrInvalid) {
		t.Errorf("an invalid alias: got error %v, want ErrInvalid", err)
	}
	for _, err := range r.AliasHistory(ctx, mr.ModelName{UseCase: "u", Model: "none"}, "champion") {
		if !errors.Is(err, mr.ErrNotFound) {
			t.Errorf("no model: got error %v, want ErrNotFound", err)
		}
	}

	// Both directions show the same events.
	var forward, backward []mr.Event
	for _, newest := range []bool{false, true} {
		for e, err := range r.History(ctx, fraud, &mr.HistoryOptions{Newest: newest}) {
			if err != nil {
				t.Fatal(err)
			}
			if newest {
				backward = append([]mr.Event{e}, backward...)
			} else {
				forward = append(forward, e)
			}
		}
	}
	if diff := cmp.Diff(mustJSON(t, forward), mustJSON(t, backward)); diff != "" {
		t.Errorf("the history from its end (-forward +from the end):\n%s", diff)
	}
	wantChanges := []mr.AliasChange{{Alias: "champion", From: "1.0.1"}, {Alias: "other", From: "1.0.1", To: "1.0.0"}}
	for _, e := range backward {
		if e.Actor == "cid" && e.Op == mr.OpAlias {
			if diff := cmp.Diff(wantChanges, e.Aliases); diff != "" || e.ModelGates != nil {
				t.Errorf("the event (-want +got):\n%s, gates %v", diff, e.ModelGates)
			}
		}
	}
}
