package cli

import (
	"bytes"
	"testing"
	"time"

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

// The bar of a verification estimates the time left from the versions and bytes
// that are checked.
func TestVerifyBar(t *testing.T) {
	for _, tc := range []struct {
		p    modelregistry.VerifyProgress
		want string
	}{
		{modelregistry.VerifyProgress{Number: 1, Models: 1, Begun: 250, Checked: 249, Versions: 1000, Files: modelregistry.Progress{Hashed: 3 << 20, Total: 3 << 20}},
			"[=======                       ] 249 of 1000 versions, 3 MB, about 30s left"},
		{modelregistry.VerifyProgress{Number: 1, Models: 1, Begun: 2, Versions: 2, Files: modelregistry.Progress{Hashed: 1 << 30, Total: 2 << 30}},
			"[===============               ] 0 of 2 versions, 1024 MB, about 10s left"},
		{modelregistry.VerifyProgress{Number: 2, Models: 4, Begun: 4, Checked: 3, Versions: 6}, // no version has a digest
			"[===========                   ] model 2 of 4, 3 of 6 versions, 0 MB, about 17s left"},
		{modelregistry.VerifyProgress{Number: 1, Models: 1, Begun: 1, Versions: 6}, "[                              ] 0 of 6 versions, 0 MB"},
	} {
		if got := verifyBar(tc.p, 10*time.Second); got != tc.want {
			t.Errorf("%+v: %q, want %q", tc.p, got, tc.want)
		}
	}
}

func TestDeletionLine(t *testing.T) {
	for p, want := range map[modelregistry.DeletionProgress]string{
		{Done: 0, Total: 9000}:    "[                              ] 0 of 9000 versions",
		{Done: 3000, Total: 9000}: "[==========                    ] 3000 of 9000 versions, about 20s left",
		{Done: 9000, Total: 9000}: "[==============================] 9000 of 9000 versions, about 0s left",
	} {
		if got := deletionLine(p, 10*time.Second); got != want {
			t.Errorf("%+v: %q, want %q", p, got, want)
		}
	}
	if draw, clear := deletionBar(&bytes.Buffer{}); draw != nil {
		t.Error("a bar is drawn without a terminal")
	} else {
		clear()
	}
}
