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

// model is the specification in the form that porcupine needs.
var model = porcupine.Model{
	Init: func() any { return newState(nil, nil, names{}, nil) },
	Step: func(s, in, out any) (bool, any) {
		ok, next := step(s.(*state), in.(Input), out.(Output))
		return ok, next
	},
	Equal:             func(a, b any) bool { return a.(*state).equal(b.(*state)) },
	Hash:              func(s any) uint64 { return s.(*state).hash },
	DescribeOperation: func(in, out any) string { return fmt.Sprintf("%v → %v", in, out) },
	DescribeState:     func(s any) string { return s.(*state).String() },
}

// step reports whether an operation in a state can return the given output, and
// returns the state after it.
func step(s *state, in Input, out Output) (bool, *state) {
	switch {
	case out.Err == canceled:
		return true, s
	case out.Err == conflict && in.Op == "rollback" && in.Version == "":
		return true, s // other calls kept changing production, so it gave up, as documented
	}
	next, want := s.apply(in)
	return out.Unknown || want.equal(out), next
}

func (s *state) String() string {
	_, all := s.apply(Input{Op: "list"})
	return fmt.Sprintf("%v; productions %v", all, s.productions)
}

// A Result is the result of a check.
type Result struct {
	Linearizable bool
	Operations   int
	Report       string // why the history is not linearizable
	info         porcupine.LinearizationInfo
}

// WriteHTML draws the history, and the longest order that was found, as a page
// for a browser.
func (r *Result) WriteHTML(w io.Writer) error { return porcupine.Visualize(model, r.info, w) }

// Check searches for an order of the history, until the timeout.
func Check(h *History, timeout time.Duration) *Result {
	ops := h.operations()
	found, info := porcupine.CheckOperationsVerbose(model, ops, timeout)
	r := &Result{Linearizable: found == porcupine.Ok, Operations: len(ops), info: info}
	switch found {
	case porcupine.Illegal:
		r.Report = report(ops, info)
	case porcupine.Unknown:
		r.Report = fmt.Sprintf("undecided: the search for an order of %d operations took longer than %v; use fewer operations", len(ops), timeout)
	}
	return r
}

// report describes the longest order that was found, and why no operation can
// follow it.
func report(ops []porcupine.Operation, info porcupine.LinearizationInfo) string {
	var longest []porcupine.Operation
	for _, partition := range info.PartialLinearizationsOperations() {
		for _, order := range partition {
			if len(order) > len(longest) {
				longest = order
			}
		}
	}
	s := newState(nil, nil, names{}, nil)
	placed := map[[2]int64]bool{}
	for _, op := range longest {
		_, s = step(s, op.Input.(Input), op.Output.(Output))
		placed[[2]int64{int64(op.ClientId), op.Call}] = true
	}
	var rest []porcupine.Operation
	until := int64(math.MaxInt64) // the first return of the rest; a call after it can't be next
	for _, op := range ops {
		if !placed[[2]int64{int64(op.ClientId), op.Call}] {
			rest = append(rest, op)
			until = min(until, op.Return)
		}
	}
	slices.SortFunc(rest, func(a, b porcupine.Operation) int { return int(min(1, max(-1, a.Call-b.Call))) })

	var b strings.Builder
	fmt.Fprintf(&b, "not linearizable: an order was found for at most %[2]d of %[1]d operations. The last of these are:\n", len(ops), len(longest))
	for _, op := range longest[max(0, len(longest)-10):] {
		describe(&b, op)
	}
	fmt.Fprintf(&b, "The model is then\n    %v\nand none of these operations can be next:\n", s)
	for _, op := range rest {
		if op.Call > until {
			break
		}
		describe(&b, op)
		if _, want := s.apply(op.Input.(Input)); !op.Output.(Output).Unknown && !want.equal(op.Output.(Output)) {
			fmt.Fprintf(&b, "        expected %v\n", want)
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
