package modelregistry_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	mr "github.com/ubunye-go/modelregistry"
)

func TestRetain(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	dir := t.TempDir()
	r := openStore(t, dir, &mr.Options{Now: func() time.Time { return now }})
	ctx := t.Context()
	for i := range 10 {
		now = now.Add(24 * time.Hour)
		register(t, r, fmt.Sprintf("1.0.%d", i), nil)
	}
	for _, v := range []string{"1.0.1", "1.0.2", "1.0.3"} {
		promote(t, r, v, mr.Production)
	}
	if err := r.Annotate(ctx, fraud.At("1.0.4"), mr.Note{Set: map[string]string{"keep": ""}}, nil); err != nil {
		t.Fatal(err)
	}
	setAliases(t, r, map[string]string{"champion": "1.0.0"}, nil)
	for _, tc := range []struct {
		keep    mr.Retention
		deletes string
	}{
		{mr.Retention{KeepLast: 3}, "1.0.1 1.0.4 1.0.5 1.0.6"},
		{mr.Retention{KeepNewerThan: 84 * time.Hour}, "1.0.1 1.0.4 1.0.5"},
		{mr.Retention{KeepEverInProduction: true, KeepTagged: []string{"keep", "x"}, KeepLast: 1}, "1.0.5 1.0.6 1.0.7 1.0.8"},
	} {
		list, err := r.Retain(ctx, fraud, tc.keep, nil)
		if err != nil || len(list) != 10 {
			t.Fatalf("%+v: %v, %v", tc.keep, list, err)
		}
		var deletes []string
		for _, v := range slices.Backward(list) {
			if len(v.Keep) == 0 {
				deletes = append(deletes, v.Version)
			}
		}
		if got := strings.Join(deletes, " "); got != tc.deletes {
			t.Errorf("%+v deletes %s, want %s", tc.keep, got, tc.deletes)
		}
	}
	for _, bad := range []mr.Retention{{}, {KeepLast: -1}, {KeepNewerThan: -1}, {KeepTagged: []string{""}},
		{KeepTagged: []string{"keep=yes"}}, {KeepTagged: []string{"keep", "Keep"}}} {
		if _, err := r.Retain(ctx, fraud, bad, nil); !errors.Is(err, mr.ErrInvalid) {
			t.Errorf("%+v: got error %v, want ErrInvalid", bad, err)
		}
	}
	events := len(history(t, dir))
	for i, want := range []int{4, 0} {
		list, err := r.Retain(ctx, fraud, mr.Retention{KeepEverInProduction: true, KeepTagged: []string{"keep"}, KeepLast: 1}, &mr.RetainOptions{Apply: true})
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, v := range list {
			if v.Deleted {
				n++
			}
		}
		if n != want || len(history(t, dir)) != events+4 {
			t.Errorf("call %d: %d deleted, want %d; %d events", i, n, want, len(history(t, dir))-events)
		}
	}
	usage := map[string]bool{}
	for u, err := range r.Usage(ctx, nil) {
		if err != nil {
			t.Fatal(err)
		}
		if u.Live == 0 || u.Deleted == 0 || u.Other == 0 || u.Total() != u.Live+u.Deleted+u.Staging+u.Orphans+u.Other {
			t.Errorf("%+v", u)
		}
		for _, v := range u.Versions {
			usage[v.Version] = v.Deleted
		}
	}
	want := map[string]bool{}
	for i := range 10 {
		want[fmt.Sprintf("1.0.%d", i)] = i >= 5 && i <= 8
	}
	if !maps.Equal(usage, want) {
		t.Errorf("usage of %v, want %v", usage, want)
	}
}
