package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/ubunye-go/modelregistry"
)

// errWouldBeRefused ends a promotion with --dry-run that the gates would
// refuse. The gates have been printed.
var errWouldBeRefused = errors.New("the promotion would be refused")

// checkPromotion prints the decision on a promotion, and changes nothing.
func (a *app) checkPromotion(ctx context.Context, r *modelregistry.ModelRegistry, mv *move) (err error) {
	if mv.opts.Gates, err = mv.gates.read(); err != nil {
		return err
	}
	var clear func()
	mv.opts.Progress, clear = progressBar(a.err)
	c, err := r.CheckPromotion(ctx, mv.target(), mv.to, &mv.opts)
	clear()
	if err != nil {
		return err
	}
	err = a.show(c, func() string { return checkText(c) })
	if !c.Allowed {
		err = errors.Join(err, errWouldBeRefused)
	}
	return err
}

func checkText(c modelregistry.PromotionCheck) string {
	subject, to := escape(c.Version.String()), paintStage(escape(string(c.To)))
	if c.Done {
		return fmt.Sprintf("%s: already in %s\n", subject, to)
	}
	var b strings.Builder
	verdict := "allowed"
	if !c.Allowed {
		verdict = "refused"
	}
	fmt.Fprintf(&b, "%s: %s → %s would be %s\n", subject, paintStage(escape(string(c.Version.Stage))), to, verdict)
	if c.Archives != "" && c.Allowed {
		fmt.Fprintf(&b, "%s would be archived\n", escape(c.Version.Name.At(c.Archives).String()))
	}
	if len(c.Gates) == 0 {
		return b.String()
	}
	t := table{columns: []column{{title: "Gate", width: 20}, {title: "Result", width: 6}, {title: "Detail", gap: "  "}}}
	for _, g := range c.Gates {
		result := "passed"
		if !g.Passed {
			result = "failed"
		}
		t.add(g.Name, result, oneLine(g.Message))
	}
	return b.String() + "\n" + t.String()
}
