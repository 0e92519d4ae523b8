package document

import "cmp"

// A Release is a version that consists of three numbers, as nearly all do.
type Release struct{ Major, Minor, Patch uint64 }

// ParseRelease reads "1.2.3" and nothing else.
func ParseRelease(version string) (r Release, ok bool) {
	rest := version
	for i, into := range []*uint64{&r.Major, &r.Minor, &r.Patch} {
		n := 0
		for ; n < len(rest) && '0' <= rest[n] && rest[n] <= '9'; n++ {
			*into = *into*10 + uint64(rest[n]-'0')
		}
		if n == 0 || n > 18 || n > 1 && rest[0] == '0' {
			return Release{}, false
		}
		if rest = rest[n:]; i < 2 {
			if rest == "" || rest[0] != '.' {
				return Release{}, false
			}
			rest = rest[1:]
		}
	}
	return r, rest == ""
}

// Compare orders releases by their numbers.
func (r Release) Compare(o Release) int {
	return cmp.Or(cmp.Compare(r.Major, o.Major), cmp.Compare(r.Minor, o.Minor), cmp.Compare(r.Patch, o.Patch))
}
