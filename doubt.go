package modelregistry

import "github.com/ubunye-go/modelregistry/internal/index"

// A Doubt is a question about an external change that the registry could not
// settle: what the other program intended, or which state it had read.
type Doubt struct {
	Version string `json:"version"`
	Reason  string `json:"reason"`
}

// String returns "version: reason".
func (d Doubt) String() string { return d.Version + ": " + d.Reason }

// publicDoubts converts the doubts of an event to the public type.
func publicDoubts(list []index.Doubt) []Doubt {
	var public []Doubt
	for _, d := range list {
		public = append(public, Doubt{d.Version, d.Reason})
	}
	return public
}
