package modelregistry

// The fuzz targets look inside: a reader that looks again at what seems
// damaged, for a foreign writer might be at it, is too slow to fuzz.

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
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

var fuzzName = ModelName{UseCase: fuzzUseCase, Model: fuzzModelName}

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

func fuzzModel() *model { return &model{r: New(nil, nil), name: fuzzName} }

// fuzzStore is a real store, frozen: its history, and its document after each
// change.
func fuzzStore(f *testing.F) (log []byte, documents [][]byte) {
	f.Helper()
	log, err := os.ReadFile("testdata/history/history.jsonl")
	if err != nil {
		f.Fatal(err)
	}
	names, err := filepath.Glob("testdata/history/registry-*.json")
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
	return append(list, "removed "+strings.Join(s.Removed, " "))
}

var fuzzPrev = regexp.MustCompile(`"prev":"[^"]*"`)

// FuzzHistory: whatever the log holds is read to its last line or refused as
// damaged, and read again the same. With chain set, each line gets the digest
// and the checksum that it should have, so that more than these are tried.
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
		m := fuzzModel()
		s, err := m.loadAll(fuzzView{log: data})
		if err != nil {
			var corrupt *CorruptError
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
		doc := document.Format(s.Document(s.Offset))
		for _, log := range [][]byte{data, nil} {
			again, err := m.loadAll(fuzzView{doc, log})
			if err != nil {
				t.Fatalf("%v\n%s", err, doc)
			}
			if diff := cmp.Diff(summary(s.State), summary(again.State)); diff != "" {
				t.Errorf("from its document, with %d bytes of history:\n%s", len(log), diff)
			}
		}
	})
}

// FuzzMerge: whatever document stands beside a sound history, nothing that the
// history acknowledged is lost unless the document lacks it, nothing that the
// document holds is lost, and when the next change has recorded that, it reads
// the same from document and history, and from the history alone.
func FuzzMerge(f *testing.F) {
	log, documents := fuzzStore(f)
	frozen, err := os.ReadFile("testdata/stores/python-0.1.7/fraud_detection/FraudRiskModel/registry.json")
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
	acknowledged, _, err := fuzzModel().replay(fuzzView{log: log})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		m := fuzzModel()
		s, err := m.loadAll(fuzzView{doc, log})
		if err != nil {
			if corrupt := (*CorruptError)(nil); !errors.As(err, &corrupt) {
				t.Errorf("%v", err)
			}
			return
		}
		if s.docErr == nil {
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
		m.state, s.rev = s, 1
		c := &change{decide: func(txn *txn) (string, error) {
			version, err := txn.NextNumber()
			if err != nil {
				t.Skip(err)
			}
			return version, txn.Register(version, []byte(`{"stage":"development"}`), nil, "", "")
		}}
		_, commit := m.decide([]*change{c})
		if commit == nil {
			t.Fatalf("nothing to append: %v", c.err)
		}
		now := fuzzView{doc, append(bytes.Clone(log), bytes.Join(commit.Lines, []byte(" \n"))...)}
		now.log = append(now.log, '\n')
		if commit.Document != nil {
			now.document = commit.Document(int64(len(now.log)))
		}
		var read [][]string
		for _, v := range []fuzzView{now, {nil, now.log}} {
			again, err := m.loadAll(v)
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

// FuzzGates: gates that are accepted are written as they read, and judge any
// metrics without a panic.
func FuzzGates(f *testing.F) {
	for _, gates := range []string{`{"min_auc":0.85,"max_loss":0.2,"require_drift_check":true}`, `{"min_n":123456789012345678901234567890}`,
		`{"require_drift_check":false}`, `{"min_a":1e-7,"max_a":-0.0}`, `null`, `{"minauc":1}`, `{"min_a":NaN}`, `{"min_\ud800":1}`} {
		f.Add([]byte(gates), []byte(`{"auc":0.9,"loss":NaN,"n":1.0,"a":true,"drift_check_passed":true}`))
	}
	f.Fuzz(func(t *testing.T, data, values []byte) {
		var g PromotionGate
		if err := g.UnmarshalJSON(data); err != nil {
			if !errors.Is(err, ErrInvalid) {
				t.Errorf("%v", err)
			}
			return
		}
		out, err := g.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		var again PromotionGate
		if err := again.UnmarshalJSON(out); err != nil {
			t.Fatalf("%v in %s", err, out)
		}
		if twice, err := again.MarshalJSON(); err != nil || !bytes.Equal(out, twice) {
			t.Errorf("%v, or it is written otherwise: %s, %s", err, out, twice)
		}
		var v ModelVersion
		if _, err := pyjson.Object(values); err == nil {
			values = pyjson.Compact(nil, values)
			v.Metrics, v.Metadata = Values{values}, Values{values}
		}
		results := g.Evaluate(t.Context(), v)
		if len(results) != g.Len() {
			t.Errorf("%d results of %d gates", len(results), g.Len())
		}
		for _, r := range results {
			if _, err := r.MarshalJSON(); err != nil {
				t.Error(err)
			}
		}
		if diff := cmp.Diff(fmt.Sprint(results), fmt.Sprint(again.Evaluate(t.Context(), v))); diff != "" {
			t.Errorf("written and read, they judge otherwise:\n%s", diff)
		}
	})
}

// FuzzNames: a name or version that is accepted is one segment of a path on any
// system, and stays in the store.
func FuzzNames(f *testing.F) {
	for _, s := range []string{"fraud_detection", "1.0.0", "1.0.0-rc.1+build", "..", "a/b", `a\b`, "CON", "con.txt", "a.", "C:", "COM¹.x", "ä", "\u202e", "a\x00"} {
		f.Add(s)
	}
	device := regexp.MustCompile(`(?i)^(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$) *(\.|$)`)
	f.Fuzz(func(t *testing.T, s string) {
		name := ModelName{UseCase: s, Model: s}
		_, err := checkVersion(s)
		if name.Validate() != nil {
			if err == nil {
				t.Errorf("version %q is accepted, the name is not", s)
			}
			return
		}
		joined := path.Join("store", name.UseCase, name.Model, "versions", s)
		if joined != "store/"+s+"/"+s+"/versions/"+s || strings.Count(joined, "/") != 4 || !filepath.IsLocal(s) {
			t.Errorf("%q leaves its place: %s", s, joined)
		}
		if strings.ContainsAny(s, "\\:*?<>|\"\x00") || strings.HasPrefix(s, ".") || strings.HasSuffix(s, ".") || strings.HasSuffix(s, " ") || device.MatchString(s) || len(s) > 255 {
			t.Errorf("%q can't be stored on every system", s)
		}
	})
}
