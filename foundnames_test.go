package modelregistry_test

import (
	"os"
	"runtime"
	"strings"
	"testing"

	mr "github.com/ubunye-go/modelregistry"
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
	d := newPythonDocument(1)
	for _, version := range append(names, "1.0.0") {
		d.Versions[version] = map[string]any{"version": version, "stage": mr.Staging, "registered_at": "2026-11-20T05:30:11.655479+00:00",
			"metrics": map[string]any{}, "metadata": map[string]any{}}
	}
	d.write(t, dir)
	for _, version := range append(names, "1.0.0") {
		if err := os.MkdirAll(storetest.Path(dir, "versions", version, "model"), 0o777); err != nil {
			t.Fatal(err)
		}
		storetest.WriteFile(t, storetest.Path(dir, "versions", version, "model", "weights.bin"), version)
	}
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
