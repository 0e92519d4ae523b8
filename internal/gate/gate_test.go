package gate_test

import (
	"context"
	"testing"

	"github.com/ubunye-go/modelregistry/internal/gate"
)

// A set that is stored and read again is the same set, also with gates that
// can't be read.
func TestStoredAgainIsSame(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{
		`{}`:                         `{}`,
		`null`:                       `{}`,
		`{"min_b":0.10,"max_a":1e5}`: `{"max_a":1e5,"min_b":0.10}`,
		`{"require_drift_check":false,"min_a":1}`:             `{"min_a":1}`,
		`{"not_below_production": {"auc": 0.01}, "min_a": 1}`: `{"min_a":1,"not_below_production":{"auc":0.01}}`,
		`[1, 2]`: `{"gates":[1,2]}`,
	} {
		set := gate.Stored("gates", []byte(raw))
		got, err := set.JSON()
		if err != nil || string(got) != want {
			t.Errorf("%s is written as %s, %v, want %s", raw, got, err, want)
		}
		if again := gate.Stored("gates", got); len(set.Problems()) == 0 && !again.Same(set) {
			t.Errorf("%s is read again as %s, want the same gates", raw, again)
		}
	}
}

func TestFunctionsAreNeverSame(t *testing.T) {
	t.Parallel()
	f := gate.Func("review", func(context.Context, any) error { return nil })
	if f.Same(f) {
		t.Error("a set with a function is the same as itself, want false")
	}
	if got := gate.Join(f, f).Len(); got != 2 {
		t.Errorf("a function joined with itself gives %d gates, want 2", got)
	}
}

func TestStorableKeepsTheStricter(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ a, b, want string }{
		{`{"min_a":0.5}`, `{"min_a":0.9}`, `{"min_a":0.9}`},
		{`{"min_a":0.9}`, `{"min_a":0.5}`, `{"min_a":0.9}`},
		{`{"max_a":0.5}`, `{"max_a":0.9}`, `{"max_a":0.5}`},
		{`{"max_a":0.9}`, `{"max_a":0.5}`, `{"max_a":0.5}`},
		{`{"min_a":9007199254740993}`, `{"min_a":9007199254740992}`, `{"min_a":9007199254740993}`},
	} {
		got, err := gate.Join(gate.Stored("", []byte(test.a)), gate.Stored("", []byte(test.b))).Storable().JSON()
		if err != nil || string(got) != test.want {
			t.Errorf("%s and %s are stored as %s, %v, want %s", test.a, test.b, got, err, test.want)
		}
	}
}
