package document_test

import (
	"bytes"
	"reflect"
	"testing"

	"github.com/ubunye-go/modelregistry/internal/document"
)

// An entry that is scanned by its layout gives the same result as one that is
// walked, whatever is changed in it.
func TestEntryByItsLayout(t *testing.T) {
	t.Parallel()
	entry := entryOf(t, "1.0.0")
	whole := append(bytes.Clone(entry), ",\n    \"next\": {}"...)
	same := func(entry []byte) bool {
		t.Helper()
		fast, slow, laidOut, err := document.BothWays(entry)
		if laidOut && (err != nil || fast != slow) {
			t.Fatalf("by the layout %v, by walking %v, error %v:\n%s", fast, slow, err, entry)
		}
		fields, err := document.Cut(entry)
		want, wantErr := document.CutAnyway(entry)
		if !reflect.DeepEqual(fields, want) || !reflect.DeepEqual(err, wantErr) {
			t.Fatalf("got fields %v, error %v; want %v, %v:\n%s", fields, err, want, wantErr, entry)
		}
		return laidOut
	}
	if !same(whole) || !same(entry) {
		t.Fatalf("the entry does not have the layout:\n%s", whole)
	}
	for _, text := range [][]byte{entry, whole} {
		for i := range text {
			same(text[:i])
			same(append(bytes.Clone(text[:i]), text[i+1:]...))
			for _, c := range []byte("x\"\\{}[]:,0 \n\x01") {
				same(append(append(bytes.Clone(text[:i]), c), text[i:]...))
				same(append(append(bytes.Clone(text[:i]), c), text[i+1:]...))
			}
		}
	}
}
