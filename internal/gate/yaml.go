package gate

import (
	"encoding/json"
	"fmt"

	"github.com/ubunye-go/modelregistry/internal/decimal"
	"github.com/ubunye-go/modelregistry/internal/pyjson"
)

// YAML returns the map of JSON with numbers that YAML libraries print: int64
// and float64. It fails as JSON does, and if such a number would have other
// digits.
func (s Set) YAML() (map[string]any, error) {
	data, err := s.JSON()
	if err != nil {
		return nil, err
	}
	value, err := pyjson.Decode(data)
	if err != nil {
		return nil, err
	}
	gates, _ := value.(map[string]any)
	return gates, yamlNumbers(gates)
}

// yamlNumbers replaces the numbers in a map, and in the maps in it.
func yamlNumbers(m map[string]any) error {
	for key, value := range m {
		var err error
		switch v := value.(type) {
		case map[string]any:
			err = yamlNumbers(v)
		case json.Number:
			m[key], err = yamlNumber(v)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
	}
	return nil
}

func yamlNumber(n json.Number) (any, error) {
	if i, err := n.Int64(); err == nil {
		return i, nil
	}
	f, err := n.Float64()
	if err != nil {
		return nil, err
	}
	exact, err := decimal.Parse(string(n))
	if err != nil {
		return nil, err
	}
	printed, err := decimal.Parse(pyjson.Float(f))
	if err != nil || exact.Cmp(printed) != 0 {
		return nil, fmt.Errorf("%s has more digits than a float64, and YAML may lose some", n)
	}
	return f, nil
}

// textKeys returns a map with keys of type string. In a map[string]any, some
// YAML libraries make a nested map a map[any]any.
func textKeys(value any) any {
	m, is := value.(map[any]any)
	if !is {
		return value
	}
	texts := make(map[string]any, len(m))
	for key, v := range m {
		text, isText := key.(string)
		if !isText {
			return value // which has no JSON form
		}
		texts[text] = v
	}
	return texts
}
