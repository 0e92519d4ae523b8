package index

import "testing"

func TestSameGates(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		a, b string
		same bool
	}{
		{``, `null`, true},
		{``, `{}`, true},
		{`null`, `{ }`, true},
		{`{"min_auc":0.8,"max_loss":1}`, `{"max_loss": 1, "min_\u0061uc": 0.8}`, true},
		{`{"require_drift_check":false}`, `{}`, true},
		{`{"require_drift_check":true}`, `{}`, false},
		{`{"min_auc":0.8}`, `{"min_auc":0.80}`, false}, // digit for digit
		{`{"min_auc":0.8}`, `{"min_auc":0.8,"later":[]}`, false},
		{`{"later":[1, 2]}`, `{"later":[1,2]}`, true},
		{`{"min_auc":0.8,"min_auc":0.9}`, `{"min_auc":0.9}`, false},
		{`{"require_drift_check":false,"require_drift_check":true}`, `{"require_drift_check":true}`, false},
		{`[1]`, `[ 1 ]`, true},
		{`[1]`, `{}`, false},
	} {
		for _, pair := range [][2]string{{c.a, c.b}, {c.b, c.a}} {
			if got := sameGates([]byte(pair[0]), []byte(pair[1])); got != c.same {
				t.Errorf("sameGates(%s, %s) = %t, want %t", pair[0], pair[1], got, c.same)
			}
		}
	}
}
