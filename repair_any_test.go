package modelregistry_test

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/internal/crashtest"
	"github.com/ubunye-go/modelregistry/internal/fsstore"
)

var repairSeeds = flag.Uint64("repair.seeds", 50, "random damages that are repaired")

// mangle harms a file in a way that a disk, an editor or a careless script
// could.
func mangle(rnd *rand.Rand, data []byte) []byte {
	if len(data) == 0 {
		return []byte("\x00")
	}
	data = bytes.Clone(data)
	at := rnd.IntN(len(data))
	l := strings.SplitAfter(string(data), "\n")
	i, j := rnd.IntN(len(l)), rnd.IntN(len(l))
	switch rnd.IntN(9) {
	case 0:
		data[at] ^= 1 << rnd.IntN(8)
	case 1:
		data = data[:at]
	case 2:
		clear(data[at:min(len(data), at+1+rnd.IntN(600))])
	case 3:
		data = append(data[:at:at], append(bytes.Repeat([]byte{byte(rnd.IntN(256))}, 1+rnd.IntN(9)), data[at:]...)...)
	case 4:
		data = append(data[:at:at], data[min(len(data), at+1+rnd.IntN(300)):]...)
	case 5: // a line goes
		data = []byte(strings.Join(append(l[:i:i], l[i+1:]...), ""))
	case 6: // a line stands twice
		data = []byte(strings.Join(append(l[:i:i], append([]string{l[j]}, l[i:]...)...), ""))
	case 7: // two lines change places
		l[i], l[j] = l[j], l[i]
		data = []byte(strings.Join(l, ""))
	case 8:
		data = nil
	}
	return data
}

// After any damage to history and document, a repair leaves a store that Verify
// finds in order, that reads the same from its document and by replay, and in
// which changes go on. It keeps the files that it replaces.
func TestRepairOfAnyDamage(t *testing.T) {
	t.Parallel()
	sound := files(t, three(t))
	for seed := range *repairSeeds {
		rnd := rand.New(rand.NewPCG(seed, 6))
		dir := t.TempDir()
		for name, data := range sound {
			writeFile(t, dir+"/"+name, data)
		}
		done := ""
		for range 1 + rnd.IntN(3) {
			name := modelPath(dir, []string{"history.jsonl", "history.jsonl", "registry.json"}[rnd.IntN(3)])
			data, err := os.ReadFile(name)
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if rnd.IntN(12) == 0 {
				os.Remove(name)
				done += " -" + name[len(dir):]
				continue
			}
			writeFile(t, name, string(mangle(rnd, data)))
			done += " ~" + name[len(dir):]
		}
		if err := repairs(t, dir); err != nil {
			t.Errorf("seed %d,%s: %v", seed, done, err)
		}
	}
}

// nothingToMend reports whether a report has no finding that a repair can mend.
// The content of an entry is not mended: an edit that is valid JSON may be
// meant.
func nothingToMend(report *mr.VerifyReport) bool {
	return !slices.ContainsFunc(report.Findings, func(f mr.Finding) bool {
		switch f.Kind {
		case mr.EntryUnreadable, mr.ArtifactMissing, mr.ArtifactDamaged, mr.ManifestDamaged, mr.NoDigests, mr.NoHistory, mr.SetAside, mr.ForeignFile:
			return false
		}
		return true
	})
}

func repairs(t *testing.T, dir string) error {
	open := func() *mr.ModelRegistry {
		r, err := mr.OpenOn(dir, nil, func(d fsstore.Disk) fsstore.Disk { return crashtest.NoSync{Disk: d} })
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { r.Close() })
		return r
	}
	before := files(t, dir)
	r := open()
	plan, err := r.Repair(t.Context(), fraud, nil)
	if err != nil {
		return fmt.Errorf("plan: %w", err)
	}
	first, err := r.Verify(t.Context(), nil)
	if err != nil {
		return err
	}
	if nothingToMend(first) != (len(plan.Actions) == 0) {
		return fmt.Errorf("found %v, would do %v", first.Findings, plan.Actions)
	}
	report, err := r.Repair(t.Context(), fraud, &mr.RepairOptions{Apply: true})
	if err != nil {
		return fmt.Errorf("repair: %w", err)
	}
	if !slices.ContainsFunc(report.Actions, func(a mr.RepairAction) bool { return a.Kind == mr.RecordState || a.Kind == mr.RemoveDebris }) {
		wantKept(t, dir, before, report.Kept) // else an append came between
	}
	again, err := r.Repair(t.Context(), fraud, nil)
	if err != nil || len(again.Actions) > 0 {
		return fmt.Errorf("did %v, and then would do %v, %v", report.Actions, again.Actions, err)
	}
	found, err := r.Verify(t.Context(), nil)
	if err != nil || !nothingToMend(found) {
		return fmt.Errorf("did %v, and still there is %v, %v", report.Actions, found.Findings, err)
	}
	list := func() (map[string]mr.ModelStage, error) {
		versions, err := open().ListVersions(t.Context(), fraud)
		stages := map[string]mr.ModelStage{}
		for _, v := range versions {
			stages[v.Version] = v.Stage
		}
		return stages, err
	}
	if slices.ContainsFunc(found.Findings, func(f mr.Finding) bool { return f.Kind == mr.NoHistory }) {
		return nil // an edit made it another program's store, which it stays until the next change
	}
	byDocument, err := list()
	if err != nil {
		return fmt.Errorf("did %v; by the document: %w", report.Actions, err)
	}
	if err := os.Remove(modelPath(dir, "registry.json")); err != nil {
		return err
	}
	if byReplay, err := list(); err != nil || !maps.Equal(byDocument, byReplay) {
		return fmt.Errorf("did %v; document %v, replay %v, %w", report.Actions, byDocument, byReplay, err)
	}
	for version := range threeStages {
		// Every version's tree is whole, so none may be lost for good: it is
		// listed, or put aside.
		if _, listed := byDocument[version]; !listed && !aside(t, dir, version) {
			return fmt.Errorf("did %v, and %s is gone", report.Actions, version)
		}
	}
	v := register(t, r, "", nil)
	promote(t, r, v.Version, mr.Production)
	return nil
}

func aside(t *testing.T, dir, version string) bool {
	entries, err := os.ReadDir(modelPath(dir, ".orphans"))
	if err != nil {
		t.Log(err)
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), version+"-") {
			return true
		}
	}
	return false
}
