package crashtest

import (
	"slices"
	"strings"
	"testing"
)

// brief returns a state as one line.
func brief(s State) string {
	var parts []string
	for _, name := range s.names() {
		if strings.HasSuffix(name, "/") {
			parts = append(parts, name)
		} else {
			parts = append(parts, name+"="+strings.ReplaceAll(string(s[name]), "\x00", "0"))
		}
	}
	return strings.Join(parts, " ")
}

// After a crash at the end of the operations, these states are possible, and
// these are not.
func TestStates(t *testing.T) {
	t.Parallel()
	mkdir := func(name string) Op { return Op{kind: opMkdir, Name: name} }
	create := func(name string) Op { return Op{kind: opCreate, Name: name} }
	write := func(name, data string, at int64) Op {
		return Op{kind: opWrite, Name: name, data: []byte(data), offset: at}
	}
	truncate := func(name string, size int64) Op { return Op{kind: opTruncate, Name: name, offset: size} }
	rename := func(name, to string) Op { return Op{kind: opRename, Name: name, To: to} }
	remove := func(name string) Op { return Op{kind: opRemove, Name: name} }
	sync := func(name string) Op { return Op{kind: opSync, Name: name} }
	for name, tt := range map[string]struct {
		start      State
		ops        []Op
		possible   []string
		impossible []string
	}{
		"nothing happened": {State{"f": []byte("old")}, nil, []string{"f=old"}, []string{"", "f="}},
		"a file is written": {nil, []Op{create("f"), write("f", "abcd", 0)},
			[]string{"", "f=", "f=abcd", "f=ab", "f=0000", "f=ab00", "f=00cd"}, nil},
		"its bytes are synced, its name is not": {nil, []Op{create("f"), write("f", "abcd", 0), sync("f")},
			[]string{"", "f=abcd"}, []string{"f=", "f=ab"}},
		"its name is synced, its bytes are not": {nil, []Op{create("f"), write("f", "abcd", 0), sync(".")},
			[]string{"f=", "f=abcd", "f=00cd"}, []string{""}},
		"both are synced": {nil, []Op{create("f"), write("f", "abcd", 0), sync("f"), sync(".")},
			[]string{"f=abcd"}, []string{"", "f=", "f=ab"}},
		"appended twice, in any order": {State{"f": []byte("xy")}, []Op{write("f", "ab", 2), write("f", "cd", 4)},
			[]string{"f=xy", "f=xyab", "f=xyabcd", "f=xy00cd", "f=xya"}, []string{"", "f=abcd", "f=xycd"}},
		"truncated and written again": {State{"f": []byte("xxxxxx")}, []Op{truncate("f", 2), write("f", "ab", 2)},
			[]string{"f=xx", "f=xxab", "f=xxabxx", "f=xxaxxx", "f=xxxxxx"}, []string{"f=ab"}},
		"truncated, synced and written again": {State{"f": []byte("xxxxxx")}, []Op{truncate("f", 2), sync("f"), write("f", "ab", 2)},
			[]string{"f=xx", "f=xxab", "f=xxa"}, []string{"f=xxabxx", "f=xxxxxx"}},
		"renamed over another": {State{"f": []byte("old")}, []Op{create("t"), write("t", "new", 0), sync("t"), rename("t", "f")},
			[]string{"f=old", "f=old t=new", "f=new"}, []string{"", "t=new", "f=new t=new", "f="}},
		"renamed over another before its bytes are synced": {State{"f": []byte("old")}, []Op{create("t"), write("t", "new", 0), rename("t", "f")},
			[]string{"f=old", "f=", "f=new", "f=n"}, nil},
		"renamed into another folder": {State{"a/": nil, "b/": nil, "a/t/": nil, "a/t/f": []byte("x")}, []Op{rename("a/t", "b/t")},
			[]string{"a/ a/t/ a/t/f=x b/", "a/ b/ b/t/ b/t/f=x"}, []string{"a/ b/", "a/ a/t/ a/t/f=x b/ b/t/ b/t/f=x"}},
		"renamed, and the old folder is synced": {State{"a/": nil, "b/": nil, "a/f": []byte("x")}, []Op{rename("a/f", "b/f"), sync("a")},
			[]string{"a/ a/f=x b/", "a/ b/ b/f=x"}, []string{"a/ b/"}},
		"renamed, and the new folder is synced": {State{"a/": nil, "b/": nil, "a/f": []byte("x")}, []Op{rename("a/f", "b/f"), sync("b")},
			[]string{"a/ b/ b/f=x"}, []string{"a/ a/f=x b/", "a/ b/"}},
		"a folder's entries are synced, its name is not": {nil, []Op{mkdir("d"), create("d/f"), sync("d")},
			[]string{"", "d/ d/f="}, []string{"d/"}},
		"removed one by one": {State{"d/": nil, "d/f": []byte("x"), "d/g": []byte("y")}, []Op{remove("d/f"), remove("d/g"), remove("d")},
			[]string{"d/ d/f=x d/g=y", "d/ d/g=y", "d/ d/f=x", "d/", ""}, nil},
		"one of two is removed, and the removal is synced": {State{"f": []byte("x"), "g": []byte("y")}, []Op{remove("f"), sync("."), remove("g")},
			[]string{"g=y", ""}, []string{"f=x g=y", "f=x"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rec := NewRecorder(t.TempDir(), tt.start).Record()
			rec.Ops = append(rec.Ops, tt.ops...)
			var got []string
			for _, s := range rec.States(rec.End(), rec.End()) {
				got = append(got, brief(s))
			}
			for _, want := range tt.possible {
				if !slices.Contains(got, want) {
					t.Errorf("the states are %q, want %q among them", got, want)
				}
			}
			for _, not := range tt.impossible {
				if slices.Contains(got, not) {
					t.Errorf("the states are %q, want none %q", got, not)
				}
			}
		})
	}
}

// When many changes are pending, each is lost while all others are kept, and
// kept while all others are lost.
func TestStatesOfMany(t *testing.T) {
	t.Parallel()
	var rec Record
	for _, name := range strings.Split("abcdefghij", "") {
		rec.Ops = append(rec.Ops, Op{kind: opMkdir, Name: name})
	}
	got := map[int]int{}
	for _, s := range rec.States(rec.End(), rec.End()) {
		got[len(s)]++
	}
	if got[0] != 1 || got[1] != 10 || got[9] != 10 || got[10] != 1 || len(got) != 4 {
		t.Errorf("number of states by size: %v, want 1 of 0, 10 of 1, 10 of 9 and 1 of 10", got)
	}
}

// Key ignores random names and depends on bytes. A state that is written and
// recorded without a change is the same state.
func TestStateKey(t *testing.T) {
	t.Parallel()
	a := State{"uc/": nil, "uc/.staging/": nil, "uc/.staging/" + strings.Repeat("0a", 16) + "/": nil, "f": []byte("x")}
	b := State{"uc/": nil, "uc/.staging/": nil, "uc/.staging/" + strings.Repeat("0b", 16) + "/": nil, "f": []byte("x")}
	if a.Key() != b.Key() {
		t.Error("states that differ in random names have different keys")
	}
	b["f"] = []byte("y")
	if a.Key() == b.Key() {
		t.Error("states that differ in bytes have the same key")
	}
	dir := t.TempDir()
	if err := a.Write(dir); err != nil {
		t.Fatal(err)
	}
	rec := NewRecorder(dir, a).Record()
	for _, s := range rec.States(rec.Start(), rec.End()) {
		if brief(s) != brief(a) {
			t.Errorf("recorded %q, want %q as written", brief(s), brief(a))
		}
	}
}
