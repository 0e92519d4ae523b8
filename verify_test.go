package modelregistry_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/internal/document"
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

// three makes a store of three versions: 1.0.0 archived, 1.0.1 in production,
// 1.0.2 in development.
func three(t testing.TB) (dir string) {
	t.Helper()
	r, dir := newStore(t, &mr.Options{Now: ticker()})
	for _, v := range []string{"1.0.0", "1.0.1"} {
		register(t, r, v, map[string]any{"auc": 0.9})
		promote(t, r, v, mr.Production)
	}
	register(t, r, "1.0.2", map[string]any{"auc": 0.95})
	return dir
}

var threeStages = map[string]mr.ModelStage{"1.0.0": mr.Archived, "1.0.1": mr.Production, "1.0.2": mr.Development}

func edit(t testing.TB, name string, change func(string) string) {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	changed := change(string(data))
	if changed == string(data) {
		t.Fatalf("the edit changes nothing in %s", name)
	}
	os.Chmod(name, 0o644)
	if err := os.WriteFile(name, []byte(changed), 0o644); err != nil {
		t.Fatal(err)
	}
}

// lines returns the history line by line.
func lines(s string) []string { return strings.SplitAfter(s, "\n") }

// harms are ways to harm the store that three made: what Verify finds then, and
// the stages after a repair.
var harms = map[string]struct {
	do      func(t testing.TB, dir string)
	finds   []string
	repairs []string // kinds of actions
	stages  map[string]mr.ModelStage
}{
	"nothing": {do: func(testing.TB, string) {}, stages: threeStages},
	"document deleted": {
		do:      func(_ testing.TB, dir string) { os.Remove(modelPath(dir, "registry.json")) },
		finds:   []string{"document missing registry.json"},
		repairs: []string{"rebuild document"},
		stages:  threeStages,
	},
	"document cut": {
		do: func(t testing.TB, dir string) {
			edit(t, modelPath(dir, "registry.json"), func(s string) string { return s[:len(s)/2] })
		},
		finds:   []string{"document damaged registry.json"},
		repairs: []string{"rebuild document"},
		stages:  threeStages,
	},
	"document of another store": {
		do: func(t testing.TB, dir string) {
			old := three(t)
			promote(t, openStore(t, old, nil), "1.0.2", mr.Staging)
			data, err := os.ReadFile(modelPath(old, "registry.json"))
			if err != nil {
				t.Fatal(err)
			}
			writeFile(t, modelPath(dir, "registry.json"), string(data))
		},
		finds:   []string{"history lost history.jsonl"}, // the document is what there is, as ever
		repairs: []string{"record state"},
		stages:  map[string]mr.ModelStage{"1.0.0": mr.Archived, "1.0.1": mr.Production, "1.0.2": mr.Staging},
	},
	"older document of another store": {
		do: func(t testing.TB, dir string) {
			r, old := newStore(t, nil)
			register(t, r, "3.0.0", nil)
			data, err := os.ReadFile(modelPath(old, "registry.json"))
			if err != nil {
				t.Fatal(err)
			}
			writeFile(t, modelPath(dir, "registry.json"), string(data))
		},
		finds:   []string{"document damaged registry.json"},
		repairs: []string{"rebuild document"},
		stages:  threeStages,
	},
	"entry is not the history's": {
		do: func(t testing.TB, dir string) {
			name := modelPath(dir, "registry.json")
			data, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			d, err := document.Parse(data)
			if err != nil {
				t.Fatal(err)
			}
			d.Entries[2].Raw = bytes.Replace(d.Entries[2].Raw, []byte("0.95"), []byte("0.99"), 1)
			writeFile(t, name, string(document.Format(d))) // a bug of ours would be needed for this
		},
		finds:   []string{"document differs registry.json"},
		repairs: []string{"rebuild document"},
		stages:  threeStages,
	},
	"line unreadable": {
		do: func(t testing.TB, dir string) {
			edit(t, modelPath(dir, "history.jsonl"), func(s string) string {
				l := lines(s)
				l[1] = "garbage\n"
				return strings.Join(l, "")
			})
		},
		finds:   []string{"history damaged history.jsonl"},
		repairs: []string{"rebuild history", "rebuild document"},
		stages:  threeStages,
	},
	"line missing, document gone": {
		do: func(t testing.TB, dir string) {
			os.Remove(modelPath(dir, "registry.json"))
			edit(t, modelPath(dir, "history.jsonl"), func(s string) string {
				l := lines(s)
				return strings.Join(slices.Delete(l, 4, 5), "") // the registration of 1.0.2
			})
		},
		finds:   []string{"document missing registry.json", "version not listed 1.0.2 1.0.2"}, // a cut end shows in the document only
		repairs: []string{"recover version"},
		stages:  threeStages,
	},
	"line missing in the middle, document gone": {
		do: func(t testing.TB, dir string) {
			os.Remove(modelPath(dir, "registry.json"))
			edit(t, modelPath(dir, "history.jsonl"), func(s string) string {
				l := lines(s)
				return strings.Join(slices.Delete(l, 0, 2), "") // all of 1.0.0 but that it was archived
			})
		},
		finds:   []string{"document missing registry.json", "history damaged history.jsonl"},
		repairs: []string{"rebuild history", "rebuild document"},
		stages:  threeStages,
	},
	"registration lost, document damaged": {
		do: func(t testing.TB, dir string) {
			edit(t, modelPath(dir, "registry.json"), func(s string) string { return s[:len(s)/2] })
			edit(t, modelPath(dir, "history.jsonl"), func(s string) string {
				l := lines(s)
				l[4] = "{}\n"
				return strings.Join(l, "")
			})
		},
		finds:   []string{"document damaged registry.json", "history damaged history.jsonl"},
		repairs: []string{"rebuild history", "rebuild document", "recover version"},
		stages:  threeStages,
	},
	"line edited": {
		do: func(t testing.TB, dir string) {
			edit(t, modelPath(dir, "history.jsonl"), func(s string) string {
				return strings.Replace(s, `"to":"production"`, `"to":"production","actor":"mallory"`, 1)
			})
		},
		finds:   []string{"history damaged history.jsonl"},
		repairs: []string{"rebuild history", "rebuild document"},
		stages:  threeStages,
	},
	"history deleted": {
		do:      func(_ testing.TB, dir string) { os.Remove(modelPath(dir, "history.jsonl")) },
		finds:   []string{"history lost history.jsonl"},
		repairs: []string{"record state"},
		stages:  threeStages,
	},
	"last line zeroed": {
		do: func(t testing.TB, dir string) {
			edit(t, modelPath(dir, "history.jsonl"), func(s string) string {
				l := lines(s)
				return strings.Join(l[:4], "") + strings.Repeat("\x00", len(l[4]))
			})
		},
		finds:   []string{"debris history.jsonl", "history lost history.jsonl"},
		repairs: []string{"record state"},
		stages:  threeStages,
	},
	"history deleted and document edited": {
		do: func(t testing.TB, dir string) {
			os.Remove(modelPath(dir, "history.jsonl"))
			edit(t, modelPath(dir, "registry.json"), func(s string) string {
				return strings.Replace(s, `"stage": "development"`, `"stage": "staging"`, 1)
			})
		},
		finds:   []string{"history lost history.jsonl"},
		repairs: []string{"record state"},
		stages:  map[string]mr.ModelStage{"1.0.0": mr.Archived, "1.0.1": mr.Production, "1.0.2": mr.Staging},
	},
	"history is a folder": {
		do: func(t testing.TB, dir string) {
			os.Remove(modelPath(dir, "history.jsonl"))
			writeFile(t, modelPath(dir, "history.jsonl", "x"), "")
		},
		finds:   []string{"history damaged history.jsonl", "history lost history.jsonl"},
		repairs: []string{"rebuild history", "rebuild document"},
		stages:  threeStages,
	},
	"document is a folder": {
		do: func(t testing.TB, dir string) {
			os.Remove(modelPath(dir, "registry.json"))
			writeFile(t, modelPath(dir, "registry.json", "x"), "mine")
		},
		finds:   []string{"document damaged registry.json"},
		repairs: []string{"rebuild document"},
		stages:  threeStages,
	},
	"history and document deleted": {
		do: func(_ testing.TB, dir string) {
			os.Remove(modelPath(dir, "history.jsonl"))
			os.Remove(modelPath(dir, "registry.json"))
		},
		finds:   []string{"history lost history.jsonl", "version not listed 1.0.0 1.0.0", "version not listed 1.0.1 1.0.1", "version not listed 1.0.2 1.0.2"},
		repairs: []string{"rebuild history", "rebuild document", "recover version", "recover version", "recover version"},
		stages:  map[string]mr.ModelStage{"1.0.0": mr.Development, "1.0.1": mr.Development, "1.0.2": mr.Development},
	},
	"history deleted and document damaged": {
		do: func(t testing.TB, dir string) {
			os.Remove(modelPath(dir, "history.jsonl"))
			writeFile(t, modelPath(dir, "registry.json"), "")
		},
		finds:   []string{"document damaged registry.json"},
		repairs: []string{"rebuild history", "rebuild document", "recover version", "recover version", "recover version"},
		stages:  map[string]mr.ModelStage{"1.0.0": mr.Development, "1.0.1": mr.Development, "1.0.2": mr.Development},
	},
	"multiple production": {
		do: func(t testing.TB, dir string) {
			edit(t, modelPath(dir, "registry.json"), func(s string) string {
				return strings.Replace(s, `"stage": "archived"`, `"stage": "production"`, 1)
			})
		},
		finds:   []string{"external change registry.json", "multiple production 1.0.0"},
		repairs: []string{"record state", "record state"},
		stages:  map[string]mr.ModelStage{"1.0.0": mr.Production, "1.0.1": mr.Archived, "1.0.2": mr.Development},
	},
	"external change": {
		do: func(t testing.TB, dir string) {
			edit(t, modelPath(dir, "registry.json"), func(s string) string {
				return strings.Replace(s, `"stage": "development"`, `"stage": "staging"`, 1)
			})
		},
		finds:   []string{"external change registry.json"},
		repairs: []string{"record state"},
		stages:  map[string]mr.ModelStage{"1.0.0": mr.Archived, "1.0.1": mr.Production, "1.0.2": mr.Staging},
	},
	"external change and a damaged line": {
		do: func(t testing.TB, dir string) {
			edit(t, modelPath(dir, "registry.json"), func(s string) string {
				return strings.Replace(s, `"stage": "development"`, `"stage": "staging"`, 1)
			})
			edit(t, modelPath(dir, "history.jsonl"), func(s string) string { return strings.Replace(s, `"event":2`, `"event":"2"`, 1) })
		},
		finds:   []string{"history damaged history.jsonl"},
		repairs: []string{"rebuild history", "rebuild document"},
		stages:  map[string]mr.ModelStage{"1.0.0": mr.Archived, "1.0.1": mr.Production, "1.0.2": mr.Staging},
	},
	"external change and what a crash left": {
		do: func(t testing.TB, dir string) {
			edit(t, modelPath(dir, "registry.json"), func(s string) string {
				return strings.Replace(s, `"stage": "development"`, `"stage": "staging"`, 1)
			})
			writeFile(t, modelPath(dir, ".staging", strings.Repeat("0a", 16), ".lock"), "")
			writeFile(t, modelPath(dir, ".registry.json.tmp"), "{")
			writeFile(t, modelPath(dir, ".history.jsonl.tmp"), "{")
		},
		finds: []string{"debris .history.jsonl.tmp", "debris .registry.json.tmp", "debris " + strings.Repeat("0a", 16),
			"external change registry.json"},
		repairs: []string{"record state", "remove debris", "remove debris", "remove debris"},
		stages:  map[string]mr.ModelStage{"1.0.0": mr.Archived, "1.0.1": mr.Production, "1.0.2": mr.Staging},
	},
	"an upload in a bucket's copy": {
		do: func(t testing.TB, dir string) {
			writeFile(t, modelPath(dir, ".staging", strings.Repeat("0a", 16), "model", "w.bin"), "the only copy")
		},
		finds:  []string{"foreign file " + strings.Repeat("0a", 16)},
		stages: map[string]mr.ModelStage{"1.0.0": mr.Archived, "1.0.1": mr.Production, "1.0.2": mr.Development},
	},
	"what crashes leave": {
		do: func(t testing.TB, dir string) {
			writeFile(t, modelPath(dir, ".staging", strings.Repeat("0a", 16), ".lock"), "")
			writeFile(t, modelPath(dir, ".staging", strings.Repeat("0a", 16), "tree", "model", "w.bin"), "half")
			writeFile(t, modelPath(dir, ".registry.json.tmp"), "{")
			writeFile(t, modelPath(dir, "versions", "1.0.3", "manifest.json"), "{}")
			writeFile(t, modelPath(dir, "versions", "mine", "notes.txt"), "foreign file")
			edit(t, modelPath(dir, "history.jsonl"), func(s string) string { return s + `{"event":6,"id":` })
		},
		finds: []string{"debris .registry.json.tmp", "debris " + strings.Repeat("0a", 16), "debris history.jsonl",
			"foreign file mine mine", "version not listed 1.0.3 1.0.3"},
		repairs: []string{"put aside", "remove debris", "remove debris", "remove debris"},
		stages:  threeStages,
	},
}

// Invariant 7: whoever must know of damage is told all of it, and where it is.
func TestVerify(t *testing.T) {
	t.Parallel()
	for name, harm := range harms {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := three(t)
			harm.do(t, dir)
			wantFindings(t, dir, harm.finds...)
		})
	}
}

// Every byte of a version is under a digest, and every digest under another.
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

// A write by another program is told with the versions and the keys that it
// changed.
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
		"no object":    {func(s string) string { return head + `"1.0.0":1}}` }, "1.0.0: the whole entry"}, // nothing tells that it ever held 1.0.1
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
		whole := map[string]bool{}
		test.opts.Progress = func(p mr.VerifyProgress) {
			if p.Files.Hashed > p.Files.Total || p.Number > p.Versions || p.Version.Version == "" {
				t.Errorf("progress %+v", p)
			}
			whole[p.Version.String()] = p.Files.Hashed > 0 && p.Files.Hashed == p.Files.Total // by the last call
		}
		report, err := r.Verify(t.Context(), &test.opts)
		if err != nil {
			t.Fatal(err)
		}
		if len(report.Problems()) != test.models || report.Models != test.models || report.Versions != test.versions || len(whole) != test.versions {
			t.Errorf("%+v: %d models, %d versions, progress of %d, %v", test.opts, report.Models, report.Versions, len(whole), report.Findings)
		}
		for version, ended := range whole {
			if !ended {
				t.Errorf("%s was not hashed to its end", version)
			}
		}
	}
	_, err := r.Verify(t.Context(), &mr.VerifyOptions{UseCase: "nobody", Model: "knows"})
	wantError(t, err, "verify", mr.ModelName{UseCase: "nobody", Model: "knows"}, "", mr.ErrNotFound)
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
