package index

import (
	"cmp"
	"fmt"
	"math"
	"strings"

	"github.com/Masterminds/semver/v3"

	"github.com/ubunye-go/modelregistry/internal/document"
	"github.com/ubunye-go/modelregistry/internal/pathname"
)

// ParseVersion returns nil for a version that is not strict SemVer.
func ParseVersion(version string) *semver.Version {
	sv, err := semver.StrictNewVersion(version)
	if err != nil {
		return nil
	}
	return sv
}

// CheckVersion returns nil if a text can be the number of a version that is
// registered: a strict SemVer that can name a folder.
func CheckVersion(version string) error {
	if ParseVersion(version) == nil {
		return fmt.Errorf("want %s", wantedVersion(version))
	}
	return pathname.Check(version)
}

// wantedVersion returns the number that the caller of an invalid one probably
// means, such as 1.2.0 for v1.2, or what a number looks like.
func wantedVersion(version string) string {
	if v, err := semver.NewVersion(version); err == nil {
		return v.String()
	}
	return "three numbers like 1.2.3"
}

// CompareVersions orders versions by SemVer precedence. Others come before all
// of these, ordered as text.
func CompareVersions(a, b string) int {
	if x, ok := document.ParseRelease(a); ok {
		if y, ok := document.ParseRelease(b); ok {
			return x.Compare(y)
		}
	}
	x, y := ParseVersion(a), ParseVersion(b)
	switch {
	case x == nil && y == nil:
		return strings.Compare(a, b)
	case x == nil:
		return -1
	case y == nil:
		return 1
	}
	return cmp.Or(x.Compare(y), strings.Compare(a, b))
}

// nextVersion returns the lowest release above the highest version. After 1.2.3
// it is 1.2.4. After 2.0.0-rc.1, if there is no release, it is 2.0.0. Without
// versions it is 1.0.0.
func nextVersion(highest *semver.Version) (string, error) {
	if highest == nil {
		return "1.0.0", nil
	}
	if highest.Patch() == math.MaxUint64 && highest.Prerelease() == "" {
		return "", &ExhaustedError{highest.String()}
	}
	next := highest.IncPatch()
	return next.String(), nil
}

// highest returns the higher version by SemVer precedence. Any release is
// higher than any pre-release, so that a pre-release counts only until there is
// a release.
func highest(a, b *semver.Version) *semver.Version {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	case (a.Prerelease() == "") != (b.Prerelease() == ""):
		if a.Prerelease() == "" {
			return a
		}
		return b
	case b.GreaterThan(a):
		return b
	}
	return a
}
