package objectstore

import (
	"errors"
	"io/fs"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/internal/document"
	"github.com/ubunye-go/modelregistry/internal/format"
)

// writable returns why this release may not sweep the model, or nil. Sweep is
// the only change that the store makes by itself. Before any other change the
// registry checks.
func (v *view) writable() error {
	lines, _, err := v.Log(0)
	if err != nil {
		return err
	}
	needs := format.Unknown(format.Last(lines))
	if len(needs) == 0 && len(lines) == 0 { // there is only the document
		if needs, err = v.documentNeeds(); err != nil {
			return err
		}
	}
	if len(needs) > 0 {
		return &mr.Error{Op: "sweep", Ref: mr.Ref{Name: v.name}, Err: &mr.FormatError{Needs: needs}}
	}
	return nil
}

// documentNeeds returns what the document says that a writer must understand
// and this release does not. If the document can't be read, it returns nothing.
func (v *view) documentNeeds() ([]string, error) {
	data, err := v.s.get(v.ctx, modelKey(v.name, documentName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	d, err := document.Parse(data)
	if err != nil || d.Mark == nil {
		return nil, nil
	}
	return format.Unknown(d.Mark.Model), nil
}
