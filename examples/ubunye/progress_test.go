package main

import (
	"bytes"
	"testing"

	"github.com/ubunye-go/modelregistry"
)

func TestBar(t *testing.T) {
	for p, want := range map[modelregistry.Progress]string{
		{Total: 4 << 20}:                    "[                              ] 0 of 4 MB",
		{Hashed: 1 << 20, Total: 2 << 20}:   "[===============               ] 1 of 2 MB",
		{Hashed: 2 << 20, Total: 2 << 20}:   "[==============================] 2 of 2 MB",
		{Hashed: 9 << 20, Total: 2 << 20}:   "[==============================] 9 of 2 MB", // more files were found since
		{Hashed: 1 << 40, Total: 1<<40 + 1}: "[============================= ] 1048576 of 1048576 MB",
	} {
		if got := bar(p); got != want {
			t.Errorf("%+v: %q, want %q", p, got, want)
		}
	}
	if draw, clear := progressBar(&bytes.Buffer{}); draw != nil {
		t.Error("a bar is drawn without a terminal")
	} else {
		clear()
	}
}
