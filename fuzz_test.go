package modelregistry

import (
	"bytes"
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ubunye-go/modelregistry/internal/pyjson"
)

// FuzzGates checks that gates that are accepted print as they were read, and
// that they evaluate any metrics without a panic.
func FuzzGates(f *testing.F) {
	for _, gates := range []string{`{"min_auc":0.85,"max_loss":0.2,"require_drift_check":true}`, `{"min_n":123456789012345678901234567890}`,
		`{"require_drift_check":false}`, `{"min_a":1e-7,"max_a":-0.0}`, `null`, `{"minauc":1}`, `{"min_a":NaN}`, `{"min_\ud800":1}`} {
		f.Add([]byte(gates), []byte(`{"auc":0.9,"loss":NaN,"n":1.0,"a":true,"drift_check_passed":true}`))
	}
	f.Fuzz(func(t *testing.T, data, values []byte) {
		var g PromotionGate
		if err := g.UnmarshalJSON(data); err != nil {
			if !errors.Is(err, ErrInvalid) {
				t.Errorf("%v", err)
			}
			return
		}
		out, err := g.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		var again PromotionGate
		if err := again.UnmarshalJSON(out); err != nil {
			t.Fatalf("%v in %s", err, out)
		}
		if twice, err := again.MarshalJSON(); err != nil || !bytes.Equal(out, twice) {
			t.Errorf("%v, or it is written otherwise: %s, %s", err, out, twice)
		}
		var v ModelVersion
		if _, err := pyjson.Object(values); err == nil {
			values = pyjson.Compact(nil, values)
			v.Metrics, v.Metadata = Values{values}, Values{values}
		}
		results := g.Evaluate(t.Context(), v)
		if len(results) != g.Len() {
			t.Errorf("%d results of %d gates", len(results), g.Len())
		}
		for _, r := range results {
			if _, err := r.MarshalJSON(); err != nil {
				t.Error(err)
			}
		}
		if diff := cmp.Diff(fmt.Sprint(results), fmt.Sprint(again.Evaluate(t.Context(), v))); diff != "" {
			t.Errorf("written and read, they judge otherwise:\n%s", diff)
		}
	})
}

// FuzzNames checks that a name or version that is accepted is one segment of a
// path on every system, and stays in the store.
func FuzzNames(f *testing.F) {
	for _, s := range []string{"fraud_detection", "1.0.0", "1.0.0-rc.1+build", "..", "a/b", `a\b`, "CON", "con.txt", "a.", "C:", "COM¹.x", "ä", "\u202e", "a\x00"} {
		f.Add(s)
	}
	device := regexp.MustCompile(`(?i)^(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$) *(\.|$)`)
	f.Fuzz(func(t *testing.T, s string) {
		name := ModelName{UseCase: s, Model: s}
		err := checkVersion(s)
		if name.Validate() != nil {
			if err == nil {
				t.Errorf("version %q is accepted, the name is not", s)
			}
			return
		}
		joined := path.Join("store", name.UseCase, name.Model, "versions", s)
		if joined != "store/"+s+"/"+s+"/versions/"+s || strings.Count(joined, "/") != 4 || !filepath.IsLocal(s) {
			t.Errorf("%q leaves its place: %s", s, joined)
		}
		if strings.ContainsAny(s, "\\:*?<>|\"\x00") || strings.HasPrefix(s, ".") || strings.HasSuffix(s, ".") || strings.HasSuffix(s, " ") || device.MatchString(s) || len(s) > 255 {
			t.Errorf("%q can't be stored on every system", s)
		}
	})
}
