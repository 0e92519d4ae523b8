package pythonstore

import (
	"slices"

	"github.com/ubunye-go/modelregistry/internal/document"
	"github.com/ubunye-go/modelregistry/internal/pyjson"
)

// Times as Python writes them. Entry gives a version the time Day1,
// PythonRegisters the time Day3.
const (
	Day1 = "2026-11-20T05:30:11.655479+00:00"
	Day2 = "2026-11-21T07:00:00+00:00"
	Day3 = "2026-11-22T05:30:11.655479+00:00"
)

// PythonWrites changes the document as the Python program does. It reads the
// document, and writes it again in place. It keeps only three top-level keys
// and eleven keys of an entry.
func (s *Store) PythonWrites(change func(entries map[string]map[string]string, order *[]string)) {
	s.T.Helper()
	entries := map[string]map[string]string{}
	var order []string
	for _, e := range s.Document().Entries {
		members, err := pyjson.Object(e.Raw)
		if err != nil {
			s.T.Fatal(err)
		}
		entry := map[string]string{}
		for _, m := range members {
			if !slices.Contains(document.Keys, m.Key) {
				s.T.Fatalf("Python can't read an entry with the key %q", m.Key)
			}
			entry[m.Key] = string(m.Value)
		}
		if len(entry) != len(document.Keys) {
			s.T.Fatalf("the entry %s has %d keys, want 11", e.Version, len(entry))
		}
		order = append(order, e.Version)
		entries[e.Version] = entry
	}
	change(entries, &order)
	var list []string
	for _, v := range order {
		var set []string
		for _, key := range document.Keys {
			set = append(set, key, entries[v][key])
		}
		list = append(list, v, Entry(v, "", set...))
	}
	s.Write("registry.json", Document(list...))
}

// PythonRegisters registers a version as Python does.
func (s *Store) PythonRegisters(version string) {
	s.T.Helper()
	s.WriteTrees(version)
	s.PythonWrites(func(entries map[string]map[string]string, order *[]string) {
		entries[version] = map[string]string{
			"version": string(pyjson.Quote(version)), "stage": `"development"`, "registered_at": string(pyjson.Quote(Day3)),
			"metrics": `{"auc":0.25,"psi":NaN}`, "metadata": `{"by":"py"}`,
		}
		*order = append(*order, version)
	})
}

// PythonPromotes promotes a version to production as Python does.
func (s *Store) PythonPromotes(version, when string) {
	s.T.Helper()
	at := string(pyjson.Quote(when))
	s.PythonWrites(func(entries map[string]map[string]string, order *[]string) {
		for _, v := range *order {
			if entries[v]["stage"] == `"production"` {
				entries[v]["stage"], entries[v]["archived_at"] = `"archived"`, at
			}
		}
		entries[version]["stage"], entries[version]["promoted_to_prod"], entries[version]["promoted_by"] = `"production"`, at, `"py"`
	})
}

// PythonMoves promotes a version to a stage as Python does, with a time.
func (s *Store) PythonMoves(version, stage, when string) {
	s.T.Helper()
	if stage == "production" {
		s.PythonPromotes(version, when)
		return
	}
	key := map[string]string{"staging": "promoted_to_staging", "archived": "archived_at"}[stage]
	s.PythonWrites(func(entries map[string]map[string]string, _ *[]string) {
		entries[version]["stage"], entries[version][key] = string(pyjson.Quote(stage)), string(pyjson.Quote(when))
	})
}

// PythonSetsStage demotes or archives a version as Python does, without a time.
func (s *Store) PythonSetsStage(version, stage string) {
	s.T.Helper()
	s.PythonWrites(func(entries map[string]map[string]string, _ *[]string) {
		entries[version]["stage"] = string(pyjson.Quote(stage))
	})
}

// PythonSets writes one value of an entry as Python does.
func (s *Store) PythonSets(version, key, value string) {
	s.T.Helper()
	s.PythonWrites(func(entries map[string]map[string]string, _ *[]string) { entries[version][key] = value })
}

// PythonDeletes deletes a version as Python does: the files first, then the
// entry.
func (s *Store) PythonDeletes(version string) {
	s.T.Helper()
	s.Remove("versions/" + version)
	s.PythonWrites(func(entries map[string]map[string]string, order *[]string) {
		delete(entries, version)
		*order = slices.DeleteFunc(*order, func(v string) bool { return v == version })
	})
}
