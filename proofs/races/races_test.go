package races

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/big"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	mr "github.com/ubunye-go/modelregistry"
)

var rounds = flag.Int("rounds", 200, "how many versions each process promotes")

const processes = 3

// Variables in the environment of a racing process: its store and its number.
const (
	storeVariable  = "MODELREGISTRY_RACES_STORE"
	numberVariable = "MODELREGISTRY_RACES_NUMBER"
)

var name = mr.ModelName{UseCase: "races", Model: "Race"}

// margin is how much worse than production a version may be.
const margin = "0.01"

// TestRacer promotes versions in the processes that TestPromotionsRace starts.
// It does nothing otherwise.
func TestRacer(t *testing.T) {
	dir := os.Getenv(storeVariable)
	if dir == "" {
		return
	}
	number, err := strconv.Atoi(os.Getenv(numberVariable))
	if err != nil {
		t.Fatal(err)
	}
	r, err := mr.Open(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	o := &mr.MoveOptions{Gates: mr.NotBelowProduction("auc", json.Number(margin))}
	for i := range *rounds {
		v, err := r.Register(t.Context(), name, mr.FromFunc(func(dir string) error {
			return os.WriteFile(filepath.Join(dir, "weights"), []byte("weights"), 0o600)
		}), &mr.RegisterOptions{Metrics: map[string]any{"auc": auc(number, i)}})
		if err != nil {
			t.Fatal(err)
		}
		_, err = r.Promote(t.Context(), v.Ref(), mr.Production, o)
		var refused *mr.GateError
		if err != nil && !errors.As(err, &refused) && !errors.Is(err, mr.ErrConflict) {
			t.Fatal(err)
		}
		if err == nil && i%10 == number { // opens nothing: the last one in production counts
			if _, err := r.Archive(t.Context(), v.Ref(), nil); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// auc returns a metric that is about as good as those that race with it, and
// becomes better slowly.
func auc(number, round int) json.Number {
	random := rand.New(rand.NewPCG(uint64(number), uint64(round)))
	return json.Number(fmt.Sprintf("%.4f", 0.5+float64(round)/1000+0.03*random.Float64()))
}

func TestPromotionsRace(t *testing.T) {
	dir := t.TempDir()
	var racers []*exec.Cmd
	var outs [processes]bytes.Buffer
	for i := range processes {
		cmd := exec.Command(os.Args[0], "-test.run=^TestRacer$", fmt.Sprintf("-rounds=%d", *rounds))
		cmd.Env = append(os.Environ(), storeVariable+"="+dir, fmt.Sprintf("%s=%d", numberVariable, i))
		cmd.Stdout, cmd.Stderr = &outs[i], &outs[i]
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		racers = append(racers, cmd)
	}
	for i, cmd := range racers {
		if err := cmd.Wait(); err != nil {
			t.Errorf("process %d: %v\n%s", i, err, outs[i].Bytes())
		}
	}
	promoted, refused := audit(t, filepath.Join(dir, name.UseCase, name.Model, "history.jsonl"))
	t.Logf("%d promotions, %d refusals", promoted, refused)
	if promoted < *rounds/10 || refused < *rounds/10 {
		t.Errorf("%d promotions and %d refusals do not prove much", promoted, refused)
	}
}

// An event is what the audit reads of a line of the history.
type event struct {
	Op, Version, To string
	Refused         bool
	After           map[string]struct{ Metrics struct{ AUC json.Number } } // by version
}

// audit reads a history and checks that no version was promoted that is worse
// than the one promoted before it, less the margin.
func audit(t *testing.T, history string) (promoted, refused int) {
	t.Helper()
	file, err := os.Open(history)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	allowed, _ := new(big.Rat).SetString(margin)
	var before *big.Rat
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var e event
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			t.Fatalf("%v in %s", err, lines.Bytes())
		}
		switch {
		case e.Op != "promote":
			continue
		case e.Refused:
			refused++
			continue
		}
		promoted++
		now, ok := new(big.Rat).SetString(string(e.After[e.Version].Metrics.AUC))
		if !ok {
			t.Fatalf("no auc in %s", lines.Bytes())
		}
		if before != nil && now.Cmp(new(big.Rat).Sub(before, allowed)) < 0 {
			t.Errorf("%s was promoted with auc %s, after %s", e.Version, now.FloatString(4), before.FloatString(4))
		}
		before = now
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return promoted, refused
}
