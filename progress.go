package modelregistry

import (
	"github.com/ubunye-go/modelregistry/internal/artifact"
)

// A Progress says how far long work on the files of versions has come.
type Progress struct {
	Saved  int64 `json:"saved"`  // bytes that a save function wrote, as far as its files show
	Copied int64 `json:"copied"` // bytes copied; 0 for files that were saved or moved into place
	Hashed int64 `json:"hashed"` // bytes hashed
	Total  int64 `json:"total"`  // bytes of the files found so far
}

func newMeter(tell func(Progress)) *artifact.Meter {
	if tell == nil {
		return nil
	}
	return artifact.NewMeter(func(p artifact.Progress) { tell(Progress(p)) })
}
