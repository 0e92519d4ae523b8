package registrytest

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"strings"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/driver"
)

// logBackwards passes a store whose views are not BackwardLogs.
func logBackwards(s *suite) {
	store, other, name := s.handle(), s.handle(), s.name("m")
	long := strings.Repeat("x", 100_000)
	var want []string
	var end int64
	for i, lines := range [][]string{{"one"}, {"two", "three"}, {long}, {"four"}, {"five", long, "six"}, {"seven"}} {
		end = s.add([]mr.Store{store, other}[i%2], name, lines...).End
		want = append(want, lines...)
	}
	for _, size := range []int{0, 1, 10, 4096, len(long), 1 << 20} {
		for _, h := range []mr.Store{store, other, s.handle()} {
			err := h.Read(s.Context(), name.UseCase, name.Model, func(v driver.View) error {
				b, ok := v.(driver.BackwardLog)
				if !ok {
					return nil
				}
				if at, err := b.LogEnd(); err != nil || at != end {
					return fmt.Errorf("LogEnd = %d, %w, want %d", at, err, end)
				}
				got, err := linesBefore(b, end, size)
				if err == nil {
					s.want(fmt.Sprintf("the lines, backwards by %d bytes", size), got, want)
				}
				return err
			})
			if err != nil {
				s.Errorf("reading backwards by %d bytes: %v", size, err)
			}
		}
	}
	err := s.handle().Read(s.Context(), name.UseCase, name.Model, func(v driver.View) error {
		b, ok := v.(driver.BackwardLog)
		if !ok {
			return nil
		}
		for _, at := range []int64{-1, math.MinInt64, end + 1, end + 1024, math.MaxInt64} {
			if lines, _, err := b.LogBefore(at, 10); !errors.Is(err, fs.ErrNotExist) {
				s.Errorf("the log before %d, of a log that ends at %d: got %q, error %v, want fs.ErrNotExist", at, end, lines, err)
			}
		}
		return nil
	})
	if err != nil {
		s.Errorf("reading backwards: %v", err)
	}
	err = store.Read(s.Context(), name.UseCase, s.name("missing").Model, func(v driver.View) error {
		b, ok := v.(driver.BackwardLog)
		if !ok {
			return nil
		}
		end, endErr := b.LogEnd()
		lines, start, err := b.LogBefore(0, 10)
		if end != 0 || len(lines) > 0 || start != 0 {
			s.Errorf("a missing model: LogEnd = %d, and LogBefore(0) = %q, from %d", end, lines, start)
		}
		return errors.Join(endErr, err)
	})
	if err != nil {
		s.Errorf("reading the log of a missing model backwards: %v", err)
	}
}

// linesBefore returns all lines before a position, which it reads backwards.
func linesBefore(b driver.BackwardLog, end int64, size int) (all []string, err error) {
	for end > 0 {
		data, start, err := b.LogBefore(end, size)
		if err != nil {
			return nil, err
		}
		text := string(data)
		if !strings.HasSuffix(text, "\n") || start >= end {
			return nil, fmt.Errorf("LogBefore(%d) = %.100q, from %d, want whole lines", end, text, start)
		}
		if len(text) > size && strings.Count(text, "\n") > 1 {
			return nil, fmt.Errorf("LogBefore(%d) returns %d bytes, want at most %d, or one line", end, len(text), size)
		}
		var lines []string
		for line := range strings.Lines(text) {
			lines = append(lines, strings.TrimRight(line, " \n"))
		}
		all, end = append(lines, all...), start
	}
	return all, nil
}
