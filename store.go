package modelregistry

import (
	"github.com/ubunye-go/modelregistry/driver"
	"github.com/ubunye-go/modelregistry/internal/fsstore"
	"github.com/ubunye-go/modelregistry/internal/pathname"
)

// A Store keeps the bytes of a registry. Most programs call [Open], which makes
// a folder store, and never use a Store themselves. Package driver has the
// contract for those who implement one.
type Store = driver.Store

// NewFolderStore returns the folder store that [Open] uses, for programs that
// wrap it and pass it to [New]. It refuses the same names as Open, and uses the
// Logger and OneMachine of the options.
func NewFolderStore(dir string, opts *Options) (Store, error) {
	s, err := openFolder(dir, opts)
	if err != nil {
		return nil, err
	}
	return s, nil
}

func openFolder(dir string, opts *Options) (*fsstore.Store, error) {
	if err := checkStore(dir); err != nil {
		return nil, err
	}
	s, err := fsstore.Open(dir)
	if err == nil && opts != nil {
		s.Log, s.OneMachine = opts.Logger, opts.OneMachine
	}
	return s, err
}

// checkStore returns an error if dir can't be the name of a folder, such as a
// URL. The error says what to use instead.
func checkStore(dir string) error {
	err := pathname.CheckFolder(dir)
	switch {
	case err == nil:
		return nil
	case dir == "" || dir[0] == '~':
		return invalid("store %q: %v", dir, err)
	}
	return invalid("store %q: %v; for a store in a bucket, pass the result of objectstore.Open to modelregistry.New", dir, err)
}
