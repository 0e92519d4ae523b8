package modelregistry_test

import (
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	mr "github.com/ubunye-go/modelregistry"
)

// The store under testdata/stores/names-and-notes is frozen: every later
// release reads its aliases, tags, descriptions and keys, from the document and
// from the history. Python deleted 1.0.2, which has an alias and a key.
func TestFrozenNamesAndNotes(t *testing.T) {
	t.Parallel()
	for _, lost := range []string{"", "registry.json"} {
		t.Run("without "+lost, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			if err := os.CopyFS(dir, os.DirFS("testdata/stores/names-and-notes")); err != nil {
				t.Fatal(err)
			}
			wantFindings(t, dir)
			if lost != "" {
				if err := os.Remove(modelPath(dir, lost)); err != nil {
					t.Fatal(err)
				}
			}
			r := openStore(t, dir, nil)
			wantFrozenNames(t, r)
			wantFrozenKeys(t, r)
			if err := r.SetAliases(t.Context(), fraud, map[string]string{"canary": "1.0.3"}, nil); err != nil {
				t.Fatal(err)
			}
			if err := r.SetAliases(t.Context(), fraud, map[string]string{"canary": ""}, nil); err != nil {
				t.Fatal(err)
			}
			wantFrozenNames(t, openStore(t, dir, nil))
			wantFindings(t, dir)
		})
	}
}

func wantFrozenNames(t *testing.T, r *mr.ModelRegistry) {
	t.Helper()
	const card = "# Card\nfür die Prüfung \u2028 \U0001F600 \"quoted\"\n"
	facts, err := r.Facts(t.Context(), fraud)
	if err != nil {
		t.Fatal(err)
	}
	want := mr.ModelFacts{Name: fraud, Description: card, Tags: map[string]string{"owner": "höfer", "empty": ""},
		Aliases: map[string]string{"champion": "1.0.1", "previous": "1.0.0", "challenger": "1.0.3", "old": "1.0.2"}}
	if diff := cmp.Diff(mustJSON(t, want), mustJSON(t, facts)); diff != "" {
		t.Errorf("the model (-want +got):\n%s", diff)
	}
	list, err := r.ListVersions(t.Context(), fraud)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, v := range list {
		got = append(got, fmt.Sprintf("%s %s %q %v %q", v.Version, v.Stage, v.Aliases, v.Tags, v.Description))
	}
	if diff := cmp.Diff([]string{
		`1.0.3 development ["challenger"] map[] ""`,
		`1.0.1 production ["champion"] map[risk:high] ""`,
		fmt.Sprintf(`1.0.0 archived ["previous"] map[team:fraud] %q`, card),
	}, got); diff != "" {
		t.Errorf("versions (-want +got):\n%s", diff)
	}
	if _, err := r.GetVersion(t.Context(), fraud.Aliased("old")); !errors.Is(err, mr.ErrNotFound) {
		t.Errorf("the alias of a deleted version: got error %v, want ErrNotFound", err)
	}
	if _, err := r.Archive(t.Context(), fraud.Aliased("champion"), nil); !errors.Is(err, mr.ErrProtected) {
		t.Errorf("archive the champion: got error %v, want ErrProtected", err)
	}
	var periods []string
	for p, err := range r.AliasHistory(t.Context(), fraud, "champion") {
		if err != nil {
			t.Fatal(err)
		}
		periods = append(periods, fmt.Sprintf("%s %s by %s: %s", p.Version, p.Since.Format(time.TimeOnly), p.By, p.Event.Reason))
	}
	if diff := cmp.Diff([]string{"1.0.0 12:39:45 by anna: first", "1.0.1 12:39:45 by nightly: "}, periods); diff != "" {
		t.Errorf("periods of champion (-want +got):\n%s", diff)
	}
	var events []string
	for e, err := range r.History(t.Context(), fraud, nil) {
		if err != nil {
			t.Fatal(err)
		}
		events = append(events, e.String()[len("fraud_detection/FraudRiskModel event "):])
	}
	if diff := cmp.Diff([]string{
		"1: register 1.0.0 to development by nightly",
		"2: register 1.0.1 to development by nightly",
		"3: register 1.0.2 to development by nightly",
		"4: alias by anna: first; canary-eu to 1.0.1; champion to 1.0.0; old to 1.0.2",
		"5: alias by nightly; canary-eu from 1.0.1 removed; champion from 1.0.0 to 1.0.1; previous to 1.0.0",
	}, events[:5]); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

// wantFrozenKeys checks that registrations with the keys of the store are
// recognised.
func wantFrozenKeys(t *testing.T, r *mr.ModelRegistry) {
	t.Helper()
	for _, tt := range []struct {
		key, text, want string
		err             error
	}{{"run-1", "one", "1.0.0", nil}, {"run-2", "two", "1.0.1", nil}, {"run-4", "four", "1.0.3", nil},
		{"run-2", "other", "", mr.ErrExists}, {"run-3", "three", "", mr.ErrExists}} {
		v, err := r.Register(t.Context(), fraud, weights(tt.text), &mr.RegisterOptions{Once: tt.key})
		if !errors.Is(err, tt.err) || v.Version != tt.want && err == nil || err == nil && !v.Existing {
			t.Errorf("register with %s: got version %s, existing %t, %v; want %s, %v", tt.key, v.Version, v.Existing, err, tt.want, tt.err)
		}
	}
}
