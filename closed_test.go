package modelregistry_test

import (
	"errors"
	"testing"

	mr "github.com/ubunye-go/modelregistry"
)

func TestCallsAfterCloseFail(t *testing.T) {
	t.Parallel()
	r, dir := newStore(t, nil)
	register(t, r, "", nil)
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	check := unchanged(t, dir)
	ctx := t.Context()
	_, err := r.Register(ctx, fraud, artifact(), nil)
	wantError(t, err, "register", fraud, "", mr.ErrClosed)
	_, err = r.GetModel(ctx, fraud.At("1.0.0"), nil)
	wantError(t, err, "get", fraud, "1.0.0", mr.ErrClosed)
	_, err = r.Promote(ctx, fraud.At("1.0.0"), mr.Staging, nil)
	wantError(t, err, "promote", fraud, "1.0.0", mr.ErrClosed)
	if _, err = r.VersionsOfRun(ctx, "run"); !errors.Is(err, mr.ErrClosed) {
		t.Errorf("VersionsOfRun: %v, want ErrClosed", err)
	}
	n := 0
	for name, err := range r.Models(ctx) {
		if n++; !errors.Is(err, mr.ErrClosed) {
			t.Errorf("Models yields %v, %v, want ErrClosed", name, err)
		}
	}
	if n != 1 {
		t.Errorf("Models yields %d times, want once, the error", n)
	}
	if err := r.Close(); err != nil {
		t.Errorf("the second Close got error %v, want none", err)
	}
	check()
}
