package modelregistry

import (
	"github.com/ubunye-go/modelregistry/internal/artifact"
)

// A Progress reports how much of the files of a version was saved, copied and
// hashed so far.
type Progress struct {
	Saved  int64 `json:"saved"`  // bytes that a save function wrote, by the sizes of its files
	Copied int64 `json:"copied"` // bytes copied; 0 for files that were saved or moved into place
	Hashed int64 `json:"hashed"` // bytes hashed
	Total  int64 `json:"total"`  // bytes of the files found so far
}

func newMeter(report func(Progress)) *artifact.Meter {
	if report == nil {
		return nil
	}
	return artifact.NewMeter(func(p artifact.Progress) { report(Progress(p)) })
}

// A DeletionProgress reports how far Retain or Purge is.
type DeletionProgress struct {
	Done  int `json:"done"`  // versions that Retain decided about, or whose files Purge removed
	Total int `json:"total"` // versions to deal with
}

func deletionProgress(report func(DeletionProgress)) func(done, total int) {
	return func(done, total int) {
		if report != nil {
			report(DeletionProgress{done, total})
		}
	}
}
