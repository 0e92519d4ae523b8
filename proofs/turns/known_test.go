package turns

import "testing"

// TestKnownScripts replays scripts that once failed.
func TestKnownScripts(t *testing.T) {
	scripts := []struct {
		name   string
		needs  func(release) bool
		script string
	}{
		{"Python sets an entry back by two changes of Go", anyRelease, `
			go register 1.0.0; go archive 1.0.0; go promote 1.0.0 development; python archive 1.0.0
			go register`},
		{"an entry returns to the state that Python wrote", anyRelease, `
			go register 1.0.0; python archive 1.0.0; go promote 1.0.0 development; python archive 1.0.0
			go register`},
		{"Python changes nothing", anyRelease, `
			go register 1.0.0; python edit 1.0.0 auc=0.5; go register`},
		{"Python changes nothing in a document that lags", anyRelease, `
			go register 1.0.0; go archive 1.0.0; go wait; go promote 1.0.0 development; python archive 1.0.0
			go register`},
		{"a metric is edited after a promotion of another version", anyRelease, `
			go register 1.0.0; go register 1.0.1; go promote 1.0.0 production; go reopen
			go promote 1.0.1 production; python edit 1.0.0 auc=0.7
			go register`},
		{"the newest version is deleted", deletes, `
			go register 1.0.0; go register 1.0.1; python delete 1.0.1
			go register; python register 1.0.1`},
		{"the version in production is deleted", deletes, `
			go register 1.0.0; go register 1.0.1; go promote 1.0.0 production; go promote 1.0.1 production
			python delete 1.0.1; go rollback; go register`},
		{"the number of a version that was in production is given again", deletes, `
			go register 1.0.0; go register 1.0.1; go register 1.0.2; go promote 1.0.0 production
			go promote 1.0.1 production; go promote 1.0.2 production; python delete 1.0.1; python register 1.0.1
			go rollback; go register`},
		{"the only version is deleted", deletes, `
			go register 1.0.0; python delete 1.0.0; go register`},
		{"the gate of a model holds for Go", gates, `
			python register 1.0.0 stored=0.85; go promote 1.0.0 staging
			go register 1.0.1 auc=0.7; go promote 1.0.1 production
			go register 1.0.2 auc=0.9; go promote 1.0.2 production`},
		{"a gate in a call is added to the stored gates", gates, `
			python register 1.0.0 stored=0.85; go promote 1.0.0 staging gate=0.4`},
		{"a promotion is forced", gates, `
			python register 1.0.0 stored=0.85; go register
			python promote 1.0.0 production force; go register`},
	}
	each(t, func(t *testing.T, x trial) {
		for _, tt := range scripts {
			if !tt.needs(x.release) {
				continue
			}
			t.Run(tt.name, func(t *testing.T) {
				if made, err := x.replay(mustParse(tt.script)); err != nil {
					t.Errorf("%v:\n%s%v", x, printScript(made), err)
				}
			})
		}
	})
}
