package linearizability

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/anishathalye/porcupine"
)

// model is the specification as porcupine takes it.
var model = porcupine.Model{
	Init: func() any { return newState(nil, nil) },
	Step: func(s, in, out any) (bool, any) {
		ok, next := step(s.(*state), in.(Input), out.(Output))
		return ok, next
	},
	Equal:             func(a, b any) bool { return a.(*state).equal(b.(*state)) },
	Hash:              func(s any) uint64 { return s.(*state).hash },
	DescribeOperation: func(in, out any) string { return fmt.Sprintf("%v → %v", in, out) },
	DescribeState:     func(s any) string { return s.(*state).String() },
}

// step reports whether an operation may return what it did in a state, and what
// it leaves.
func step(s *state, in Input, out Output) (bool, *state) {
	switch {
	case out.Err == canceled:
		return true, s
	case out.Err == conflict && in.Op == "rollback" && in.Version == "":
		return true, s // others moved so fast that it gave up, as its documentation says
	}
	next, want := s.apply(in)
	return out.Unknown || want.equal(out), next
}

func (s *state) String() string {
	_, all := s.apply(Input{Op: "list"})
	return fmt.Sprintf("%v; productions %v", all, s.productions)
}

// A Result is what a check found.
type Result struct {
	Linearizable bool
	Operations   int
	Report       string // why not
	info         porcupine.LinearizationInfo
}

// WriteHTML draws the history and how far an order was found, for a browser.
func (r *Result) WriteHTML(w io.Writer) error { return porcupine.Visualize(model, r.info, w) }

// Check searches an order for the history, for at most so long.
func Check(h *History, timeout time.Duration) *Result {
	ops := h.operations()
	found, info := porcupine.CheckOperationsVerbose(model, ops, timeout)
	r := &Result{Linearizable: found == porcupine.Ok, Operations: len(ops), info: info}
	switch found {
	case porcupine.Illegal:
		r.Report = report(ops, info)
	case porcupine.Unknown:
		r.Report = fmt.Sprintf("no order of %d operations was found within %v, nor that there is none; take fewer", len(ops), timeout)
	}
	return r
}

// report shows the longest order that was found, and why nothing can follow it.
func report(ops []porcupine.Operation, info porcupine.LinearizationInfo) string {
	var longest []porcupine.Operation
	for _, partition := range info.PartialLinearizationsOperations() {
		for _, order := range partition {
			if len(order) > len(longest) {
				longest = order
			}
		}
	}
	s := newState(nil, nil)
	placed := map[[2]int64]bool{}
	for _, op := range longest {
		_, s = step(s, op.Input.(Input), op.Output.(Output))
		placed[[2]int64{int64(op.ClientId), op.Call}] = true
	}
	var rest []porcupine.Operation
	until := int64(math.MaxInt64) // what was called after something of the rest returned can't be next
	for _, op := range ops {
		if !placed[[2]int64{int64(op.ClientId), op.Call}] {
			rest = append(rest, op)
			until = min(until, op.Return)
		}
	}
	slices.SortFunc(rest, func(a, b porcupine.Operation) int { return int(min(1, max(-1, a.Call-b.Call))) })

	var b strings.Builder
	fmt.Fprintf(&b, "not linearizable: of %d operations at most %d can be put in an order. The last of these:\n", len(ops), len(longest))
	for _, op := range longest[max(0, len(longest)-10):] {
		describe(&b, op)
	}
	fmt.Fprintf(&b, "then the model is\n    %v\nand none of these can be next:\n", s)
	for _, op := range rest {
		if op.Call > until {
			break
		}
		describe(&b, op)
		if _, want := s.apply(op.Input.(Input)); !op.Output.(Output).Unknown && !want.equal(op.Output.(Output)) {
			fmt.Fprintf(&b, "        would be %v\n", want)
		}
	}
	return b.String()
}

func describe(b *strings.Builder, op porcupine.Operation) {
	end := "…"
	if op.Return != math.MaxInt64 {
		end = time.Duration(op.Return).String()
	}
	fmt.Fprintf(b, "    client %d, %v to %s: %v → %v\n", op.ClientId, time.Duration(op.Call), end, op.Input, op.Output)
}
