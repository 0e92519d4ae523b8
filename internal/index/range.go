package index

import (
	"fmt"
	"iter"
	"strings"
	"sync"

	"github.com/Masterminds/semver/v3"
)

// A Range reports whether a version is in it.
type Range func(*semver.Version) bool

// Releases has every version that is not a pre-release.
func Releases(v *semver.Version) bool { return v.Prerelease() == "" }

// ParseRange reads a SemVer constraint. It keeps parsed constraints, because a
// reference that is followed is parsed many times and can't keep the result
// itself: references are compared with ==.
func ParseRange(text string) (Range, error) {
	c, err := ranges.parse(text)
	if err != nil {
		return nil, err
	}
	return c.Check, nil
}

// maxRange is the maximal length of a constraint in bytes.
const maxRange = 200

// ReadRange reads the range of a reference: latest, or a SemVer constraint. The
// error says what is wrong with the range, or which alias was probably meant.
func ReadRange(text string) (Range, error) {
	if text == latest {
		return Releases, nil
	}
	if len(text) > maxRange {
		return nil, fmt.Errorf("range: it has %d bytes, more than %d", len(text), maxRange)
	}
	in, err := ParseRange(text)
	if err != nil {
		if meant := Resembles(strings.ToLower(text)); meant != "" {
			return nil, fmt.Errorf("reference: %q is not an alias; did you mean %s?", text, meant)
		}
	}
	if err != nil || strings.TrimSpace(text) != text || strings.ContainsAny(text, "@/") {
		return nil, fmt.Errorf("range %q: want latest or a SemVer constraint like ~1.2 or >=1.2 <2", text)
	}
	return in, nil
}

// Highest returns the highest of some entries that is in the range and not
// withdrawn, or nil.
func (r Range) Highest(entries iter.Seq[*Entry], withdrawn func(*Entry) bool) (best *Entry) {
	for e := range entries {
		if best != nil && CompareVersions(e.Version, best.Version) <= 0 || withdrawn(e) {
			continue
		}
		if v := ParseVersion(e.Version); v != nil && r(v) {
			best = e
		}
	}
	return best
}

var ranges parsedRanges

// parsedRanges keeps up to maxParsed constraints that were parsed.
type parsedRanges struct {
	mu    sync.RWMutex
	known map[string]*semver.Constraints
}

const maxParsed = 1000

func (p *parsedRanges) parse(text string) (*semver.Constraints, error) {
	p.mu.RLock()
	c := p.known[text]
	p.mu.RUnlock()
	if c != nil {
		return c, nil
	}
	c, err := semver.NewConstraint(text)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.known == nil || len(p.known) >= maxParsed {
		p.known = map[string]*semver.Constraints{}
	}
	p.known[text] = c
	return c, nil
}
