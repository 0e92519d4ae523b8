// Package format defines how a model's files change from release to release:
// the number of the format, and what a program must understand before it may
// write a model. It knows neither events nor versions.
//
// Facts about a model itself are one object, "model". An event that changes it
// carries all of it, and so does our key in registry.json. In that object
// "needs" lists what a writer must understand. A release that meets a need that
// it does not know reads the model and changes nothing.
package format

import (
	"bytes"
	"fmt"

	"github.com/ubunye-go/modelregistry/internal/pyjson"
)

// Version is the value of "format" in our key in registry.json. A key without
// it was written by a release that drops members that it does not know.
const Version = 2

// MaxEvent is the highest number that an event can have. Up to this number
// every program that reads JSON keeps integers exact (RFC 8259, section 6).
const MaxEvent = 1<<53 - 1

// Model is the member of an event, and of our key in registry.json, that holds
// the facts about the model itself.
const Model = "model"

const needs = "needs"

// known are the needs that this release understands. There are none yet.
var known = map[string]bool{}

// Unknown returns the needs in a "model" object that this release does not
// know, in their order. If "needs" is not a list of names, all of it is one
// unknown need.
func Unknown(model []byte) (names []string) {
	for _, raw := range values(model, needs) {
		list, err := pyjson.Array(raw)
		if err != nil {
			if string(raw) != "null" {
				names = append(names, fmt.Sprintf("%s: %s", needs, pyjson.Compact(nil, raw)))
			}
			continue
		}
		for _, item := range list {
			name := string(item)
			if item[0] == '"' {
				name = pyjson.Unquote(item)
			}
			if !known[name] {
				names = append(names, name)
			}
		}
	}
	return names
}

// Last returns the last "model" object in the lines of a log, or nil if there
// is none. It ignores a line that can't be read.
func Last(lines []byte) (model []byte) {
	for len(lines) > 0 {
		line := lines
		if n := bytes.IndexByte(lines, '\n'); n >= 0 {
			line = lines[:n]
		}
		lines = lines[min(len(line)+1, len(lines)):]
		if !bytes.Contains(line, []byte(`"`+Model+`"`)) { // most lines need not be parsed
			continue
		}
		for _, raw := range values(bytes.TrimRight(line, " "), Model) {
			model = raw
		}
	}
	return model
}

// values returns the raw values of the members of an object that have a name.
func values(object []byte, name string) (list [][]byte) {
	if len(object) == 0 {
		return nil
	}
	err := pyjson.Walk(object, func(start, end, at int) (int, error) {
		stop, err := pyjson.Skip(object, at, 1)
		if err == nil && pyjson.Names(object[start:end], name) {
			list = append(list, object[at:stop:stop])
		}
		return stop, err
	})
	if err != nil {
		return nil
	}
	return list
}
