package turns

import (
	"fmt"
	"slices"
	"strings"

	mr "github.com/ubunye-go/modelregistry"
)

// A step is one call of one side. As text it is a line such as
type step struct {
	by      string // goSide or pythonSide
	do      string
	version string
	to      string // a stage

	auc    string // the metric of a registration or an edit
	own    string // the least AUC that Go stores with the version
	stored string // the least AUC that Python stores with the model, or "none"
	gate   string // the least AUC that is passed to a promotion
	once   string // the key of a registration
	alias  string // the alias to set; without a version, to remove
	tag    string // the value of the tag of the version, or of the model; or "none"
	text   string // the description, likewise
	keep   string // the rule of a retention: a number of versions, "tag" or "served"
	force  bool   // skip the gates, or move or delete a version in spite of its protection
	stale  bool   // Python starts from the document of its last step "load"
	torn   bool   // a purge that is interrupted before it removes files
	named  bool   // pass an actor; without one, more entries are equal
	opened bool   // by a registry opened for the step, beside the running one
	pad    bool   // register with metadata that make the document lag
}

const goSide, pythonSide = "go", "python"

var stages = []string{string(mr.Development), string(mr.Staging), string(mr.Production), string(mr.Archived)}

func (s *step) values() map[string]*string {
	return map[string]*string{"auc": &s.auc, "own": &s.own, "stored": &s.stored, "gate": &s.gate,
		"once": &s.once, "alias": &s.alias, "tag": &s.tag, "text": &s.text, "keep": &s.keep}
}

func (s *step) flags() map[string]*bool {
	return map[string]*bool{"force": &s.force, "named": &s.named, "opened": &s.opened, "pad": &s.pad, "torn": &s.torn, "stale": &s.stale}
}

func (s step) String() string {
	words := []string{s.by, s.do}
	for _, word := range []string{s.version, s.to} {
		if word != "" {
			words = append(words, word)
		}
	}
	for _, key := range []string{"auc", "own", "stored", "gate", "once", "alias", "tag", "text", "keep"} {
		if value := *s.values()[key]; value != "" {
			words = append(words, key+"="+value)
		}
	}
	for _, key := range []string{"force", "named", "opened", "pad", "torn", "stale"} {
		if *s.flags()[key] {
			words = append(words, key)
		}
	}
	return strings.Join(words, " ")
}

// actor returns the actor of the step, or "" if the step names none.
func (s step) actor() string {
	if s.named {
		return s.by
	}
	return ""
}

// parseStep reads a step in the form that String writes.
func parseStep(line string) (step, error) {
	words := strings.Fields(line)
	if len(words) < 2 || words[0] != goSide && words[0] != pythonSide {
		return step{}, fmt.Errorf("step %q: want a side and an operation", line)
	}
	s := step{by: words[0], do: words[1]}
	for _, word := range words[2:] {
		key, value, pair := strings.Cut(word, "=")
		switch {
		case pair && s.values()[key] != nil:
			*s.values()[key] = value
		case s.flags()[word] != nil:
			*s.flags()[word] = true
		case slices.Contains(stages, word):
			s.to = word
		case s.version == "" && !pair:
			s.version = word
		default:
			return step{}, fmt.Errorf("step %q: unknown word %q", line, word)
		}
	}
	return s, nil
}

// parseScript reads steps on lines of their own or between semicolons.
func parseScript(text string) ([]step, error) {
	var script []step
	for _, line := range strings.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == ';' }) {
		if strings.TrimSpace(line) == "" {
			continue
		}
		s, err := parseStep(line)
		if err != nil {
			return nil, err
		}
		script = append(script, s)
	}
	return script, nil
}

func printScript(script []step) string {
	var b strings.Builder
	for _, s := range script {
		fmt.Fprintf(&b, "\t%s\n", s)
	}
	return b.String()
}
