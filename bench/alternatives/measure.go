package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/ubunye-go/modelregistry/bench"
)

// An operation is a row of the table.
type operation struct {
	does   string // for a user
	name   string // for a worker
	moves  bool   // its argument is the version that the name shall mean
	change bool   // the name is moved before, which is not measured
}

// warm are the operations of a process that keeps its store open.
var warm = []operation{
	{does: "point a name at another version", name: "point", moves: true},
	{does: "promote, and archive the predecessor", name: "promote", moves: true},
	{does: "get the version of a name", name: "get"},
	{does: "list all versions, after a change", name: "list", change: true},
	{does: "list all versions again", name: "list"},
	{does: "register a version of 1 KB", name: "register"},
}

// fresh are those of a process that starts for the operation.
var fresh = []operation{
	{does: "a process starts, gets the version of a name, ends", name: "get"},
	{does: "a process starts, promotes, ends", name: "promote", moves: true},
}

// A subject is a contender with a store.
type subject struct {
	contender
	store    string
	versions [2]string // the name moves between them
	turn     int
	server   *server
}

// other returns the version that the name does not mean.
func (s *subject) other() string {
	s.turn++
	return s.versions[s.turn%2]
}

// newSubjects makes a store of n versions for each contender.
func newSubjects(all []contender, dir string, n int) ([]*subject, error) {
	var list []*subject
	for _, c := range all {
		list = append(list, &subject{contender: c, store: filepath.Join(dir, c.name)})
	}
	ours, mlflow, ubunye := list[0], list[1], list[2]
	versions, err := bench.Generate(ours.store, n)
	if err != nil {
		return nil, err
	}
	ours.versions = [2]string(versions[len(versions)-2:])
	// Ubunye reads the same format. It starts with the same entries.
	if err := os.CopyFS(ubunye.store, os.DirFS(ours.store)); err != nil {
		return nil, err
	}
	ubunye.versions = ours.versions
	if err := os.Mkdir(mlflow.store, 0o777); err != nil {
		return nil, err
	}
	took, err := mlflow.once(mlflow.store, "fill", strconv.Itoa(n))
	fmt.Fprintf(os.Stderr, "%d versions: filling MLflow's store took %s\n", n, took.Round(time.Second))
	mlflow.versions = [2]string{strconv.Itoa(n - 1), strconv.Itoa(n)}
	return list, err
}

// measureSize adds the rows of a model with n versions.
func measureSize(t *table, all []contender, dir string, n, rounds, starts int) (err error) {
	subjects, err := newSubjects(all, dir, n)
	if err != nil {
		return err
	}
	defer func() {
		for _, s := range subjects {
			if s.server != nil {
				err = errors.Join(err, s.server.stop())
			}
		}
	}()
	for _, s := range subjects {
		if s.server, err = s.serve(s.store); err != nil {
			return err
		}
		if err := s.check(n); err != nil {
			return err
		}
		for _, op := range warm {
			if _, err := s.warm(op); err != nil {
				return err
			}
		}
	}
	for _, op := range warm {
		if err := t.measure(op.does, n, rounds, func(i int) (time.Duration, error) { return subjects[i].warm(op) }); err != nil {
			return err
		}
	}
	for _, op := range fresh {
		if err := t.measure(op.does, n, starts, func(i int) (time.Duration, error) { return subjects[i].fresh(op) }); err != nil {
			return err
		}
	}
	return nil
}

// check returns an error if the name does not follow, or if a version is
// missing.
func (s *subject) check(n int) error {
	for _, version := range s.versions {
		if _, _, err := s.server.do("point", version); err != nil {
			return err
		}
		if err := s.expect("get", version); err != nil {
			return err
		}
	}
	return s.expect("list", strconv.Itoa(n))
}

func (s *subject) expect(operation, want string) error {
	_, got, err := s.server.do(operation)
	if err == nil && got != want {
		err = fmt.Errorf("%s: %s returns %q, want %q", s.name, operation, got, want)
	}
	return err
}

func (s *subject) warm(op operation) (time.Duration, error) {
	if op.change {
		if _, _, err := s.server.do("point", s.other()); err != nil {
			return 0, err
		}
	}
	took, _, err := s.server.do(s.command(op)...)
	return took, err
}

func (s *subject) fresh(op operation) (time.Duration, error) {
	return s.once(s.store, s.command(op)...)
}

func (s *subject) command(op operation) []string {
	if op.moves {
		return []string{op.name, s.other()}
	}
	return []string{op.name}
}

// measure adds a row. The contenders take turns, in random order.
func (t *table) measure(does string, n, rounds int, do func(contender int) (time.Duration, error)) error {
	r := row{does: does, versions: n}
	for range rounds {
		for _, i := range rand.Perm(len(r.took)) {
			took, err := do(i)
			if err != nil {
				return fmt.Errorf("%s: %w", does, err)
			}
			r.took[i] = append(r.took[i], took)
		}
	}
	*t = append(*t, r)
	r.print(os.Stderr, does) // as progress
	return nil
}
