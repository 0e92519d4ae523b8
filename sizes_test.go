package modelregistry_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	mr "github.com/ubunye-go/modelregistry"
)

// A program that keeps the sizes in a document and changes an entry makes
// readers see another stage. Verify finds it, and Repair puts it right.
func TestWrongSizesAreFound(t *testing.T) {
	t.Parallel()
	r, dir := newStore(t, nil)
	register(t, r, "1.0.0", map[string]any{"notes": strings.Repeat("x", 200<<10)})
	doc, err := os.ReadFile(modelPath(dir, "registry.json"))
	if err != nil {
		t.Fatal(err)
	}
	held, _, _ := strings.Cut(string(doc), `"crc32c"`)
	edited := regexp.MustCompile(`("sizes": "\d+:\d+)d"`).ReplaceAllString(held, `${1}s"`)
	if edited == held {
		t.Fatalf("the document has no sizes:\n%s", held[200<<10:])
	}
	writeFile(t, modelPath(dir, "registry.json"), sealedDocument(edited))
	report, err := openStore(t, dir, nil).Verify(t.Context(), nil)
	if err != nil || len(report.Findings) != 1 || report.Findings[0].Kind != mr.DocumentDamaged {
		t.Fatalf("Verify = %+v, %v; want a damaged document", report, err)
	}
	again := openStore(t, dir, nil)
	if _, err := again.Repair(t.Context(), fraud, &mr.RepairOptions{Apply: true}); err != nil {
		t.Fatal(err)
	}
	wantStages(t, openStore(t, dir, nil), map[string]mr.ModelStage{"1.0.0": mr.Development})
	damaged := func(f mr.Finding) bool { return f.Kind == mr.DocumentDamaged }
	if report, err = openStore(t, dir, nil).Verify(t.Context(), nil); err != nil || slices.ContainsFunc(report.Findings, damaged) {
		t.Errorf("Verify after Repair = %+v, %v", report, err)
	}
}
