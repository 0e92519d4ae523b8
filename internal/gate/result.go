package gate

import (
	"fmt"
	"strings"

	"github.com/ubunye-go/modelregistry/internal/pyjson"
)

// A Result is the result of one gate.
type Result struct {
	Name      string
	Passed    bool
	Message   string
	Actual    any // the version's value, nil if it has none
	Threshold any // the required value, nil for a function

	// A relative gate also has these.
	Baseline      string // the version that was compared with, empty for none
	BaselineValue any    // that version's value, nil if it has none
	Margin        any    // a json.Number, or a share such as "2%"
}

// EncodeResults encodes results for an event. It returns nil for nil.
func EncodeResults(results []Result) ([]byte, error) {
	if results == nil {
		return nil, nil
	}
	b := []byte{'['}
	for i, r := range results {
		if i > 0 {
			b = append(b, ',')
		}
		raw, err := pyjson.Marshal([]any{r.Name, r.Passed, r.Message, r.Actual, r.Threshold}, false)
		if err != nil {
			return nil, err
		}
		f, _ := pyjson.Array(raw)
		b = fmt.Appendf(b, `{"name":%s,"passed":%s,"message":%s,"actual":%s,"threshold":%s`, f[0], f[1], f[2], f[3], f[4])
		if r.Margin != nil {
			if raw, err = pyjson.Marshal([]any{r.Baseline, r.BaselineValue, r.Margin}, false); err != nil {
				return nil, err
			}
			f, _ = pyjson.Array(raw)
			b = fmt.Appendf(b, `,"baseline":%s,"baseline_value":%s,"margin":%s`, f[0], f[1], f[2])
		}
		b = append(b, '}')
	}
	return append(b, ']'), nil
}

// DecodeResults decodes results from an event. It returns nil for nil.
func DecodeResults(raw []byte) []Result {
	if raw == nil {
		return nil
	}
	results := []Result{}
	list, _ := pyjson.Array(raw)
	for _, raw := range list {
		v, _ := pyjson.Decode(raw)
		f, _ := v.(map[string]any)
		r := Result{Actual: f["actual"], Threshold: f["threshold"], Passed: f["passed"] == true,
			BaselineValue: f["baseline_value"], Margin: f["margin"]}
		r.Name, _ = f["name"].(string)
		r.Message, _ = f["message"].(string)
		r.Baseline, _ = f["baseline"].(string)
		results = append(results, r)
	}
	return results
}

// asJSON formats a value as JSON, so that the string "1" and the number 1 look
// different.
func asJSON(v any) string {
	raw, err := pyjson.Marshal(v, false)
	if err != nil {
		return fmt.Sprint(v)
	}
	return excerpt(string(raw))
}

// excerpt returns a value as it stands in a message. A long value is cut.
func excerpt(s string) string {
	const most = 500 // bytes, enough for every integer that a float64 can be near
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + fmt.Sprintf("… (%d bytes)", len(s))
}
