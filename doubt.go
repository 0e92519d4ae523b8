package modelregistry

import "github.com/ubunye-go/modelregistry/internal/index"

// A Doubt is what can't be told of an external change: what another program
// meant, or what it knew.
type Doubt struct {
	Version string `json:"version"`
	Reason  string `json:"reason"`
}

// String returns "version: reason".
func (d Doubt) String() string { return d.Version + ": " + d.Reason }

// publicDoubts returns the doubts of an event as callers know them.
func publicDoubts(list []index.Doubt) []Doubt {
	var public []Doubt
	for _, d := range list {
		public = append(public, Doubt{d.Version, d.Reason})
	}
	return public
}
