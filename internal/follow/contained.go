package follow

import (
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
)

// A panicError is the error for a panic in a caller's function.
type panicError struct {
	what  string
	value any
	stack []byte
}

func (e *panicError) Error() string { return fmt.Sprintf("%s panicked: %v", e.what, e.value) }

func (e *panicError) Unwrap() error {
	err, _ := e.value.(error)
	return err
}

// contained calls a caller's function in a goroutine of its own. It returns a
// panic or a call of runtime.Goexit as an error.
func contained(what string, fn func() error) (err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		err = fmt.Errorf("%s: the function called runtime.Goexit", what)
		defer func() {
			if p := recover(); p != nil {
				err = &panicError{what: what, value: p, stack: debug.Stack()}
			}
		}()
		err = fn()
	}()
	<-done
	return err
}

func errorAttrs(err error) []any {
	attrs := []any{slog.Any("error", err)}
	var p *panicError
	if errors.As(err, &p) {
		attrs = append(attrs, slog.String("stack", string(p.stack)))
	}
	return attrs
}
