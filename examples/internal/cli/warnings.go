package cli

import (
	"context"
	"log/slog"
)

// warnings is a log handler that prints problems to stderr that the library
// only logs, for example that registry.json could not be updated. Failed gates
// are reported with the error that they cause.
type warnings struct{ a *app }

func (warnings) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelWarn }

func (w warnings) Handle(_ context.Context, r slog.Record) error {
	gate, text := false, r.Message
	r.Attrs(func(attr slog.Attr) bool {
		gate = gate || attr.Key == "gate"
		if attr.Key == "error" || attr.Key == "model" {
			text += ": " + attr.Value.String()
		}
		return true
	})
	if !gate {
		w.a.complain("warning: " + text)
	}
	return nil
}

func (w warnings) WithAttrs([]slog.Attr) slog.Handler { return w }
func (w warnings) WithGroup(string) slog.Handler      { return w }
