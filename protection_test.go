package modelregistry_test

import (
	"errors"
	"reflect"
	"testing"

	mr "github.com/ubunye-go/modelregistry"
)

// keepers lists the methods of a registry that take no version away: they
// read, add or rename.
var keepers = []string{
	"AliasAt", "AliasHistory", "Annotate", "AnnotateModel", "Best", "CheckPromotion", "Checkpoint", "Close", "Compare", "Facts", "Find",
	"GetModel", "GetVersion", "History", "Hold", "ListVersions", "Models", "ProductionAt", "Promote", "Register", "RegisterAndPromote",
	"Repair", "Rollback", "RollbackTo", "SetAliases", "SetGates", "SetModelGates", "StageAt", "StagePeriods", "Undelete", "Unhold",
	"Usage", "Verify", "VersionsOfRun", "Watch",
	"SetLag", "VerifyTree", // only in tests
}

// takers are the methods that can take a version away from readers, with what
// each refuses. Without Force, and then with it.
var takers = map[string]struct {
	call            func(r *mr.ModelRegistry, t *testing.T, force bool) error
	refuses, forced []string
}{
	"Archive": {func(r *mr.ModelRegistry, t *testing.T, force bool) error {
		_, err := r.Archive(t.Context(), fraud.At("1.0.1"), &mr.MoveOptions{Force: force})
		return err
	}, []string{"alias"}, nil},
	"Demote": {func(r *mr.ModelRegistry, t *testing.T, force bool) error {
		_, err := r.Demote(t.Context(), fraud.At("1.0.1"), mr.Archived, &mr.MoveOptions{Force: force})
		return err
	}, []string{"alias"}, nil},
	"Delete": {func(r *mr.ModelRegistry, t *testing.T, force bool) error {
		return r.Delete(t.Context(), fraud.At("1.0.1"), &mr.KeepOptions{Force: force})
	}, []string{"alias", "held", "highest", "previous", "production"}, []string{"held"}},
	"DeleteModel": {func(r *mr.ModelRegistry, t *testing.T, force bool) error {
		return r.DeleteModel(t.Context(), fraud, nil)
	}, []string{"alias", "held", "previous", "production"}, []string{"alias", "held", "previous", "production"}},
	"Retain": {func(r *mr.ModelRegistry, t *testing.T, force bool) error {
		list, err := r.Retain(t.Context(), fraud, mr.Retention{KeepTagged: []string{"x"}}, &mr.RetainOptions{Apply: true})
		for _, v := range list {
			if v.Version == "1.0.1" && !v.Deleted {
				return errors.Join(err, mr.ErrProtected)
			}
		}
		return err
	}, []string{"alias", "held", "highest", "previous", "production"}, []string{"alias", "held", "highest", "previous", "production"}},
	"Purge": {func(r *mr.ModelRegistry, t *testing.T, force bool) error {
		report, err := r.Purge(t.Context(), fraud, &mr.PurgeOptions{Now: true, Apply: true})
		if len(report.Versions) > 0 {
			t.Errorf("Purge of a model without deletions: %+v", report)
		}
		return errors.Join(err, mr.ErrProtected) // it never takes a listed version
	}, []string{"", "alias", "held", "highest", "previous", "production"}, []string{"", "alias", "held", "highest", "previous", "production"}},
}

// protect makes a store with version 1.0.1, which one protection protects.
func protect(t *testing.T, protection string) *mr.ModelRegistry {
	t.Helper()
	r, _ := newStore(t, nil)
	for _, v := range []string{"1.0.0", "1.0.1"} {
		register(t, r, v, nil)
	}
	if protection != "highest" {
		register(t, r, "1.0.2", nil)
	}
	var err error
	switch protection {
	case "alias":
		err = r.SetAliases(t.Context(), fraud, map[string]string{"champion": "1.0.1"}, nil)
	case "held":
		err = r.Hold(t.Context(), fraud.At("1.0.1"), nil)
	case "previous":
		promote(t, r, "1.0.1", mr.Production)
		_, err = r.Demote(t.Context(), fraud.At("1.0.1"), mr.Staging, nil)
	case "production":
		promote(t, r, "1.0.1", mr.Production)
	}
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// Every method that can take a version away is tried against every protection.
// A new method of the registry needs a place in one of the lists.
func TestEveryOperationAgainstEveryProtection(t *testing.T) {
	t.Parallel()
	known := map[string]bool{}
	for _, name := range keepers {
		known[name] = true
	}
	for name := range takers {
		known[name] = true
	}
	registry := reflect.TypeFor[*mr.ModelRegistry]()
	for i := range registry.NumMethod() {
		m := registry.Method(i)
		if !known[m.Name] {
			t.Errorf("the method %s is in neither list of this file: does it take a version away?", m.Name)
		}
		delete(known, m.Name)
	}
	for name := range known {
		t.Errorf("the registry has no method %s", name)
	}
	for name, op := range takers {
		for _, force := range []bool{false, true} {
			refuses := op.refuses
			if force {
				refuses = op.forced
			}
			for _, protection := range []string{"", "alias", "held", "highest", "previous", "production"} {
				r := protect(t, protection)
				err := op.call(r, t, force)
				want := false
				for _, p := range refuses {
					want = want || p == protection
				}
				if errors.Is(err, mr.ErrProtected) != want || err != nil && !want {
					t.Errorf("%s, protection %q, force %v: got error %v, want refusal %v", name, protection, force, err, want)
				}
				if _, err := r.GetVersion(t.Context(), fraud.At("1.0.1")); want && err != nil {
					t.Errorf("%s, protection %q, force %v: it was refused, and the version is gone: %v", name, protection, force, err)
				}
			}
		}
	}
}
