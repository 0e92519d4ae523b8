package storetest

import (
	"bytes"
	"os"
	"slices"
	"strings"
	"testing"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/internal/document"
)

// A Harm is one way to harm the store that Three makes.
type Harm struct {
	Do      func(t testing.TB, dir string)
	Finds   []string                 // by Verify: kind, version and file
	Repairs []string                 // the kinds of actions of Repair
	Stages  map[string]mr.ModelStage // after the repair
}

// lines returns the history line by line.
func lines(s string) []string { return strings.SplitAfter(s, "\n") }

// Harms are the ways to harm that store, by name.
var Harms = map[string]Harm{
	"nothing": {Do: func(testing.TB, string) {}, Stages: ThreeStages},
	"document deleted": {
		Do:      func(_ testing.TB, dir string) { os.Remove(Path(dir, "registry.json")) },
		Finds:   []string{"document missing registry.json"},
		Repairs: []string{"rebuild document"},
		Stages:  ThreeStages,
	},
	"document cut": {
		Do: func(t testing.TB, dir string) {
			Edit(t, Path(dir, "registry.json"), func(s string) string { return s[:len(s)/2] })
		},
		Finds:   []string{"document damaged registry.json"},
		Repairs: []string{"rebuild document"},
		Stages:  ThreeStages,
	},
	"document of another store": {
		Do: func(t testing.TB, dir string) {
			old := Three(t, Open)
			Promote(t, Open(t, old, nil), "1.0.2", mr.Staging)
			data, err := os.ReadFile(Path(old, "registry.json"))
			if err != nil {
				t.Fatal(err)
			}
			WriteFile(t, Path(dir, "registry.json"), string(data))
		},
		Finds:   []string{"history lost history.jsonl"}, // the document is what there is, as ever
		Repairs: []string{"record state"},
		Stages:  map[string]mr.ModelStage{"1.0.0": mr.Archived, "1.0.1": mr.Production, "1.0.2": mr.Staging},
	},
	"older document of another store": {
		Do: func(t testing.TB, dir string) {
			old := t.TempDir()
			r := Open(t, old, nil)
			Register(t, r, "3.0.0", nil)
			data, err := os.ReadFile(Path(old, "registry.json"))
			if err != nil {
				t.Fatal(err)
			}
			WriteFile(t, Path(dir, "registry.json"), string(data))
		},
		Finds:   []string{"document damaged registry.json"},
		Repairs: []string{"rebuild document"},
		Stages:  ThreeStages,
	},
	"entry is not the history's": {
		Do: func(t testing.TB, dir string) {
			name := Path(dir, "registry.json")
			data, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			d, err := document.Parse(data)
			if err != nil {
				t.Fatal(err)
			}
			d.Entries[2].Raw = bytes.Replace(d.Entries[2].Raw, []byte("0.95"), []byte("0.99"), 1)
			WriteFile(t, name, string(document.Format(d))) // a bug of ours would be needed for this
		},
		Finds:   []string{"document differs registry.json"},
		Repairs: []string{"rebuild document"},
		Stages:  ThreeStages,
	},
	"line unreadable": {
		Do: func(t testing.TB, dir string) {
			Edit(t, Path(dir, "history.jsonl"), func(s string) string {
				l := lines(s)
				l[1] = "garbage\n"
				return strings.Join(l, "")
			})
		},
		Finds:   []string{"history damaged history.jsonl"},
		Repairs: []string{"rebuild history", "rebuild document"},
		Stages:  ThreeStages,
	},
	"line missing, document gone": {
		Do: func(t testing.TB, dir string) {
			os.Remove(Path(dir, "registry.json"))
			Edit(t, Path(dir, "history.jsonl"), func(s string) string {
				l := lines(s)
				return strings.Join(slices.Delete(l, 4, 5), "") // the registration of 1.0.2
			})
		},
		Finds:   []string{"document missing registry.json", "version not listed 1.0.2 1.0.2"}, // a cut end shows in the document only
		Repairs: []string{"recover version"},
		Stages:  ThreeStages,
	},
	"line missing in the middle, document gone": {
		Do: func(t testing.TB, dir string) {
			os.Remove(Path(dir, "registry.json"))
			Edit(t, Path(dir, "history.jsonl"), func(s string) string {
				l := lines(s)
				return strings.Join(slices.Delete(l, 0, 2), "") // all of 1.0.0 but that it was archived
			})
		},
		Finds:   []string{"document missing registry.json", "history damaged history.jsonl"},
		Repairs: []string{"rebuild history", "rebuild document"},
		Stages:  ThreeStages,
	},
	"registration lost, document damaged": {
		Do: func(t testing.TB, dir string) {
			Edit(t, Path(dir, "registry.json"), func(s string) string { return s[:len(s)/2] })
			Edit(t, Path(dir, "history.jsonl"), func(s string) string {
				l := lines(s)
				l[4] = "{}\n"
				return strings.Join(l, "")
			})
		},
		Finds:   []string{"document damaged registry.json", "history damaged history.jsonl"},
		Repairs: []string{"rebuild history", "rebuild document", "recover version"},
		Stages:  ThreeStages,
	},
	"line edited": {
		Do: func(t testing.TB, dir string) {
			Edit(t, Path(dir, "history.jsonl"), func(s string) string {
				return strings.Replace(s, `"to":"production"`, `"to":"production","actor":"mallory"`, 1)
			})
		},
		Finds:   []string{"history damaged history.jsonl"},
		Repairs: []string{"rebuild history", "rebuild document"},
		Stages:  ThreeStages,
	},
	"history deleted": {
		Do:      func(_ testing.TB, dir string) { os.Remove(Path(dir, "history.jsonl")) },
		Finds:   []string{"history lost history.jsonl"},
		Repairs: []string{"record state"},
		Stages:  ThreeStages,
	},
	"last line zeroed": {
		Do: func(t testing.TB, dir string) {
			Edit(t, Path(dir, "history.jsonl"), func(s string) string {
				l := lines(s)
				return strings.Join(l[:4], "") + strings.Repeat("\x00", len(l[4]))
			})
		},
		Finds:   []string{"debris history.jsonl", "history lost history.jsonl"},
		Repairs: []string{"record state"},
		Stages:  ThreeStages,
	},
	"history deleted and document edited": {
		Do: func(t testing.TB, dir string) {
			os.Remove(Path(dir, "history.jsonl"))
			Edit(t, Path(dir, "registry.json"), func(s string) string {
				return strings.Replace(s, `"stage": "development"`, `"stage": "staging"`, 1)
			})
		},
		Finds:   []string{"history lost history.jsonl"},
		Repairs: []string{"record state"},
		Stages:  map[string]mr.ModelStage{"1.0.0": mr.Archived, "1.0.1": mr.Production, "1.0.2": mr.Staging},
	},
	"history is a folder": {
		Do: func(t testing.TB, dir string) {
			os.Remove(Path(dir, "history.jsonl"))
			WriteFile(t, Path(dir, "history.jsonl", "x"), "")
		},
		Finds:   []string{"history damaged history.jsonl", "history lost history.jsonl"},
		Repairs: []string{"rebuild history", "rebuild document"},
		Stages:  ThreeStages,
	},
	"document is a folder": {
		Do: func(t testing.TB, dir string) {
			os.Remove(Path(dir, "registry.json"))
			WriteFile(t, Path(dir, "registry.json", "x"), "mine")
		},
		Finds:   []string{"document damaged registry.json"},
		Repairs: []string{"rebuild document"},
		Stages:  ThreeStages,
	},
	"history and document deleted": {
		Do: func(_ testing.TB, dir string) {
			os.Remove(Path(dir, "history.jsonl"))
			os.Remove(Path(dir, "registry.json"))
		},
		Finds:   []string{"history lost history.jsonl", "version not listed 1.0.0 1.0.0", "version not listed 1.0.1 1.0.1", "version not listed 1.0.2 1.0.2"},
		Repairs: []string{"rebuild history", "rebuild document", "recover version", "recover version", "recover version"},
		Stages:  map[string]mr.ModelStage{"1.0.0": mr.Development, "1.0.1": mr.Development, "1.0.2": mr.Development},
	},
	"history deleted and document damaged": {
		Do: func(t testing.TB, dir string) {
			os.Remove(Path(dir, "history.jsonl"))
			WriteFile(t, Path(dir, "registry.json"), "")
		},
		Finds:   []string{"document damaged registry.json"},
		Repairs: []string{"rebuild history", "rebuild document", "recover version", "recover version", "recover version"},
		Stages:  map[string]mr.ModelStage{"1.0.0": mr.Development, "1.0.1": mr.Development, "1.0.2": mr.Development},
	},
	"multiple production": {
		Do: func(t testing.TB, dir string) {
			Edit(t, Path(dir, "registry.json"), func(s string) string {
				return strings.Replace(s, `"stage": "archived"`, `"stage": "production"`, 1)
			})
		},
		Finds:   []string{"external change registry.json", "multiple production 1.0.0"},
		Repairs: []string{"record state", "record state"},
		Stages:  map[string]mr.ModelStage{"1.0.0": mr.Production, "1.0.1": mr.Archived, "1.0.2": mr.Development},
	},
	"external change": {
		Do: func(t testing.TB, dir string) {
			Edit(t, Path(dir, "registry.json"), func(s string) string {
				return strings.Replace(s, `"stage": "development"`, `"stage": "staging"`, 1)
			})
		},
		Finds:   []string{"external change registry.json"},
		Repairs: []string{"record state"},
		Stages:  map[string]mr.ModelStage{"1.0.0": mr.Archived, "1.0.1": mr.Production, "1.0.2": mr.Staging},
	},
	"external change and a damaged line": {
		Do: func(t testing.TB, dir string) {
			Edit(t, Path(dir, "registry.json"), func(s string) string {
				return strings.Replace(s, `"stage": "development"`, `"stage": "staging"`, 1)
			})
			Edit(t, Path(dir, "history.jsonl"), func(s string) string { return strings.Replace(s, `"event":2`, `"event":"2"`, 1) })
		},
		Finds:   []string{"history damaged history.jsonl"},
		Repairs: []string{"rebuild history", "rebuild document"},
		Stages:  map[string]mr.ModelStage{"1.0.0": mr.Archived, "1.0.1": mr.Production, "1.0.2": mr.Staging},
	},
	"external change and what a crash left": {
		Do: func(t testing.TB, dir string) {
			Edit(t, Path(dir, "registry.json"), func(s string) string {
				return strings.Replace(s, `"stage": "development"`, `"stage": "staging"`, 1)
			})
			WriteFile(t, Path(dir, ".staging", strings.Repeat("0a", 16), ".lock"), "")
			WriteFile(t, Path(dir, ".registry.json.tmp"), "{")
			WriteFile(t, Path(dir, ".history.jsonl.tmp"), "{")
		},
		Finds: []string{"debris .history.jsonl.tmp", "debris .registry.json.tmp", "debris " + strings.Repeat("0a", 16),
			"external change registry.json"},
		Repairs: []string{"record state", "remove debris", "remove debris", "remove debris"},
		Stages:  map[string]mr.ModelStage{"1.0.0": mr.Archived, "1.0.1": mr.Production, "1.0.2": mr.Staging},
	},
	"an upload in a bucket's copy": {
		Do: func(t testing.TB, dir string) {
			WriteFile(t, Path(dir, ".staging", strings.Repeat("0a", 16), "model", "w.bin"), "the only copy")
		},
		Finds:  []string{"foreign file " + strings.Repeat("0a", 16)},
		Stages: map[string]mr.ModelStage{"1.0.0": mr.Archived, "1.0.1": mr.Production, "1.0.2": mr.Development},
	},
	"what crashes leave": {
		Do: func(t testing.TB, dir string) {
			WriteFile(t, Path(dir, ".staging", strings.Repeat("0a", 16), ".lock"), "")
			WriteFile(t, Path(dir, ".staging", strings.Repeat("0a", 16), "tree", "model", "w.bin"), "half")
			WriteFile(t, Path(dir, ".registry.json.tmp"), "{")
			WriteFile(t, Path(dir, "versions", "1.0.3", "manifest.json"), "{}")
			WriteFile(t, Path(dir, "versions", "mine", "notes.txt"), "foreign file")
			Edit(t, Path(dir, "history.jsonl"), func(s string) string { return s + `{"event":6,"id":` })
		},
		Finds: []string{"debris .registry.json.tmp", "debris " + strings.Repeat("0a", 16), "debris history.jsonl",
			"foreign file mine mine", "version not listed 1.0.3 1.0.3"},
		Repairs: []string{"put aside", "remove debris", "remove debris", "remove debris"},
		Stages:  ThreeStages,
	},
}
