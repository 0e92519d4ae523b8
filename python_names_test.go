package modelregistry_test

import (
	"os"
	"runtime"
	"strings"
	"testing"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/internal/pythonstore"
	"github.com/ubunye-go/modelregistry/internal/storetest"
)

// Another program may name a version as the registry would not. Where the
// system can keep the name, the version is served like any other.
func TestVersionsNamedByAnotherProgram(t *testing.T) {
	t.Parallel()
	names := []string{"CON", "a:b", ".5.0", "1.0 ", strings.Repeat("x", 220)}
	if runtime.GOOS == "windows" {
		t.Skip("Windows can't keep these names")
	}
	dir := t.TempDir()
	store := pythonstore.At(t, dir)
	var entries []string
	for _, version := range append(names, "1.0.0") {
		entries = append(entries, version, pythonstore.Entry(version, "staging"))
		store.Write("versions/"+version+"/model/weights.bin", []byte(version))
	}
	store.Write("registry.json", pythonstore.Document(entries...))
	r := storetest.Open(t, dir, nil)
	for _, version := range names {
		v, err := r.Promote(t.Context(), storetest.Fraud.At(version), mr.Production, nil)
		if err != nil {
			t.Errorf("promoting %q: %v", version, err)
			continue
		}
		m, err := r.GetModel(t.Context(), v.Ref(), nil)
		if err != nil {
			t.Errorf("getting %q: %v", version, err)
			continue
		}
		if data, err := os.ReadFile(m.Path + "/weights.bin"); string(data) != version {
			t.Errorf("the file of %q: got %q, error %v", version, data, err)
		}
		m.Close()
	}
	report, err := r.Verify(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range report.Findings {
		if f.Kind != mr.NoDigests && f.Kind != mr.NoHistory {
			t.Errorf("Verify found %v, want only that the versions have no digests", f)
		}
	}
}
