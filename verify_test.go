package modelregistry_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/internal/storetest"
)

// verified returns what Verify finds in a store, each as "kind version file".
func verified(t testing.TB, dir string) []string {
	t.Helper()
	check := unchanged(t, dir)
	report, err := openStore(t, dir, nil).Verify(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	check()
	return findings(report)
}

func findings(report *mr.VerifyReport) []string {
	list := []string{}
	for _, f := range report.Findings {
		line := string(f.Kind)
		if f.Version != "" {
			line += " " + f.Version
		}
		if f.Path != "" {
			line += " " + filepath.Base(f.Path)
		}
		list = append(list, line)
	}
	slices.Sort(list)
	return list
}

func wantFindings(t testing.TB, dir string, want ...string) {
	t.Helper()
	if diff := cmp.Diff(append([]string{}, want...), verified(t, dir)); diff != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
	}
}

// Invariant 7: Verify reports all damage and where it is.
func TestVerify(t *testing.T) {
	t.Parallel()
	for name, harm := range storetest.Harms {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := three(t)
			harm.Do(t, dir)
			wantFindings(t, dir, harm.Finds...)
		})
	}
}

// A digest covers every byte of a version, and another digest covers that
// digest.
func TestVerifyArtifacts(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		do    func(t testing.TB, version string)
		finds string
	}{
		"byte changed": {func(t testing.TB, v string) {
			edit(t, filepath.Join(v, "model", "weights.bin"), func(string) string { return "Weights" })
		}, "artifact damaged 1.0.1"},
		"metrics changed": {func(t testing.TB, v string) {
			edit(t, filepath.Join(v, "metrics.json"), func(s string) string { return strings.Replace(s, "0.9", "1.0", 1) })
		}, "artifact damaged 1.0.1"},
		"file added":      {func(t testing.TB, v string) { writeFile(t, filepath.Join(v, "model", "more"), "x") }, "artifact damaged 1.0.1"},
		"file gone":       {func(_ testing.TB, v string) { os.Remove(filepath.Join(v, "model", "weights.bin")) }, "artifact damaged 1.0.1"},
		"manifest edited": {func(t testing.TB, v string) { edit(t, filepath.Join(v, "manifest.json"), strings.ToUpper) }, "manifest damaged 1.0.1"},
		"manifest gone":   {func(_ testing.TB, v string) { os.Remove(filepath.Join(v, "manifest.json")) }, "manifest damaged 1.0.1"},
		"all gone":        {func(_ testing.TB, v string) { os.RemoveAll(v) }, "artifact missing 1.0.1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := three(t)
			test.do(t, modelPath(dir, "versions", "1.0.1"))
			wantFindings(t, dir, test.finds)
			r := openStore(t, dir, nil)
			report, err := r.Verify(t.Context(), &mr.VerifyOptions{WithoutArtifacts: true})
			if err != nil || len(report.Findings) != 0 {
				t.Errorf("without artifacts: %v, %v", report.Findings, err)
			}
			if _, err := r.GetModel(t.Context(), fraud.At("1.0.1"), &mr.GetOptions{Verify: true}); !errors.Is(err, mr.ErrArtifact) {
				t.Errorf("GetModel asked to check gave %v", err)
			}
			if _, err := r.GetModel(t.Context(), fraud.At("1.0.0"), &mr.GetOptions{Verify: true}); err != nil {
				t.Errorf("GetModel of a sound version: %v", err)
			}
			plan, err := r.Repair(t.Context(), fraud, nil)
			if err != nil || len(plan.Actions) > 0 {
				t.Errorf("repair would do %v, %v", plan.Actions, err)
			}
		})
	}
}

// The finding of an external change has the versions and the keys that changed.
func TestVerifySaysWhatIsForeign(t *testing.T) {
	t.Parallel()
	const head = `{"use_case":"fraud_detection","model_name":"FraudRiskModel","versions":{`
	for name, test := range map[string]struct {
		edit func(string) string
		want string
	}{
		"metric flipped": {func(s string) string { return strings.Replace(s, `"auc": 0.95`, `"auc": 0.99`, 1) }, "1.0.2: metrics.auc"},
		"keys": {func(s string) string {
			s = strings.Replace(s, `"auc": 0.95`, `"loss": 1`, 1)
			return strings.Replace(s, `"stage": "archived"`, `"stage": "staging", "note": {"by": "me"}`, 1)
		}, "1.0.0: stage, note; 1.0.2: metrics.loss, metrics.auc"},
		"metrics gone": {func(s string) string { return strings.Replace(s, `"metrics"`, `"Metrics"`, 1) }, "1.0.0: Metrics, metrics"},
		"no object":    {func(s string) string { return head + `"1.0.0":1}}` }, "1.0.0: the whole entry"}, // nothing shows that it ever had 1.0.1
		"many": {func(s string) string {
			return head + `"1":{},"2":{},"3":{},"4":{},"5":{},"6":{},"7":{}}}`
		}, "1: added; 2: added; 3: added; 4: added; 5: added; and 2 more"},
		"layout": {func(s string) string { return strings.Replace(s, `": "`, `":  "`, 1) }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := three(t)
			edit(t, modelPath(dir, "registry.json"), test.edit)
			report, err := openStore(t, dir, nil).Verify(t.Context(), &mr.VerifyOptions{WithoutArtifacts: true})
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range report.Findings {
				if f.Kind != mr.ExternalChange {
					continue
				}
				want := "external change: fraud_detection/FraudRiskModel/registry.json"
				if test.want != "" {
					want += ": " + test.want
				}
				if f.String() != want {
					t.Errorf("got %s, want %s", f, want)
				}
				return
			}
			t.Errorf("found %v", report.Findings)
		})
	}
}

func TestVerifyScope(t *testing.T) {
	t.Parallel()
	dir := three(t)
	r := openStore(t, dir, nil)
	other := mr.ModelName{UseCase: "churn", Model: "M"}
	if _, err := r.Register(t.Context(), other, artifact(), nil); err != nil {
		t.Fatal(err)
	}
	os.Remove(modelPath(dir, "registry.json"))
	os.Remove(filepath.Join(dir, "churn", "M", "registry.json"))
	for _, test := range []struct {
		opts     mr.VerifyOptions
		models   int
		versions int
	}{
		{mr.VerifyOptions{}, 2, 4},
		{mr.VerifyOptions{UseCase: "churn"}, 1, 1},
		{mr.VerifyOptions{UseCase: fraud.UseCase, Model: fraud.Model}, 1, 3},
	} {
		last := map[mr.ModelName]mr.VerifyProgress{}
		test.opts.Progress = func(p mr.VerifyProgress) {
			before := last[p.Name]
			if p.Files.Hashed < before.Files.Hashed || p.Checked < before.Checked || p.Begun < p.Checked || p.Versions < p.Begun || p.Models != test.models {
				t.Errorf("progress %+v after %+v", p, before)
			}
			if f := p.Fraction(); f < 0 || f > 1 {
				t.Errorf("the fraction of %+v is %v", p, f)
			}
			last[p.Name] = p
		}
		report, err := r.Verify(t.Context(), &test.opts)
		if err != nil {
			t.Fatal(err)
		}
		if len(report.Problems()) != test.models || len(report.Models) != test.models || report.Versions != test.versions || len(last) != test.models {
			t.Errorf("%+v: models %v, %d versions, progress of %d, %v", test.opts, report.Models, report.Versions, len(last), report.Findings)
		}
		for name, p := range last {
			if p.Checked != p.Versions || p.Files.Hashed == 0 || p.Files.Hashed != p.Files.Total || p.Number == p.Models && p.Fraction() != 1 {
				t.Errorf("%s: the end was reported as %+v", name, p)
			}
		}
	}
	_, err := r.Verify(t.Context(), &mr.VerifyOptions{UseCase: "no_such", Model: "Model"})
	wantError(t, err, "verify", mr.ModelName{UseCase: "no_such", Model: "Model"}, "", mr.ErrNotFound)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.Verify(ctx, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("with an ended context: %v", err)
	}
}

func TestVerifyPythonsStore(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("testdata/stores/python-0.1.7")); err != nil {
		t.Fatal(err)
	}
	report, err := openStore(t, dir, nil).Verify(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range report.Findings {
		if f.Kind != mr.NoHistory && f.Kind != mr.NoDigests {
			t.Errorf("found %v", f)
		}
	}
	plan, err := openStore(t, dir, nil).Repair(t.Context(), fraud, nil)
	if err != nil || len(plan.Actions) > 0 {
		t.Errorf("repair would do %v, %v", plan.Actions, err)
	}
}

// A record that two machines wrote to a model is a notice, and Repair leaves it
// to a person.
func TestVerifySeveralMachines(t *testing.T) {
	t.Parallel()
	r, dir := newStore(t, nil)
	register(t, r, "1.0.0", nil)
	const record = "machine a wrote, while machine b was running"
	writeFile(t, modelPath(dir, ".machines"), record+"\n")
	report, err := r.Verify(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	at := fraud.String() + "/.machines"
	if len(report.Findings) != 1 || report.Findings[0].Kind != mr.SeveralMachines || len(report.Problems()) != 0 ||
		!strings.HasPrefix(report.Findings[0].String(), "several machines: "+at+": "+record+": ") {
		t.Errorf("got %v, want the notice with what the record says", report.Findings)
	}
	if report, err := r.Repair(t.Context(), fraud, &mr.RepairOptions{Apply: true}); err != nil || len(report.Actions) > 0 {
		t.Errorf("Repair: %v, %v; want nothing to repair", report, err)
	}
	if got := files(t, modelPath(dir))[".machines"]; got != record+"\n" {
		t.Errorf("after the repair the record is %q, want it unchanged", got)
	}
}
