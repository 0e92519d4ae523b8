package linearizability

import (
	"fmt"
	"strings"
	"testing"
	"time"

	mr "github.com/ubunye-go/modelregistry"
)

// historyOf returns a history of these records.
func historyOf(records ...Record) *History {
	h := &History{}
	for _, r := range records {
		h.add(r)
	}
	return h
}

func ok(version string, stage mr.ModelStage) Output { return Output{Version: version, Stage: stage} }

var (
	register     = Input{Op: "register"}
	toProduction = func(version string) Input { return Input{Op: "promote", Version: version, Stage: mr.Production} }
	production   = Input{Op: "get", Stage: mr.Production}
	list         = Input{Op: "list"}
)

// begin returns a history that registers two versions and then has the given
// records.
func begin(rest ...Record) *History {
	return historyOf(append([]Record{
		{0, 1, 2, register, ok("1.0.0", mr.Development)},
		{0, 3, 4, register, ok("1.0.1", mr.Development)},
	}, rest...)...)
}

// Check finds every violation, and nothing else.
func TestCheck(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		history *History
		want    bool
	}{
		"one after the other": {begin(
			Record{0, 10, 11, toProduction("1.0.0"), ok("1.0.0", mr.Production)},
			Record{1, 12, 13, production, ok("1.0.0", mr.Production)}), true},
		"a read during a promotion shows it": {begin(
			Record{0, 10, 20, toProduction("1.0.0"), ok("1.0.0", mr.Production)},
			Record{1, 12, 13, production, ok("1.0.0", mr.Production)}), true},
		"a read during a promotion does not show it": {begin(
			Record{0, 10, 20, toProduction("1.0.0"), ok("1.0.0", mr.Production)},
			Record{1, 12, 13, production, Output{Err: notFound}}), true},
		"a read shows a promotion, a later read does not": {begin(
			Record{0, 10, 20, toProduction("1.0.0"), ok("1.0.0", mr.Production)},
			Record{1, 12, 13, production, ok("1.0.0", mr.Production)},
			Record{2, 14, 15, production, Output{Err: notFound}}), false},
		"a stale read after an acknowledged promotion": {begin(
			Record{0, 10, 11, toProduction("1.0.0"), ok("1.0.0", mr.Production)},
			Record{1, 12, 13, production, Output{Err: notFound}}), false},
		"a lost update": {begin(
			Record{0, 10, 20, toProduction("1.0.0"), ok("1.0.0", mr.Production)},
			Record{1, 10, 20, Input{Op: "archive", Version: "1.0.1"}, ok("1.0.1", mr.Archived)},
			Record{2, 21, 22, list, Output{List: map[string]mr.ModelStage{"1.0.0": mr.Production, "1.0.1": mr.Development}}}), false},
		"a lost registration": {begin(
			Record{0, 10, 20, register, ok("1.0.2", mr.Development)},
			Record{1, 21, 22, list, Output{List: map[string]mr.ModelStage{"1.0.0": mr.Development, "1.0.1": mr.Development}}}), false},
		"two versions with one number": {begin(
			Record{0, 10, 20, register, ok("1.0.2", mr.Development)},
			Record{1, 10, 20, register, ok("1.0.2", mr.Development)}), false},
		"a number is skipped": {begin(
			Record{0, 10, 20, register, ok("1.0.3", mr.Development)}), false},
		"two productions": {begin(
			Record{0, 10, 20, toProduction("1.0.0"), ok("1.0.0", mr.Production)},
			Record{1, 10, 20, toProduction("1.0.1"), ok("1.0.1", mr.Production)},
			Record{2, 21, 22, list, Output{List: map[string]mr.ModelStage{"1.0.0": mr.Production, "1.0.1": mr.Production}}}), false},
		"no production between two": {begin(
			Record{0, 10, 11, toProduction("1.0.0"), ok("1.0.0", mr.Production)},
			Record{1, 12, 20, toProduction("1.0.1"), ok("1.0.1", mr.Production)},
			Record{2, 13, 14, production, Output{Err: notFound}}), false},
		"two conditional promotions on the same production": {begin(
			Record{0, 10, 20, Input{Op: "promote", Version: "1.0.0", Stage: mr.Production, IfProduction: mr.NoVersion}, ok("1.0.0", mr.Production)},
			Record{1, 10, 20, Input{Op: "promote", Version: "1.0.1", Stage: mr.Production, IfProduction: mr.NoVersion}, ok("1.0.1", mr.Production)}), false},
		"a rollback to a version that another rollback left": {begin(
			Record{0, 10, 11, toProduction("1.0.0"), ok("1.0.0", mr.Production)},
			Record{0, 12, 13, toProduction("1.0.1"), ok("1.0.1", mr.Production)},
			Record{0, 14, 15, Input{Op: "rollback"}, ok("1.0.0", mr.Production)},
			Record{0, 16, 17, Input{Op: "rollback"}, ok("1.0.1", mr.Production)}), false},
		"a canceled change that happened": {begin(
			Record{0, 10, 11, toProduction("1.0.0"), Output{Err: canceled}},
			Record{1, 12, 13, production, ok("1.0.0", mr.Production)}), false},
		"an interrupted change that happened, later": {begin(
			Record{0, 10, 0, toProduction("1.0.0"), Output{}},
			Record{1, 12, 13, production, Output{Err: notFound}},
			Record{1, 14, 15, production, ok("1.0.0", mr.Production)}), true},
		"an interrupted change that did not happen": {begin(
			Record{0, 10, 0, toProduction("1.0.0"), Output{}},
			Record{1, 12, 13, production, Output{Err: notFound}}), true},
		"an interrupted change that a read shows before the call": {begin(
			Record{1, 8, 9, production, ok("1.0.0", mr.Production)},
			Record{0, 10, 0, toProduction("1.0.0"), Output{}}), false},
		"an interrupted change that happened, and a later read that does not show it": {begin(
			Record{0, 10, 0, toProduction("1.0.0"), Output{}},
			Record{1, 12, 13, production, ok("1.0.0", mr.Production)},
			Record{1, 14, 15, production, Output{Err: notFound}}), false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := Check(c.history, time.Minute)
			if r.Linearizable != c.want {
				t.Errorf("linearizable: %t, want %t\n%s", r.Linearizable, c.want, r.Report)
			}
			if !r.Linearizable && !strings.Contains(r.Report, "not linearizable") {
				t.Errorf("the report is %q, want one that says not linearizable", r.Report)
			}
		})
	}
}

func TestReport(t *testing.T) {
	t.Parallel()
	r := Check(begin(
		Record{0, 10, 11, toProduction("1.0.0"), ok("1.0.0", mr.Production)},
		Record{1, 12, 13, production, Output{Err: notFound}}), time.Minute)
	const want = `not linearizable: an order was found for at most 3 of 4 operations. The last of these are:
    client 0, 1ns to 2ns: register → 1.0.0 in development
    client 0, 3ns to 4ns: register → 1.0.1 in development
    client 0, 10ns to 11ns: promote 1.0.0 production → 1.0.0 in production
The model is then
    1.0.0 production, 1.0.1 development; productions [1.0.0]
and none of these operations can be next:
    client 1, 12ns to 13ns: get production → not found
        expected 1.0.0 in production
`
	if r.Report != want {
		t.Errorf("the report is\n%s\nwant\n%s", r.Report, want)
	}
}

// For a single caller, the specification does what the documentation says.
func TestSpecification(t *testing.T) {
	t.Parallel()
	rollback := Input{Op: "rollback"}
	s := newState(nil, nil, names{}, nil)
	for i, c := range []struct {
		in   Input
		want Output
	}{
		{production, Output{Err: notFound}},
		{list, Output{Err: notFound}},
		{rollback, Output{Err: notFound}},
		{Input{Op: "register", Version: "1.0.0-rc.1"}, ok("1.0.0-rc.1", mr.Development)},
		{register, ok("1.0.0", mr.Development)},
		{register, ok("1.0.1", mr.Development)},
		{Input{Op: "register", Version: "1.0.1"}, Output{Err: exists}},
		{Input{Op: "register", Version: "1.3.0"}, ok("1.3.0", mr.Development)},
		{Input{Op: "register", Version: "2.0.0-rc.1"}, ok("2.0.0-rc.1", mr.Development)},
		{register, ok("1.3.1", mr.Development)},
		{toProduction("1.0.0"), ok("1.0.0", mr.Production)},
		{rollback, Output{Err: notFound}},
		{toProduction("1.0.1"), ok("1.0.1", mr.Production)},
		{toProduction("1.3.0"), ok("1.3.0", mr.Production)},
		{rollback, ok("1.0.1", mr.Production)},
		{rollback, ok("1.0.0", mr.Production)},
		{rollback, Output{Err: notFound}},
		{Input{Op: "rollback", Version: "1.3.1"}, Output{Err: direction}},
		{Input{Op: "rollback", Version: "1.3.1", Force: true}, ok("1.3.1", mr.Production)},
		{Input{Op: "archive", Version: "1.3.1"}, ok("1.3.1", mr.Archived)},
		{production, Output{Err: notFound}},
		{rollback, ok("1.3.1", mr.Production)},
		{Input{Op: "promote", Version: "1.3.1", Stage: mr.Production, IfProduction: mr.NoVersion}, ok("1.3.1", mr.Production)},
		{Input{Op: "promote", Version: "1.0.1", Stage: mr.Production, IfProduction: mr.NoVersion}, Output{Err: conflict}},
		{Input{Op: "promote", Version: "1.3.1", Stage: mr.Staging}, Output{Err: direction}},
		{Input{Op: "demote", Version: "1.0.1", Stage: mr.Staging}, Output{Err: direction}},
		{Input{Op: "demote", Version: "1.3.1", Stage: mr.Staging}, ok("1.3.1", mr.Staging)},
		{Input{Op: "promote", Version: "1.3.0", Stage: mr.Staging}, ok("1.3.0", mr.Staging)},
		{Input{Op: "get", Stage: mr.Staging}, ok("1.3.0", mr.Staging)},
		{Input{Op: "archive", Version: "1.3.0"}, ok("1.3.0", mr.Archived)},
		{Input{Op: "get", Stage: mr.Staging}, ok("1.3.1", mr.Staging)},
		{Input{Op: "archive", Version: "9.9.9"}, Output{Err: notFound}},
		{Input{Op: "get", Alias: "champion"}, Output{Err: notFound}},
		{Input{Op: "alias", Alias: "champion", Version: "9.9.9"}, Output{Err: notFound}},
		{Input{Op: "alias", Alias: "champion", Version: "1.3.1", If: mr.NoVersion}, Output{Version: "1.3.1"}},
		{Input{Op: "alias", Alias: "champion", Version: "1.0.0", If: mr.NoVersion}, Output{Err: conflict}},
		{Input{Op: "alias", Alias: "champion", Version: "1.0.0", If: "1.0.1"}, Output{Err: conflict}},
		{Input{Op: "get", Alias: "champion"}, ok("1.3.1", mr.Staging)},
		{Input{Op: "archive", Version: "1.3.1"}, Output{Err: protected}},
		{Input{Op: "archive", Version: "1.3.1", Force: true}, ok("1.3.1", mr.Archived)},
		{Input{Op: "alias", Alias: "champion", If: "1.3.1"}, Output{}},
		{Input{Op: "get", Alias: "champion"}, Output{Err: notFound}},
		{Input{Op: "register", Once: "a"}, ok("1.3.2", mr.Development)},
		{Input{Op: "register", Once: "a"}, ok("1.3.2", mr.Development)},
		{Input{Op: "register", Once: "b"}, ok("1.3.3", mr.Development)},
		{Input{Op: "delete", Version: "2.0.0-rc.1"}, Output{Version: "2.0.0-rc.1"}},
		{Input{Op: "delete", Version: "1.3.3"}, Output{Err: protected}},
		{Input{Op: "delete", Version: "1.3.2"}, Output{Version: "1.3.2"}},
		{Input{Op: "delete", Version: "1.3.2"}, Output{Version: "1.3.2"}},
		{Input{Op: "get", Version: "1.3.2"}, Output{Err: notFound}},
		{Input{Op: "register", Version: "1.3.2"}, Output{Err: exists}},
		{Input{Op: "register", Once: "a"}, Output{Err: exists}},
		{Input{Op: "delete", Version: "1.3.3", Force: true}, Output{Version: "1.3.3"}},
		{register, ok("1.3.4", mr.Development)},
		{Input{Op: "undelete", Version: "1.3.2"}, Output{Version: "1.3.2"}},
		{Input{Op: "get", Version: "1.3.2"}, ok("1.3.2", mr.Development)},
		{Input{Op: "undelete", Version: "9.9.9"}, Output{Err: notFound}},
	} {
		next, got := s.apply(c.in)
		if !got.equal(c.want) {
			t.Errorf("step %d: %v in the state %v returns %v, want %v", i, c.in, s, got, c.want)
		}
		s = next
	}
}

// The number of productions that a model remembers is bounded.
func TestSpecificationBoundsProductions(t *testing.T) {
	t.Parallel()
	s := newState(nil, nil, names{}, nil)
	for i := range maxProductions + 5 {
		s, _ = s.apply(register)
		s, _ = s.apply(toProduction(fmt.Sprintf("1.0.%d", i)))
	}
	back := 0
	for {
		next, got := s.apply(Input{Op: "rollback"})
		if got.Err != "" {
			break
		}
		s = next
		back++
	}
	if back != maxProductions-1 {
		t.Errorf("%d rollbacks succeed, want %d", back, maxProductions-1)
	}
}
