package index

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

const fuzzUseCase, fuzzModelName = "fraud_detection", "FraudRiskModel"

var fuzzPrev = regexp.MustCompile(`"prev":"[^"]*"`)

// fuzzStore returns a frozen real store: its history, and its document after
// each change.
func fuzzStore(f *testing.F) (log []byte, documents [][]byte) {
	f.Helper()
	const dir = "../../testdata/history/"
	log, err := os.ReadFile(dir + "history.jsonl")
	if err != nil {
		f.Fatal(err)
	}
	names, err := filepath.Glob(dir + "registry-*.json")
	if err != nil || len(names) == 0 {
		f.Fatalf("no documents: %v", err)
	}
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		documents = append(documents, data)
	}
	return log, documents
}

// FuzzEvent checks that a line that is read as an event is written as a line
// that reads the same, without bytes that a log can't hold.
func FuzzEvent(f *testing.F) {
	log, _ := fuzzStore(f)
	for line := range bytes.Lines(log) {
		held, _ := Unseal(bytes.TrimSpace(line))
		f.Add(append(held, '}'))
	}
	f.Fuzz(func(t *testing.T, line []byte) { // without its checksum, which fuzzing can't guess
		e, err := DecodeEvent(Seal(bytes.TrimSuffix(line, []byte("}"))))
		if err != nil {
			return
		}
		out, err := e.Encode()
		if err != nil {
			t.Fatalf("the event was read, but can't be written: %v", err)
		}
		if bytes.ContainsAny(out, "\n\x00") || bytes.HasSuffix(out, []byte(" ")) {
			t.Errorf("%q can't be a line", out)
		}
		again, err := DecodeEvent(out)
		if err != nil {
			t.Fatalf("reading the written line %[2]s: %[1]v", err, out)
		}
		if twice, err := again.Encode(); err != nil || !bytes.Equal(out, twice) {
			t.Errorf("%v, or it is written otherwise:\n%s\n%s", err, out, twice)
		}
	})
}
