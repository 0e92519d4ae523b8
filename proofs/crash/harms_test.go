//go:build unix

package crash

import (
	"os"
	"strings"
	"testing"

	mr "github.com/ubunye-go/modelregistry"
)

// A harm is one way to harm the store that three makes, and the stages that a
// repair makes of it.
type harm struct {
	do     func(t testing.TB, dir string)
	stages map[string]mr.ModelStage
}

// harms are those whose repair takes every path that writes.
var harms = map[string]harm{
	"document cut": {cutDocument, threeStages},
	"line unreadable": {func(t testing.TB, dir string) {
		replaceLine(t, dir, 1, "garbage\n")
	}, threeStages},
	"registration lost, document damaged": {func(t testing.TB, dir string) {
		cutDocument(t, dir)
		replaceLine(t, dir, 4, "{}\n")
	}, threeStages},
	"external change and a damaged line": {func(t testing.TB, dir string) {
		edit(t, modelPath(dir, "registry.json"), func(s string) string {
			return strings.Replace(s, `"stage": "development"`, `"stage": "staging"`, 1)
		})
		edit(t, modelPath(dir, "history.jsonl"), func(s string) string { return strings.Replace(s, `"event":2`, `"event":"2"`, 1) })
	}, map[string]mr.ModelStage{"1.0.0": mr.Archived, "1.0.1": mr.Production, "1.0.2": mr.Staging}},
	"history deleted": {func(t testing.TB, dir string) {
		remove(t, dir, "history.jsonl")
	}, threeStages},
	"history and document deleted": {func(t testing.TB, dir string) {
		remove(t, dir, "history.jsonl", "registry.json")
	}, map[string]mr.ModelStage{"1.0.0": mr.Development, "1.0.1": mr.Development, "1.0.2": mr.Development}},
	"history is a folder": {func(t testing.TB, dir string) {
		remove(t, dir, "history.jsonl")
		writeFile(t, modelPath(dir, "history.jsonl", "x"), "")
	}, threeStages},
	"document is a folder": {func(t testing.TB, dir string) {
		remove(t, dir, "registry.json")
		writeFile(t, modelPath(dir, "registry.json", "x"), "mine")
	}, threeStages},
	"what crashes leave": {func(t testing.TB, dir string) {
		staging := modelPath(dir, ".staging", strings.Repeat("0a", 16))
		writeFile(t, staging+"/.lock", "")
		writeFile(t, staging+"/tree/model/w.bin", "half")
		writeFile(t, modelPath(dir, ".registry.json.tmp"), "{")
		writeFile(t, modelPath(dir, "versions", "1.0.3", "manifest.json"), "{}")
		writeFile(t, modelPath(dir, "versions", "mine", "notes.txt"), "foreign file")
		edit(t, modelPath(dir, "history.jsonl"), func(s string) string { return s + `{"event":6,"id":` })
	}, threeStages},
}

func cutDocument(t testing.TB, dir string) {
	t.Helper()
	edit(t, modelPath(dir, "registry.json"), func(s string) string { return s[:len(s)/2] })
}

// replaceLine replaces a line of the history. The first has the number 0.
func replaceLine(t testing.TB, dir string, number int, line string) {
	t.Helper()
	edit(t, modelPath(dir, "history.jsonl"), func(s string) string {
		lines := strings.SplitAfter(s, "\n")
		lines[number] = line
		return strings.Join(lines, "")
	})
}

// remove removes files of the model.
func remove(t testing.TB, dir string, names ...string) {
	t.Helper()
	for _, name := range names {
		if err := os.Remove(modelPath(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
}
