package engine

// The fuzz targets read without the wait for another program's write, which
// would make them slow.

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ubunye-go/modelregistry/driver"
	"github.com/ubunye-go/modelregistry/internal/document"
	"github.com/ubunye-go/modelregistry/internal/index"
	"github.com/ubunye-go/modelregistry/internal/pyjson"
)

const fuzzUseCase, fuzzModelName = "fraud_detection", "FraudRiskModel"

var fuzzName = driver.Name{UseCase: fuzzUseCase, Model: fuzzModelName}

// A fuzzView is a model's bytes in memory; a nil document is none.
type fuzzView struct{ document, log []byte }

func (v fuzzView) Document() ([]byte, bool, error)      { return v.document, v.document != nil, nil }
func (v fuzzView) DocumentChanged(driver.Revision) bool { return true }
func (v fuzzView) Revision() driver.Revision            { return nil }
func (v fuzzView) Log(from int64) ([]byte, int64, error) {
	if from > int64(len(v.log)) {
		return nil, 0, fs.ErrNotExist
	}
	return bytes.Clone(v.log[from:]), int64(len(v.log)), nil
}

func fuzzLoader(v fuzzView) loader {
	return loader{Reader{View: v, Name: fuzzName}, DefaultLag.Small}
}

// fuzzStore is a real store, frozen: its history, and its document after each
// change.
func fuzzStore(f *testing.F) (log []byte, documents [][]byte) {
	f.Helper()
	log, err := os.ReadFile("../../testdata/history/history.jsonl")
	if err != nil {
		f.Fatal(err)
	}
	names, err := filepath.Glob("../../testdata/history/registry-*.json")
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

// summary is what a state holds, to be compared.
func summary(s *index.State) (list []string) {
	for _, e := range s.Entries {
		x, err := json.Marshal(e.Extra)
		list = append(list, fmt.Sprintf("%s %s %s %v", e.Version, pyjson.Compact(nil, e.Raw), x, err))
	}
	for _, stage := range []string{index.Production, index.Staging, index.Development, index.Archived} {
		if h := s.Holder(stage); h != nil {
			list = append(list, fmt.Sprint(stage, ": ", h.Version))
		}
	}
	return append(list, "removed "+strings.Join(s.Removed(), " "))
}

var fuzzPrev = regexp.MustCompile(`"prev":"[^"]*"`)

// FuzzHistory checks that any log is either read to its last line or refused as
// damaged, and that a second read gives the same result. If chain is set, each
// line gets the right digest and checksum, so that the fuzzer gets past these.
func FuzzHistory(f *testing.F) {
	log, _ := fuzzStore(f)
	f.Add(log, false)
	f.Add(log, true)
	f.Add(bytes.ReplaceAll(log, []byte("}\n"), []byte("} \n")), true)
	f.Fuzz(func(t *testing.T, data []byte, chain bool) {
		data = data[:bytes.LastIndexByte(data, '\n')+1]
		if chain {
			var fixed []byte
			hash := ""
			for line := range bytes.Lines(data) {
				trimmed := bytes.TrimRight(line, " \n")
				end := line[len(trimmed):]
				held, _ := index.Unseal(trimmed)
				sealed := index.Seal(fuzzPrev.ReplaceAll(held, []byte(`"prev":"`+hash+`"`)))
				hash = index.HashLine(sealed)
				fixed = append(append(fixed, sealed...), end...)
			}
			data = fixed
		}
		s, err := fuzzLoader(fuzzView{log: data}).all()
		if err != nil {
			var corrupt *driver.CorruptError
			if !errors.As(err, &corrupt) || corrupt.Offset < 0 || corrupt.Offset > int64(len(data)) {
				t.Errorf("%v", err)
			}
			return
		}
		hash := ""
		for line := range bytes.Lines(data) {
			e, err := index.DecodeEvent(bytes.TrimRight(line, " \n"))
			if err != nil || e.Prev != hash {
				t.Fatalf("passed over %q: %v", line, err)
			}
			hash = index.HashLine(bytes.TrimRight(line, " \n"))
		}
		if s.Hash != hash || s.Offset != int64(len(data)) {
			t.Errorf("it stands at %d of %d", s.Offset, len(data))
		}
		// The document that is made of it reads the same, alone and beside the
		// history.
		doc := s.Document(s.Offset).Bytes()
		for _, log := range [][]byte{data, nil} {
			again, err := fuzzLoader(fuzzView{doc, log}).all()
			if err != nil {
				t.Fatalf("%v\n%s", err, doc)
			}
			if diff := cmp.Diff(summary(s.State), summary(again.State)); diff != "" {
				t.Errorf("from its document, with %d bytes of history:\n%s", len(log), diff)
			}
		}
	})
}

// FuzzMerge merges any document with a sound history. No acknowledged change is
// lost unless the document lacks it, and nothing in the document is lost. When
// the next change has recorded the merge, the document with the history and the
// history alone give the same state.
func FuzzMerge(f *testing.F) {
	log, documents := fuzzStore(f)
	frozen, err := os.ReadFile("../../testdata/stores/python-0.1.7/fraud_detection/FraudRiskModel/registry.json")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(frozen)
	for _, doc := range documents {
		f.Add(doc)
		f.Add(bytes.Replace(doc, []byte(`"modelregistry"`), []byte(`"gone"`), 1))
		f.Add(bytes.Replace(doc, []byte(`"stage": "development"`), []byte(`"stage": "production"`), -1))
		f.Add(bytes.Replace(doc, []byte(`"1.0.0": {`), []byte(`"3.0.0": {`), 1))
	}
	acknowledged, _, err := fuzzLoader(fuzzView{log: log}).replay()
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		s, err := fuzzLoader(fuzzView{doc, log}).all()
		if err != nil {
			if corrupt := (*driver.CorruptError)(nil); !errors.As(err, &corrupt) {
				t.Errorf("%v", err)
			}
			return
		}
		if s.DocumentErr == nil {
			d, err := document.Parse(doc)
			if err != nil {
				t.Fatal(err)
			}
			in := map[string]bool{}
			for _, e := range d.Entries {
				if in[e.Version] = true; s.Get(e.Version) == nil {
					t.Errorf("%q of the document is lost", e.Version)
				}
			}
			for _, e := range acknowledged.Entries {
				if s.Get(e.Version) == nil && in[e.Version] {
					t.Errorf("%s is lost", e.Version)
				}
			}
		} else if diff := cmp.Diff(summary(acknowledged), summary(s.State)); diff != "" {
			t.Errorf("a damaged document hides something:\n%s", diff)
		}
		before := summary(s.State)
		m := testModel(t, nil)
		m.state, s.Revision = s, 1
		c := &change{decide: func(txn *Txn) (string, error) {
			version, err := txn.NextNumber(nil)
			if err != nil {
				t.Skip(err)
			}
			return version, txn.Register(version, []byte(`{"stage":"development"}`), nil, "", "")
		}}
		commit := m.planBatch([]*change{c}).commit
		if commit == nil {
			t.Fatalf("nothing to append: %v", c.err)
		}
		now := fuzzView{doc, append(bytes.Clone(log), bytes.Join(commit.Lines, []byte(" \n"))...)}
		now.log = append(now.log, '\n')
		if commit.Checkpoint != nil {
			made, _ := commit.Checkpoint.Make(int64(len(now.log)))
			now.document = made.(*index.Document).Bytes()
		}
		var read [][]string
		for _, v := range []fuzzView{now, {nil, now.log}} {
			again, err := fuzzLoader(v).all()
			if err != nil {
				t.Fatalf("after the next change: %v\n%s", err, v.document)
			}
			if again.Pending != nil {
				t.Errorf("there is still something to take in: %+v", again.Pending)
			}
			read = append(read, summary(again.State))
		}
		if diff := cmp.Diff(read[0], read[1]); diff != "" {
			t.Errorf("the history alone (+) says otherwise:\n%s", diff)
		}
		lines := strings.Join(read[0], "\n")
		for _, line := range before {
			version, _, _ := strings.Cut(line, " ")
			if s.Get(version) != nil && s.Holder(index.Production) == nil && !strings.Contains(lines, line) {
				t.Errorf("%q is not there after the next change:\n%s", line, lines)
			}
		}
	})
}
