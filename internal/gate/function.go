package gate

import (
	"context"
	"fmt"
)

// A function is a condition written in Go. It gets the Candidate's Version.
type function func(ctx context.Context, version any) error

// Func returns a gate that calls fn with the Candidate's Version. A version
// passes if fn returns nil. If fn panics, the gate fails.
func Func(name string, fn func(ctx context.Context, version any) error) Set {
	return Set{[]rule{{name, function(fn)}}}
}

// custom reports whether the gate is a function.
func (r rule) custom() bool {
	_, is := r.condition.(function)
	return is
}

func (function) value() []byte { return nil }

func (f function) evaluate(ctx context.Context, c Candidate) (res Result) {
	defer func() {
		if p := recover(); p != nil {
			res = Result{Message: fmt.Sprintf("the gate panicked: %v", p)}
		}
	}()
	if err := f(ctx, c.Version); err != nil {
		return Result{Message: err.Error()}
	}
	return Result{Passed: true, Message: "passed"}
}
