package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/ubunye-go/modelregistry"
)

// wrongUsage reports whether a command line can never work, as opposed to one
// that failed this time.
func (a *app) wrongUsage(err error) bool {
	var taken *modelregistry.NameError // the name may be free in another store
	return !a.parsed || errors.Is(err, modelregistry.ErrInvalid) && !errors.As(err, &taken)
}

// report prints an error once. It prints each failed gate on a line of its own.
func (a *app) report(err error) {
	var refusal *modelregistry.GateError
	if !errors.As(err, &refusal) {
		a.complain(err.Error())
		if errors.Is(err, modelregistry.ErrIndexLost) && !isURL(a.store) {
			fmt.Fprintln(a.err, "Run 'ubunye models repair' to list the versions again.")
		}
		if a.cloud != nil && a.cloud.CacheFailed(err) {
			fmt.Fprintln(a.err, "Another folder can be named with --cache or UBUNYE_CACHE.")
		}
		var mount *modelregistry.MountError
		if errors.As(err, &mount) {
			fmt.Fprintln(a.err, "With --one-machine the folder is written to. Use it only if no other machine does.")
		}
		var found *foundError
		if errors.As(err, &found) {
			for _, hint := range found.hints {
				fmt.Fprintln(a.err, hint)
			}
		}
		return
	}
	failed := refusal.Failed()
	summary := fmt.Sprintf("%d of %d gates to %s failed", len(failed), len(refusal.Results), refusal.Target)
	var op *modelregistry.Error
	if errors.As(err, &op) {
		subject := *op
		subject.Err = errors.New(summary)
		summary = subject.Error()
	}
	a.complain(summary)
	for _, f := range failed {
		line := fmt.Sprintf("%s: actual %s, threshold %s (%s)", f.Name, plain(f.Actual), plain(f.Threshold), f.Message)
		if f.Margin != nil { // the message has the values of both versions
			line = f.Name + ": " + f.Message
		}
		fmt.Fprintln(a.err, "  "+escape(line))
	}
}

// complain prints one message on one line. It replaces newlines, because joined
// errors contain them, and because a newline from the store could fake a
// message.
func (a *app) complain(message string) {
	fmt.Fprintln(a.err, "ubunye: "+escape(strings.ReplaceAll(message, "\n", "; ")))
}

// warn prints the problems of entries that could only be read in part. The
// entries themselves are shown.
func (a *app) warn(list []modelregistry.ModelVersion) {
	for _, v := range list {
		for _, p := range v.Problems {
			a.complain(fmt.Sprintf("warning: %s: %s", v, p))
		}
	}
}

// plain shows a value that is not a number to be rounded: a string without
// quotes, anything else as JSON.
func plain(value any) string {
	switch v := value.(type) {
	case nil:
		return "-"
	case string:
		return v
	case json.Number:
		return v.String()
	}
	raw, err := json.Marshal(value)
	if err != nil {
		return fmt.Sprint(value)
	}
	return string(raw)
}
