package document_test

import (
	"bytes"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ubunye-go/modelregistry/internal/document"
	"github.com/ubunye-go/modelregistry/internal/pyjson"
)

// members lists members as keys and values.
func members(list []pyjson.Member) (all []string) {
	for _, m := range list {
		all = append(all, m.Key+"="+string(m.Value))
	}
	return all
}

func TestMarkKeepsUnknownMembers(t *testing.T) {
	t.Parallel()
	d := parse(t, []byte(python))
	d.Mark = mark()
	d.Mark.Model = []byte(`{ "aliases": {"champion": "1.0.0"}, "later": [NaN, 123456789012345678901234567890] }`)
	d.Mark.Others = []pyjson.Member{
		{Key: "retired", Raw: []byte(`"retired"`), Value: []byte("{\n      \"0.9.0\": {\"by\": \"ann\"}\n    }")},
		{Key: "é", Raw: []byte(`"\u00e9"`), Value: []byte(`-0.0`)},
	}
	note(d, "1.0.0")
	data := document.Format(d)
	again := parse(t, data)
	if !again.Intact || again.Mark == nil {
		t.Fatalf("the document is not intact after it was written:\n%s", data)
	}
	if diff := cmp.Diff(members(d.Mark.Others), members(again.Mark.Others)); diff != "" {
		t.Error(diff)
	}
	const model = `{"aliases":{"champion":"1.0.0"},"later":[NaN,123456789012345678901234567890]}`
	if string(again.Mark.Model) != model {
		t.Errorf("the \"model\" object is %s", again.Mark.Model)
	}
	if !bytes.Equal(document.Format(again), data) {
		t.Error("the document differs when it is written again")
	}
	at, ok := document.Position(data)
	if !ok || at.Event != 42 || at.Format != 2 || string(at.Model) != model {
		t.Errorf("Position = %+v, %t", at, ok)
	}
	if diff := cmp.Diff(members(d.Mark.Others), members(at.Others)); diff != "" {
		t.Error(diff)
	}
}

// Position returns all of our key except the members about single versions.
// Where it can't find that in another program's layout, it reports false and
// leaves it to Parse.
func TestPositionInOtherLayouts(t *testing.T) {
	t.Parallel()
	d := parse(t, []byte(python))
	d.Mark = mark()
	note(d, "1.0.0")
	held, _, _ := strings.Cut(string(document.Format(d)), `"crc32c"`)
	start := regexp.MustCompile(`\n    "start": \d+,`).FindString(held)
	without := func(parts ...string) string {
		s := held
		for _, part := range parts {
			if !strings.Contains(s, part) {
				t.Fatalf("there is no %s in\n%s", part, s)
			}
			s = strings.Replace(s, part, "", 1)
		}
		return s
	}
	const format = "\n    \"format\": 2,"
	for name, c := range map[string]struct {
		held string
		ok   bool
	}{
		"as it is":             {held, true},
		"before format 2":      {without(format, start), true},
		"without start":        {without(start), true}, // as before format 2
		"start elsewhere":      {strings.Replace(held, start, "\n    \"start\": 30,", 1), false},
		"start beyond":         {strings.Replace(held, start, "\n    \"start\": 99999999,", 1), false},
		"start before":         {strings.Replace(held, start, "\n    \"start\": -7,", 1), false},
		"format in the middle": {strings.Replace(without(format), "\n    \"productions\"", format+"\n    \"productions\"", 1), true},
		"no event":             {without("\n    \"event\": 42,"), false},
	} {
		data := document.Sealed([]byte(c.held))
		again := parse(t, data)
		if !again.Intact {
			t.Errorf("%s: the document is not intact", name)
		}
		at, ok := document.Position(data)
		if ok != c.ok {
			t.Errorf("%s: Position reports %t, want %t", name, ok, !ok)
		}
		want := *again.Mark
		if !strings.Contains(c.held, start) { // Position does not search the members before "versions"
			want.Format, want.Removed, want.Productions, want.External = 0, nil, nil, 0
		}
		if diff := cmp.Diff(want, at); ok && diff != "" {
			t.Errorf("%s (-Parse +Position):\n%s", name, diff)
		}
	}
}

func TestModelIsNotAnObject(t *testing.T) {
	t.Parallel()
	const document = `{"versions": {}, "modelregistry": {"model": %s, "event": 3}}`
	for model, isMark := range map[string]bool{`null`: true, `{}`: true, `[]`: false, `7`: false, `"x"`: false} {
		if d := parse(t, []byte(strings.Replace(document, "%s", model, 1))); (d.Mark != nil) != isMark {
			t.Errorf("with model %s the mark is %+v", model, d.Mark)
		}
	}
}
