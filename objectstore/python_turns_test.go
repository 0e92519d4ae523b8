package objectstore_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/registrytest"
)

// Two running programs and a Python program take turns at random. A plain map
// records the expected stages. The first program shows them at any time,
// because its reads check for external changes. The second shows them after
// each turn of its own.
func TestRandomTurnsInABucket(t *testing.T) {
	t.Parallel()
	for seed := range uint64(8) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			randomTurns(t, rand.New(rand.NewPCG(seed, 0)))
		})
	}
}

func randomTurns(t *testing.T, rnd *rand.Rand) {
	f, b, first := edited(t, &mr.Options{ExternalChanges: true})
	programs := []*mr.ModelRegistry{first, registrytest.NewOn(t, newStore(t, b, nil), nil)}
	want := map[string]mr.ModelStage{"1.0.0": mr.Production, "1.0.1": mr.Development}
	stages := []mr.ModelStage{mr.Development, mr.Staging, mr.Production, mr.Archived}
	var turns []string
	for range 40 {
		version := slices.Sorted(maps.Keys(want))[rnd.IntN(len(want))]
		to := stages[rnd.IntN(len(stages))]
		who := rnd.IntN(len(programs) + 1)
		if who == len(programs) {
			turns = append(turns, fmt.Sprintf("Python moves %s to %s", version, to))
			f.python(t, version, to)
		} else if r := programs[who]; rnd.IntN(4) == 0 {
			v := registrytest.Put(t, r, fraud.At(""), files)
			turns = append(turns, fmt.Sprintf("program %d registers %s", who, v.Version))
			version, to = v.Version, mr.Development
		} else {
			turns = append(turns, fmt.Sprintf("program %d moves %s to %s", who, version, to))
			if err := moveTo(t, r, version, want[version], to); err != nil {
				t.Fatalf("%s: %v", strings.Join(turns, "\n"), err)
			}
		}
		if to == mr.Production {
			for other, stage := range want {
				if stage == mr.Production && other != version {
					want[other] = mr.Archived
				}
			}
		}
		want[version] = to
		for i, r := range programs {
			if i != who && (i == 1 || rnd.IntN(2) == 0) {
				continue
			}
			registrytest.WantStages(t, r, fraud, want)
			if t.Failed() {
				t.Fatalf("program %d shows other stages after\n%s", i, strings.Join(turns, "\n"))
			}
		}
	}
	registrytest.WantStages(t, registrytest.NewOn(t, newStore(t, b, nil), nil), fraud, want)
}

// moveTo moves a version from its stage to another, up or down.
func moveTo(t testing.TB, r *mr.ModelRegistry, version string, from, to mr.ModelStage) (err error) {
	t.Helper()
	up := []mr.ModelStage{mr.Archived, mr.Development, mr.Staging, mr.Production}
	switch {
	case to == mr.Archived:
		_, err = r.Archive(t.Context(), fraud.At(version), nil)
	case slices.Index(up, to) < slices.Index(up, from):
		_, err = r.Demote(t.Context(), fraud.At(version), to, nil)
	default:
		_, err = r.Promote(t.Context(), fraud.At(version), to, nil)
	}
	return err
}
