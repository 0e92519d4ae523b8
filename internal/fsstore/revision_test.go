package fsstore

import (
	"runtime"
	"testing"
	"weak"

	"github.com/ubunye-go/modelregistry/driver"
)

// A revision outlives its view. It must not keep the bytes that the view read.
func TestRevisionDoesNotHoldTheDocument(t *testing.T) {
	t.Parallel()
	s, err := Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	add(t, s, &driver.Commit{Lines: lines("{1}"), Checkpoint: &driver.Checkpoint{Make: document}})
	var rev driver.Revision
	var view weak.Pointer[View]
	err = s.Read(t.Context(), "uc", "m", func(v driver.View) error {
		_, _, err := v.Document()
		rev, view = v.Revision(), weak.Make(v.(*View))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	runtime.GC()
	if view.Value() != nil {
		t.Error("the revision holds its view")
	}
	runtime.KeepAlive(rev)
}
