package processes

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/internal/ledger"
)

func init() {
	tasks["win an alias 30 times"] = func(t *testing.T, dir string) { winAlias(t, dir, 30) }
}

// winAlias makes champion name another version, on the condition that it names
// what the process read, until n calls have succeeded. It prints each success.
func winAlias(t *testing.T, dir string, n int) {
	r := openStore(t, dir, nil)
	lost := 0
	for n > 0 {
		facts, err := r.Facts(t.Context(), fraud)
		if err != nil {
			t.Fatal(err)
		}
		from := facts.Aliases["champion"]
		to := fmt.Sprintf("1.0.%d", rand.IntN(5))
		if to == from {
			continue
		}
		token := fmt.Sprintf("%d.%d", os.Getpid(), n)
		err = r.SetAliases(t.Context(), fraud, map[string]string{"champion": to},
			&mr.AliasOptions{Reason: token, If: map[string]string{"champion": from}})
		switch {
		case err == nil:
			fmt.Printf("won %s %q %q\n", token, from, to)
			n--
		case errors.Is(err, mr.ErrConflict):
			lost++
		default:
			t.Fatal(err)
		}
	}
	fmt.Println("lost", lost)
}

// Processes race for an alias, each on a condition. Each success is exactly one
// event, which begins with the version that the winner saw. No other event
// changes the alias.
func TestProcessesRaceForAnAlias(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	registerMany(t, dir, 5)
	cmds := []*racer{{}, {}, {}}
	won := map[string][2]string{}
	for _, c := range cmds {
		cmd := command("win an alias 30 times", dir)
		cmd.Stdout, cmd.Stderr = &c.out, &c.out
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		c.wait = cmd.Wait
	}
	conflicts := 0
	for _, c := range cmds {
		if err := c.wait(); err != nil {
			t.Fatalf("a process ended with %v\n%s", err, c.out.Bytes())
		}
		for in := bufio.NewScanner(&c.out); in.Scan(); {
			var token, from, to string
			if n, _ := fmt.Sscanf(in.Text(), "won %s %q %q", &token, &from, &to); n == 3 {
				won[token] = [2]string{from, to}
			}
			if text, ok := strings.CutPrefix(in.Text(), "lost "); ok && text != "0" {
				conflicts++
			}
		}
	}
	events, err := ledger.History(modelPath(dir))
	if err != nil {
		t.Fatal(err)
	}
	last, err := ledger.Aliases(events)
	if err != nil {
		t.Error(err)
	}
	if len(won) != 90 || conflicts == 0 {
		t.Errorf("%d successes, and %d processes lost a race, want 90 and some", len(won), conflicts)
	}
	for _, e := range events {
		if e.Op != "alias" {
			continue
		}
		c := e.Aliases["champion"]
		if want, ok := won[e.Reason]; !ok || want != [2]string{c.From, c.To} {
			t.Errorf("event %d moves champion from %s to %s with the reason %s; that call was answered: %t, %q", e.Number, c.From, c.To, e.Reason, ok, want)
		}
		delete(won, e.Reason)
	}
	if len(won) > 0 {
		t.Errorf("the successes %v have no event", won)
	}
	if facts, err := openStore(t, dir, nil).Facts(t.Context(), fraud); err != nil || facts.Aliases["champion"] != last["champion"] {
		t.Errorf("champion names %q, %v, want %q as in the history", facts.Aliases["champion"], err, last["champion"])
	}
}

// A racer is a process that races with its output.
type racer struct {
	out  bytes.Buffer
	wait func() error
}
