package modelregistry_test

import (
	"context"
	"errors"
	"maps"
	"strings"
	"testing"

	mr "github.com/ubunye-go/modelregistry"
)

func text(s string) *string { return &s }

func TestAnnotate(t *testing.T) {
	t.Parallel()
	dir := three(t)
	r := openStore(t, dir, nil)
	ctx := t.Context()
	type annotate func(mr.Note, *mr.NoteOptions) error
	type read func(*mr.ModelRegistry) (map[string]string, string)
	version := func(note mr.Note, o *mr.NoteOptions) error { return r.Annotate(ctx, fraud.At("1.0.1"), note, o) }
	model := func(note mr.Note, o *mr.NoteOptions) error { return r.AnnotateModel(ctx, fraud, note, o) }
	ofVersion := func(r *mr.ModelRegistry) (map[string]string, string) {
		v, err := r.GetVersion(ctx, fraud.At("1.0.1"))
		if err != nil {
			t.Fatal(err)
		}
		return v.Tags, v.Description
	}
	ofModel := func(r *mr.ModelRegistry) (map[string]string, string) {
		f, err := r.Facts(ctx, fraud)
		if err != nil {
			t.Fatal(err)
		}
		return f.Tags, f.Description
	}
	for _, of := range []struct {
		name  string
		set   annotate
		get   read
		limit int
	}{{"version", version, ofVersion, mr.MaxNote}, {"model", model, ofModel, mr.MaxModelNote}} {
		many := map[string]string{}
		for i := range mr.MaxTags {
			many["k"+string(rune('a'+i/26))+string(rune('a'+i%26))] = "v"
		}
		steps := []struct {
			note        mr.Note
			opts        *mr.NoteOptions
			err         error
			events      int
			tags        map[string]string
			description string
		}{
			{note: mr.Note{Set: map[string]string{"team": "fraud", "risk": "höch"}, Description: text("# Card\nüber")}, events: 1,
				tags: map[string]string{"team": "fraud", "risk": "höch"}, description: "# Card\nüber"},
			{note: mr.Note{Set: map[string]string{"team": "fraud"}, Remove: []string{"missing"}}, events: 0,
				tags: map[string]string{"team": "fraud", "risk": "höch"}, description: "# Card\nüber"},
			{note: mr.Note{Set: map[string]string{"team": "x"}}, opts: &mr.NoteOptions{If: map[string]string{"risk": "low"}}, err: mr.ErrConflict,
				tags: map[string]string{"team": "fraud", "risk": "höch"}, description: "# Card\nüber"},
			{note: mr.Note{Set: map[string]string{"empty": ""}, Remove: []string{"risk"}}, opts: &mr.NoteOptions{If: map[string]string{"risk": "höch", "none": ""}}, events: 1,
				tags: map[string]string{"team": "fraud", "empty": ""}, description: "# Card\nüber"},
			{note: mr.Note{Description: text("")}, events: 1, tags: map[string]string{"team": "fraud", "empty": ""}},
			{note: mr.Note{Set: map[string]string{"Team": "x"}}, err: mr.ErrInvalid, tags: map[string]string{"team": "fraud", "empty": ""}},
			{note: mr.Note{Remove: []string{"a b"}}, err: mr.ErrInvalid, tags: map[string]string{"team": "fraud", "empty": ""}},
			{note: mr.Note{Set: map[string]string{"a": "b"}, Remove: []string{"a"}}, err: mr.ErrInvalid, tags: map[string]string{"team": "fraud", "empty": ""}},
			{note: mr.Note{Set: map[string]string{"a": strings.Repeat("b", mr.MaxTagValue+1)}}, err: mr.ErrInvalid, tags: map[string]string{"team": "fraud", "empty": ""}},
			{note: mr.Note{Set: map[string]string{"a": "\xff"}}, err: mr.ErrInvalid, tags: map[string]string{"team": "fraud", "empty": ""}},
			{note: mr.Note{Description: text("\xff")}, err: mr.ErrInvalid, tags: map[string]string{"team": "fraud", "empty": ""}},
			{note: mr.Note{Description: text(strings.Repeat("d", of.limit))}, err: mr.ErrInvalid, tags: map[string]string{"team": "fraud", "empty": ""}},
			{note: mr.Note{Set: many}, err: mr.ErrInvalid, tags: map[string]string{"team": "fraud", "empty": ""}},
			{note: mr.Note{Set: many, Remove: []string{"team", "empty"}}, events: 1, tags: many},
		}
		for i, s := range steps {
			before := len(history(t, dir))
			if err := of.set(s.note, s.opts); !errors.Is(err, s.err) {
				t.Fatalf("%s, step %d: got error %v, want %v", of.name, i, err, s.err)
			}
			if got := len(history(t, dir)) - before; got != s.events {
				t.Errorf("%s, step %d: %d events, want %d", of.name, i, got, s.events)
			}
			for which, r := range map[string]*mr.ModelRegistry{"open": r, "new": openStore(t, dir, nil)} {
				if tags, description := of.get(r); !maps.Equal(tags, s.tags) || description != s.description {
					t.Fatalf("%s, step %d, %s registry: tags %v and description %q, want %v and %q", of.name, i, which, tags, description, s.tags, s.description)
				}
			}
		}
	}
	if found := verified(t, dir); len(found) > 0 {
		t.Errorf("Verify finds %v", found)
	}
}

// A note stays when its version moves, when other facts change, and when
// another program writes registry.json without it.
func TestNotesStay(t *testing.T) {
	t.Parallel()
	dir := three(t)
	r := openStore(t, dir, nil)
	ctx := t.Context()
	note := mr.Note{Set: map[string]string{"team": "fraud"}, Description: text("card")}
	if err := r.Annotate(ctx, fraud.At("1.0.2"), note, nil); err != nil {
		t.Fatal(err)
	}
	if err := r.AnnotateModel(ctx, fraud, note, nil); err != nil {
		t.Fatal(err)
	}
	setAliases(t, r, map[string]string{"champion": "1.0.2"}, nil)
	promote(t, r, "1.0.2", mr.Production)
	if _, err := r.SetGates(ctx, fraud.At("1.0.2"), mr.MinMetric("auc", 0.1), nil); err != nil {
		t.Fatal(err)
	}
	if err := r.SetModelGates(ctx, fraud, mr.MinMetric("auc", 0.1), nil); err != nil {
		t.Fatal(err)
	}
	for _, when := range []string{"after changes", "after another program's document", "after its change was recorded"} {
		switch when {
		case "after another program's document":
			err := editDocument(dir, func(document map[string]any) {
				delete(document, "modelregistry")
				document["versions"].(map[string]any)["1.0.2"].(map[string]any)["metrics"] = map[string]any{"auc": 0.97}
			})
			if err != nil {
				t.Fatal(err)
			}
		case "after its change was recorded":
			register(t, r, "1.0.3", nil)
		}
		for which, r := range map[string]*mr.ModelRegistry{"open": r, "new": openStore(t, dir, nil)} {
			v, err := r.GetVersion(ctx, fraud.Aliased("champion"))
			if err != nil {
				t.Fatal(err)
			}
			f, err := r.Facts(ctx, fraud)
			if err != nil {
				t.Fatal(err)
			}
			if !maps.Equal(v.Tags, note.Set) || v.Description != "card" || !maps.Equal(f.Tags, note.Set) || f.Description != "card" {
				t.Errorf("%s, %s registry: version %v %q, model %v %q; want %v and card", when, which, v.Tags, v.Description, f.Tags, f.Description, note.Set)
			}
		}
	}
	if found := verified(t, dir); len(found) > 0 {
		t.Errorf("Verify finds %v", found)
	}
}

func TestRegisterWithANote(t *testing.T) {
	t.Parallel()
	r, dir := newStore(t, nil)
	note := mr.Note{Set: map[string]string{"team": "fraud"}, Description: text("card")}
	v, err := r.Register(t.Context(), fraud, artifact(), &mr.RegisterOptions{Note: note})
	if err != nil || !maps.Equal(v.Tags, note.Set) || v.Description != "card" {
		t.Fatalf("registered with %v, %q, %v", v.Tags, v.Description, err)
	}
	if v, err = openStore(t, dir, nil).GetVersion(t.Context(), v.Ref()); err != nil || !maps.Equal(v.Tags, note.Set) || v.Description != "card" {
		t.Errorf("read with %v, %q, %v", v.Tags, v.Description, err)
	}
	for _, bad := range []mr.Note{{Remove: []string{"a"}}, {Set: map[string]string{"A": "b"}}, {Description: text(strings.Repeat("d", mr.MaxNote+1))}} {
		if _, err := r.Register(t.Context(), fraud, artifact(), &mr.RegisterOptions{Note: bad}); !errors.Is(err, mr.ErrInvalid) {
			t.Errorf("%v: got error %v, want ErrInvalid", bad, err)
		}
	}
}

// A gate that is a function may read names and notes. If those change while the
// gates are evaluated, it is asked again.
func TestGateReadsNamesAndNotesAgain(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*mr.ModelRegistry) error{
		"tag": func(r *mr.ModelRegistry) error {
			return r.Annotate(t.Context(), fraud.At("1.0.2"), mr.Note{Remove: []string{"approved"}}, nil)
		},
		"description": func(r *mr.ModelRegistry) error {
			return r.Annotate(t.Context(), fraud.At("1.0.2"), mr.Note{Description: text("")}, nil)
		},
		"alias": func(r *mr.ModelRegistry) error {
			return r.SetAliases(t.Context(), fraud, map[string]string{"reviewed": "1.0.0"}, nil)
		},
	} {
		dir := three(t)
		r := openStore(t, dir, nil)
		setAliases(t, r, map[string]string{"reviewed": "1.0.2"}, nil)
		if err := r.Annotate(t.Context(), fraud.At("1.0.2"), mr.Note{Set: map[string]string{"approved": "yes"}, Description: text("card")}, nil); err != nil {
			t.Fatal(err)
		}
		calls := 0
		gate := mr.GateOf("approved", func(_ context.Context, v mr.ModelVersion) error {
			if v.Tags["approved"] != "yes" || v.Description == "" || len(v.Aliases) == 0 {
				return errors.New("not approved")
			}
			calls++
			return change(openStore(t, dir, nil))
		})
		_, err := r.Promote(t.Context(), fraud.At("1.0.2"), mr.Staging, &mr.MoveOptions{Gates: gate})
		var refused *mr.GateError
		if !errors.As(err, &refused) || calls != 1 {
			t.Errorf("%s: got error %v after %d passes of the gate, want a *GateError after one", name, err, calls)
		}
	}
}

// A condition on a tag that is empty holds only if there is no such tag.
func TestAnnotateIfThereIsNoTag(t *testing.T) {
	t.Parallel()
	dir := three(t)
	r := openStore(t, dir, nil)
	set := func(o *mr.NoteOptions) error {
		return r.AnnotateModel(t.Context(), fraud, mr.Note{Set: map[string]string{"owner": ""}}, o)
	}
	missing := &mr.NoteOptions{If: map[string]string{"owner": ""}}
	if err := set(missing); err != nil {
		t.Fatal(err)
	}
	err := set(missing)
	if !errors.Is(err, mr.ErrConflict) || !strings.Contains(err.Error(), `tag owner is "", and should not be set`) {
		t.Errorf("got error %v, want ErrConflict that says that the tag is set", err)
	}
	if err := set(&mr.NoteOptions{If: map[string]string{"Owner": ""}}); !errors.Is(err, mr.ErrInvalid) {
		t.Errorf("condition on an impossible key: got error %v, want ErrInvalid", err)
	}
}

// A caller may append to the aliases of a version.
func TestAliasesOfAVersionCanBeAppendedTo(t *testing.T) {
	t.Parallel()
	dir := three(t)
	r := openStore(t, dir, nil)
	setAliases(t, r, map[string]string{"aa": "1.0.1", "bb": "1.0.1", "cc": "1.0.1"}, nil)
	var lists [2][]string
	for i := range lists {
		v, err := r.GetVersion(t.Context(), fraud.At("1.0.1"))
		if err != nil {
			t.Fatal(err)
		}
		lists[i] = v.Aliases
	}
	a, b := append(lists[0], "mine"), append(lists[1], "other")
	if a[3] != "mine" || b[3] != "other" {
		t.Errorf("appended to the aliases: %q and %q, want lists of their own", a, b)
	}
}
