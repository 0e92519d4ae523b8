package document_test

import (
	"bytes"
	"testing"

	"github.com/ubunye-go/modelregistry/internal/document"
)

// What is found by an entry's layout is what is found without, whatever is changed in it.
func TestEntryByItsLayout(t *testing.T) {
	t.Parallel()
	whole := append(entryOf(t, "1.0.0"), ",\n    \"next\": {}"...)
	same := func(entry []byte) bool {
		t.Helper()
		fast, slow, laidOut, err := document.BothWays(entry)
		if laidOut && (err != nil || fast != slow) {
			t.Fatalf("%v by the layout, %v by walking, %v:\n%s", fast, slow, err, entry)
		}
		return laidOut
	}
	if !same(whole) {
		t.Fatalf("this is the layout:\n%s", whole)
	}
	for i := range whole {
		same(whole[:i])
		for _, c := range []byte("x\"\\{}[]:,0 \n\x01") {
			changed := bytes.Clone(whole)
			changed[i] = c
			same(changed)
			same(append(append(bytes.Clone(whole[:i]), c), whole[i:]...))
		}
		same(append(bytes.Clone(whole[:i]), whole[i+1:]...))
	}
}
