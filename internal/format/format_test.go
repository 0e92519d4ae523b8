package format_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ubunye-go/modelregistry/internal/format"
)

func TestUnknownNamesEveryNeed(t *testing.T) {
	t.Parallel()
	for model, want := range map[string][]string{
		``:                               nil,
		`{}`:                             nil,
		`{"needs":[]}`:                   nil,
		`{"needs":null}`:                 nil,
		`{"aliases":{"needs":["x"]}}`:    nil,
		`{"needs":["policies","holds"]}`: {"policies", "holds"},
		`{"needs":["\u0070olicies"]}`:    {"policies"},
		`{"needs":[{"policies":2}, 7]}`:  {`{"policies":2}`, "7"},
		`{"needs":"policies"}`:           {`needs: "policies"`},
		`{"needs":{"policies": 2}}`:      {`needs: {"policies":2}`},
	} {
		if diff := cmp.Diff(want, format.Unknown([]byte(model))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", model, diff)
		}
	}
}

func TestLastIsTheLatestAfterImage(t *testing.T) {
	t.Parallel()
	for lines, want := range map[string]string{
		``:                               ``,
		"{\"event\":1}\n{\"event\":2}\n": ``,
		"{\"event\":1,\"model\":{\"a\":1}}\n{\"event\":2} \n": `{"a":1}`,
		"{\"model\":{\"a\":1}} \n{\"model\":{\"b\":1}}\n":     `{"b":1}`,
		"{\"model\":{\"a\":1}}\nnot JSON \"model\"\n":         `{"a":1}`,
		"{\"model\":{\"a\":1}}\n{\"after\":{\"model\":{}}}\n": `{"a":1}`,
		"{\"\\u006dodel\":{\"a\":1}}":                         ``, // no release writes the key so
	} {
		if diff := cmp.Diff(want, string(format.Last([]byte(lines)))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", lines, diff)
		}
	}
}
