package storetest

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/internal/document"
	"github.com/ubunye-go/modelregistry/internal/pyjson"
)

// WantError checks that err is an *Error about its subject, and matches all of
// is.
func WantError(t testing.TB, err error, op string, name mr.ModelName, version string, is ...error) {
	t.Helper()
	var e *mr.Error
	if !errors.As(err, &e) {
		t.Errorf("got error %v, want an *Error of %s", err, op)
		return
	}
	type subject struct{ Op, UseCase, Model, Version string }
	want := subject{op, name.UseCase, name.Model, version}
	if diff := cmp.Diff(want, subject{e.Op, e.Ref.Name.UseCase, e.Ref.Name.Model, e.Ref.Version}); diff != "" {
		t.Errorf("subject of %v (-want +got):\n%s", err, diff)
	}
	for _, target := range is {
		if !errors.Is(err, target) {
			t.Errorf("error %q does not match %q", err, target)
		}
	}
	if strings.Contains(err.Error(), "failed to") {
		t.Errorf("error %q says failed to", err)
	}
}

// WantInStep checks that the registry wrote the document of Fraud, and that it
// stands at the last event of the history.
func WantInStep(t testing.TB, dir string) {
	t.Helper()
	data, err := ReadFile(Path(dir, "registry.json"))
	if err != nil {
		t.Fatal(err)
	}
	d, err := document.Parse(data)
	if err != nil || d.Mark == nil || !d.Intact {
		t.Fatalf("the document does not carry our key (%v):\n%s", err, data)
	}
	log, err := ReadFile(Path(dir, "history.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	var last struct{ Event int64 }
	line := log[bytes.LastIndexByte(bytes.TrimSpace(log), '\n')+1:]
	if err := json.Unmarshal(pyjson.Finite(nil, bytes.TrimSpace(line)), &last); err != nil || !bytes.HasSuffix(line, []byte("}\n")) {
		t.Fatalf("the history ends in %q: %v", line, err)
	}
	if d.Mark.Event != last.Event {
		t.Errorf("the document stands at event %d, the history at %d", d.Mark.Event, last.Event)
	}
}

// Listing maps every path below dir to the digest and modification time of a
// file, or to the target of a link.
func Listing(t testing.TB, dir string) map[string]string {
	t.Helper()
	m := map[string]string{}
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || name == dir {
			return err
		}
		rel, err := filepath.Rel(dir, name)
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		switch {
		case info.Mode().IsRegular():
			data, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			m[rel] = fmt.Sprintf("%s %s %d bytes, %.4x", info.Mode(), info.ModTime(), len(data), sha256.Sum256(data))
		case info.Mode()&fs.ModeSymlink != 0:
			m[rel], err = os.Readlink(name)
			return err
		default:
			m[rel] = info.Mode().String()
		}
		return nil
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return m
}

// Unchanged takes a listing of dir, and returns a function that fails the test
// if the folder is no longer so.
func Unchanged(t testing.TB, dir string) func() {
	t.Helper()
	before := Listing(t, dir)
	return func() {
		t.Helper()
		if diff := cmp.Diff(before, Listing(t, dir)); diff != "" {
			t.Errorf("the folder changed (-before +after):\n%s", diff)
		}
	}
}

// JSON returns v as JSON.
func JSON(t testing.TB, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// Files reads every file of a folder.
func Files(t testing.TB, dir string) map[string]string {
	t.Helper()
	m := map[string]string{}
	err := fs.WalkDir(os.DirFS(dir), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := fs.ReadFile(os.DirFS(dir), name)
		m[name] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return m
}
