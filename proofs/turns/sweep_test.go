package turns

import (
	"cmp"
	"slices"
	"testing"
)

// A sweep tries all short scripts over a set of steps, each after the same
// beginning.
type sweep struct {
	name  string
	ways  []way
	needs func(release) bool
	less  int // how many steps shorter its scripts are, where each step is slow
	begin string
	steps string
}

// With a document that lags, a registry must run throughout, because Close
// brings the document up to date.
var inStep, lagging = []way{{false, false}, {true, false}}, []way{{true, true}}

var sweeps = []sweep{
	{"one version that Go registered", inStep, anyRelease, 0, "go register", oneVersion},
	{"one version that Python registered", inStep, anyRelease, 0, "python register", oneVersion},
	{"two versions", inStep, anyRelease, 0, "go register; python register", `
		go promote 1.0.0 production
		go promote 1.0.1 production
		go rollback
		go archive 1.0.1
		python promote 1.0.0 production
		python promote 1.0.1 production
		python rollback 1.0.0
		python archive 1.0.1
		python edit 1.0.0 auc=0.7`},
	{"deletions", inStep, deletes, 0, "go register; python register", `
		go register
		go promote 1.0.0 production
		go promote 1.0.1 production
		go rollback
		python register
		python promote 1.0.1 production
		python delete 1.0.0
		python delete 1.0.1
		python delete 1.0.2`},
	{"deletions by Go", inStep, anyRelease, 0, "go register; python register", `
		go delete 1.0.0 force
		go delete 1.0.1 force
		go undelete 1.0.1
		go hold 1.0.1
		go purge
		python register
		python promote 1.0.1 production`},
	{"deletions by both", inStep, deletes, 0, "go register; go register; go delete 1.0.1 force", `
		go delete 1.0.1 force
		go undelete 1.0.1
		go retain keep=1
		go purge
		go purge torn
		python register
		python delete 1.0.1`},
	{"gates", inStep, gates, 0, "python register auc=0.5 stored=0.8; go register auc=0.9 own=0.6", `
		go promote 1.0.0 staging
		go promote 1.0.0 staging gate=0.4
		go promote 1.0.1 production
		go promote 1.0.1 staging gate=0.95
		go promote 1.0.0 production force
		go register auc=0.7
		python promote 1.0.0 staging force
		python promote 1.0.0 production gate=0.4
		python register stored=none
		python register stored=0.95`},
	{"names and notes", inStep, anyRelease, 0, "go register auc=0.5 once=run-1; python register", `
		go alias 1.0.0 alias=champion
		go alias 1.0.1 alias=champion
		go alias alias=champion
		go note 1.0.0 tag=red text=card
		go note tag=red
		go register auc=0.5 once=run-1
		go archive 1.0.0
		python promote 1.0.0 production
		python edit 1.0.1 auc=0.7`},
	{"names of deleted versions", inStep, deletes, 0, "go register auc=0.5 once=run-1; go alias 1.0.0 alias=champion; go note 1.0.0 tag=red", `
		go register auc=0.5 once=run-1
		go alias 1.0.0 alias=champion
		go alias alias=champion
		go note 1.0.0 tag=blue
		go archive 1.0.0 force
		python delete 1.0.0
		python register 1.0.0
		python promote 1.0.0 production`},
	{"names in a document that lags", lagging, anyRelease, 1,
		lags + "; go register 1.0.2 auc=0.5 once=run-1", `
		go alias 1.0.0 alias=champion
		go note 1.0.0 tag=red text=card
		go note tag=red
		go register auc=0.5 once=run-1
		go promote 1.0.1 production
		python edit 1.0.0 auc=0.7
		python archive 1.0.0
		python promote 1.0.1 production`},
	{"a document that lags", lagging, anyRelease, 1,
		lags, `
		go register
		go promote 1.0.1 production
		go archive 1.0.0
		go rollback 1.0.0
		python edit 1.0.0 auc=0.7
		python archive 1.0.0
		python promote 1.0.1 development
		python promote 1.0.1 production
		python rollback 1.0.0`},
	{"deletions in a document that lags", lagging, deletes, 1,
		lags, `
		go register
		go promote 1.0.1 production
		go archive 1.0.0
		go rollback
		python delete 1.0.0
		python delete 1.0.1
		python delete 1.0.2
		python register 2.0.0`},
	{"deletions by Go in a document that lags", lagging, anyRelease, 1,
		lags + "; go delete 1.0.0 force", `
		go undelete 1.0.0
		go purge
		python edit 1.0.0 auc=0.7
		python edit 1.0.1 auc=0.7
		python promote 1.0.1 production`},
}

// lags is a beginning after which the document lacks the last change.
const lags = "go register 1.0.0; go register 1.0.1; go promote 1.0.0 production; go reopen; go promote 1.0.1 staging"

const oneVersion = `
	go promote 1.0.0 development
	go promote 1.0.0 staging
	go promote 1.0.0 production
	go demote 1.0.0 development
	go demote 1.0.0 staging
	go archive 1.0.0
	python promote 1.0.0 development
	python promote 1.0.0 staging
	python promote 1.0.0 production
	python demote 1.0.0 development
	python archive 1.0.0`

func TestEveryShortScript(t *testing.T) {
	each(t, func(t *testing.T, x trial) {
		for _, s := range sweeps {
			if slices.Contains(s.ways, x.way) && s.needs(x.release) {
				t.Run(s.name, func(t *testing.T) { s.run(t, x) })
			}
		}
	})
}

// printed bounds how many failing scripts a sweep prints.
const printed = 5

// run tries shorter scripts first, and no script that begins with a failed one.
// It tries a share of the longest scripts.
func (s sweep) run(t *testing.T, x trial) {
	scripts, alphabet := [][]step{mustParse(s.begin)}, mustParse(s.steps)
	n := max(1, *length-s.less)
	tried, failures, lagged := 0, 0, 0
	for i := range n {
		scripts = extend(scripts, alphabet)
		if i == n-1 {
			scripts = s.deal(scripts, x)
		}
		var passed [][]step
		for _, script := range scripts {
			tried++
			met, err := x.replayToEnd(script)
			if lagged += met; err == nil {
				passed = append(passed, script)
			} else if failures++; failures <= printed {
				t.Errorf("%v:\n%s%v", x, printScript(script), err)
			}
		}
		scripts = passed
	}
	t.Logf("%d scripts, %d of them fail", tried, failures)
	if x.way.lagging && lagged == 0 {
		t.Error("Python never wrote to a document that lagged")
	}
}

// extend returns the scripts with each step appended to each script.
func extend(scripts [][]step, alphabet []step) (longer [][]step) {
	for _, script := range scripts {
		for _, next := range alphabet {
			longer = append(longer, append(slices.Clone(script), next))
		}
	}
	return longer
}

// deal returns the scripts that belong to this trial.
func (s sweep) deal(scripts [][]step, x trial) (mine [][]step) {
	all := trials(s.needs, s.ways)
	place := slices.IndexFunc(all, func(y trial) bool { return y.release == x.release && y.way == x.way })
	share := cmp.Or(*share, len(all)*fewer())
	for i, script := range scripts {
		if i%share == place%share {
			mine = append(mine, script)
		}
	}
	return mine
}

func mustParse(text string) []step {
	script, err := parseScript(text)
	if err != nil {
		panic(err)
	}
	return script
}
