package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// checkLossless refuses JSON of which decoding would silently lose something:
// keys that are given twice, and text that is not Unicode.
func checkLossless(data []byte) error {
	if !utf8.Valid(data) {
		return errors.New("it is not UTF-8")
	}
	if err := checkEscapes(data); err != nil {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	return checkKeys(d)
}

// checkEscapes refuses half of a surrogate pair, such as "\ud800".
func checkEscapes(data []byte) error {
	unit := func(at int) rune { // of the escape \uXXXX at a position, -1 for none
		if at+6 > len(data) || data[at] != '\\' || data[at+1] != 'u' {
			return -1
		}
		n, err := strconv.ParseUint(string(data[at+2:at+6]), 16, 16)
		if err != nil {
			return -1
		}
		return rune(n)
	}
	for i := 0; i < len(data); i++ {
		if data[i] != '\\' {
			continue
		}
		switch r := unit(i); {
		case !utf16.IsSurrogate(r):
			i++ // the escaped character may be a backslash
		case utf16.DecodeRune(r, unit(i+6)) == utf8.RuneError:
			return fmt.Errorf("%s is half of a surrogate pair, which is no text", data[i:i+6])
		default:
			i += 11
		}
	}
	return nil
}

// checkKeys refuses an object with a key that is given twice. It reads one
// value.
func checkKeys(d *json.Decoder) error {
	start, err := d.Token()
	if err != nil {
		return err
	}
	if start != json.Delim('{') && start != json.Delim('[') {
		return nil
	}
	seen := map[string]bool{}
	for d.More() {
		if start == json.Delim('{') {
			token, err := d.Token()
			if err != nil {
				return err
			}
			key, _ := token.(string)
			if seen[key] {
				return fmt.Errorf("%s is given twice", key)
			}
			seen[key] = true
		}
		if err := checkKeys(d); err != nil {
			return err
		}
	}
	_, err = d.Token() // the end
	return err
}
