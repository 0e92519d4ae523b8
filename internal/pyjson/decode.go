package pyjson

import "encoding/json"

// Decode returns a raw value as nil, bool, string, json.Number, []any or
// map[string]any. A number keeps its digits. The non-finite literals become the
// numbers "NaN", "Infinity" and "-Infinity", which strconv.ParseFloat accepts.
func Decode(b []byte) (any, error) {
	if err := Valid(b); err != nil {
		return nil, err
	}
	v, _ := decode(b, space(b, 0))
	return v, nil
}

// decode decodes the value at i. b must be valid.
func decode(b []byte, i int) (any, int) {
	switch b[i] {
	case '{':
		m := map[string]any{}
		end, _ := object(b, i, 0, func(mem Member) { m[mem.Key], _ = decode(mem.Value, 0) })
		return m, end
	case '[':
		list := []any{}
		end, _ := array(b, i, 0, func(raw []byte) {
			v, _ := decode(raw, 0)
			list = append(list, v)
		})
		return list, end
	case '"':
		end, _ := str(b, i)
		return Unquote(b[i:end]), end
	case 't':
		return true, i + 4
	case 'f':
		return false, i + 5
	case 'n':
		return nil, i + 4
	}
	end, _ := value(b, i, 0)
	return json.Number(b[i:end]), end
}
