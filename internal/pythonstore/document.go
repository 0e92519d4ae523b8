package pythonstore

import (
	"fmt"
	"testing"

	"github.com/ubunye-go/modelregistry/internal/document"
	"github.com/ubunye-go/modelregistry/internal/pyjson"
	"github.com/ubunye-go/modelregistry/internal/storetest"
)

// Document returns a document of entries, each a version and its raw value.
func Document(entries ...string) []byte {
	d := document.New(storetest.Fraud.UseCase, storetest.Fraud.Model)
	for i := 0; i < len(entries); i += 2 {
		d.Entries = append(d.Entries, document.Entry{Version: entries[i], Raw: []byte(entries[i+1])})
	}
	return document.Format(d)
}

// Entry returns an entry with the eleven keys, in Python's layout. set has more
// keys, or other values of these. Each key is followed by its value.
func Entry(version, stage string, set ...string) string {
	values := map[string]string{
		"version": string(pyjson.Quote(version)), "stage": string(pyjson.Quote(stage)), "registered_at": string(pyjson.Quote(Day1)),
		"metrics": "{}", "metadata": "{}",
	}
	for i := 0; i < len(set); i += 2 {
		values[set[i]] = set[i+1]
	}
	var raw []byte
	for i, key := range document.Keys {
		value := values[key]
		if value == "" {
			value = "null"
		}
		sep := ","
		if i == 0 {
			sep = "{"
		}
		raw = fmt.Appendf(raw, `%s"%s":%s`, sep, key, value)
		delete(values, key)
	}
	for i := 0; i < len(set); i += 2 {
		if v, unknown := values[set[i]]; unknown {
			raw = fmt.Appendf(raw, `,"%s":%s`, set[i], v)
		}
	}
	return string(document.LayEntry(append(raw, '}')))
}

// Member returns a member's raw value, or the empty string.
func Member(t *testing.T, raw, key string) string {
	t.Helper()
	members, err := pyjson.Object([]byte(raw))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range members {
		if m.Key == key {
			return string(m.Value)
		}
	}
	return ""
}

// Document parses the document.
func (s *Store) Document() *document.Document {
	s.T.Helper()
	d, err := document.Parse(s.Read("registry.json"))
	if err != nil {
		s.T.Fatal(err)
	}
	return d
}

// RawEntry returns the bytes of a version's entry in the document.
func (s *Store) RawEntry(version string) string {
	s.T.Helper()
	for _, e := range s.Document().Entries {
		if e.Version == version {
			return string(e.Raw)
		}
	}
	s.T.Fatalf("the document has no entry %s", version)
	return ""
}

// StagesInDocument returns the stages of the versions as Python reads them.
func (s *Store) StagesInDocument() map[string]string {
	s.T.Helper()
	m := map[string]string{}
	for _, e := range s.Document().Entries {
		m[e.Version] = pyjson.Unquote([]byte(Member(s.T, string(e.Raw), "stage")))
	}
	return m
}
