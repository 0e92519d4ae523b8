package linearizability

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/registrytest"
)

var (
	rounds = flag.Int("rounds", 2, "the `number` of histories that each test records and checks")
	drawn  = flag.String("html", "", "draw a history that is not linearizable in this `file`")
)

var stores = Stores{
	"folder": func(dir string) (*mr.ModelRegistry, error) { return mr.Open(dir, nil) },
	"memory": func(test string) (*mr.ModelRegistry, error) {
		m, _ := memories.Load(test)
		return mr.New(m.(*registrytest.Memory).Open(), nil), nil
	},
}

// memories has the in-memory stores by the names of their tests.
var memories sync.Map

func TestMain(m *testing.M) {
	stores.Main()
	os.Exit(m.Run())
}

// Registries in several processes have the effect of one caller, also if
// workers share appends, and if processes are killed.
func TestFolderIsLinearizable(t *testing.T) {
	t.Parallel()
	for name, load := range map[string]Load{
		"processes":                          {Processes: 4, Workers: 2, Operations: 40},
		"processes with shared registries":   {Processes: 3, Workers: 3, Shared: true, Operations: 30},
		"one process with a shared registry": {Workers: 8, Shared: true, Operations: 40},
		"one process":                        {Workers: 8, Operations: 40},
		"killed processes":                   {Processes: 5, Workers: 1, Shared: true, Operations: 40, Kills: 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if load.Processes > 0 && !commonClock {
				t.Skip("the processes share no clock")
			}
			for range *rounds {
				load.Store, load.Where = "folder", filepath.Join(t.TempDir(), "store")
				h, err := stores.Run(t.Context(), load)
				if err != nil {
					t.Fatal(err)
				}
				wantLinearizable(t, h)
			}
		})
	}
}

// The in-memory store is linearizable too. It exists in one process only.
func TestMemoryIsLinearizable(t *testing.T) {
	t.Parallel()
	for name, load := range map[string]Load{
		"shared registry":    {Workers: 8, Shared: true, Operations: 40},
		"registries at once": {Workers: 8, Operations: 40},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for i := range *rounds {
				load.Store, load.Where = "memory", fmt.Sprint(t.Name(), i)
				memories.Store(load.Where, registrytest.NewMemory(t))
				h, err := stores.Run(t.Context(), load)
				if err != nil {
					t.Fatal(err)
				}
				wantLinearizable(t, h)
			}
		})
	}
}

func wantLinearizable(t *testing.T, h *History) {
	t.Helper()
	start := time.Now()
	r := Check(h, 3*time.Minute)
	if !r.Linearizable {
		if *drawn != "" {
			f, err := os.Create(*drawn)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if err := r.WriteHTML(f); err != nil {
				t.Error(err)
			}
		}
		t.Fatal(r.Report)
	}
	t.Logf("%d operations, checked in %v", r.Operations, time.Since(start))
}
