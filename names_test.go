package modelregistry_test

import (
	"context"
	"errors"
	"io/fs"
	"iter"
	"path/filepath"
	"strings"
	"testing"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/driver"
)

// untouchable is a store whose methods fail the test.
type untouchable struct{ t *testing.T }

var errTouched = errors.New("the store was called")

func (u untouchable) touched(method string) error {
	u.t.Helper()
	u.t.Errorf("Store.%s was called", method)
	return errTouched
}

func (u untouchable) Models(context.Context) iter.Seq2[driver.Name, error] {
	return func(yield func(driver.Name, error) bool) { yield(driver.Name{}, u.touched("Models")) }
}

func (u untouchable) Changed(context.Context, string, string, driver.Revision) (bool, error) {
	return true, u.touched("Changed")
}

func (u untouchable) Read(context.Context, string, string, func(driver.View) error) error {
	return u.touched("Read")
}

func (u untouchable) Append(context.Context, string, string, func(driver.View) (*driver.Commit, error)) (driver.AppendResult, error) {
	return driver.AppendResult{}, u.touched("Append")
}

func (u untouchable) Stage(context.Context, string, string) (driver.StagedFolder, error) {
	return nil, u.touched("Stage")
}

func (u untouchable) OpenTree(context.Context, string, string, string) (driver.Tree, error) {
	return nil, u.touched("OpenTree")
}

func (u untouchable) Close() error { return nil }

var hostileNames = map[string]string{
	"empty":               "",
	"dot":                 ".",
	"parent":              "..",
	"leading dot":         ".staging",
	"slash":               "a/b",
	"absolute":            "/etc",
	"climbing":            "../../etc",
	"backslash":           `a\b`,
	"climbing on Windows": `..\b`,
	"drive":               "C:",
	"stream":              "a:b",
	"NUL":                 "a\x00b",
	"newline":             "a\nb",
	"escape":              "a\x1bb",
	"delete":              "a\x7fb",
	"C1 control":          "a\u0085b",
	"invalid UTF-8":       "a\xffb",
	"asterisk":            "a*",
	"question mark":       "a?",
	"quote":               `a"b`,
	"less":                "a<b",
	"greater":             "a>b",
	"pipe":                "a|b",
	"reserved":            "CON",
	"reserved, lower":     "nul",
	"reserved, extension": "com1.txt",
	"reserved, two":       "aux.tar.gz",
	"reserved, space":     "prn .txt",
	"reserved, digit":     "LPT¹",
	"trailing dot":        "a.",
	"trailing space":      "a ",
	"too long":            strings.Repeat("a", 201),
	"too long in bytes":   strings.Repeat("ü", 101),
}

func TestHostileNames(t *testing.T) {
	t.Parallel()
	for what, bad := range hostileNames {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			r := mr.New(untouchable{t}, nil)
			ctx := t.Context()
			saved := mr.FromFunc(func(string) error { t.Error("the artifact was saved"); return nil })
			for _, name := range []mr.ModelName{{UseCase: bad, Model: "m"}, {UseCase: "u", Model: bad}} {
				if err := name.Validate(); !errors.Is(err, mr.ErrInvalid) || !errors.Is(err, fs.ErrInvalid) {
					t.Errorf("Validate: %v, want ErrInvalid", err)
				}
				ops := map[string]func() error{
					"register": func() error { _, err := r.Register(ctx, name, saved, nil); return err },
					"get":      func() error { _, err := r.GetModel(ctx, name.At("1.0.0"), nil); return err },
					"list":     func() error { _, err := r.ListVersions(ctx, name); return err },
					"promote":  func() error { _, err := r.Promote(ctx, name.At("1.0.0"), mr.Staging, nil); return err },
					"demote":   func() error { _, err := r.Demote(ctx, name.At("1.0.0"), mr.Development, nil); return err },
					"archive":  func() error { _, err := r.Archive(ctx, name.At("1.0.0"), nil); return err },
					"rollback": func() error { _, err := r.RollbackTo(ctx, name.At("1.0.0"), nil); return err },
					"compare":  func() error { _, err := r.Compare(ctx, name.At("1.0.0"), name.At("1.0.1")); return err },
				}
				for op, call := range ops {
					version := "1.0.0"
					if op == "register" || op == "list" {
						version = ""
					}
					wantError(t, call(), op, name, version, mr.ErrInvalid, fs.ErrInvalid)
				}
				if _, err := r.GetVersion(ctx, name.In(mr.Production)); !errors.Is(err, mr.ErrInvalid) {
					t.Errorf("GetVersion: %v, want ErrInvalid", err)
				}
				cfg := mr.Config{UseCase: name.UseCase, PromoteTo: mr.Staging}
				out, err := r.RegisterAndPromote(ctx, cfg, name.Model, saved, nil)
				wantError(t, err, "register", name, "", mr.ErrInvalid)
				if out.Registered || out.Promoted {
					t.Errorf("RegisterAndPromote: %+v", out)
				}
			}
		})
	}
}

func TestAcceptedNames(t *testing.T) {
	t.Parallel()
	r, dir := newStore(t, nil)
	for _, s := range []string{"a", "Fraud Risk Model", "v1.2", "модель", "-x", "~a", "COM10", "console", "con-x", "lpt", "100%", "a'b",
		strings.Repeat("a", 200), strings.Repeat("ü", 100)} {
		for _, name := range []mr.ModelName{{UseCase: s, Model: "m"}, {UseCase: "u", Model: s}} {
			if _, err := r.Register(t.Context(), name, artifact(), nil); err != nil {
				t.Error(err)
				continue
			}
			m, err := openStore(t, dir, nil).GetModel(t.Context(), name.In(mr.Development), nil)
			if err != nil {
				t.Error(err)
				continue
			}
			if want := filepath.Join(dir, name.UseCase, name.Model, "versions", "1.0.0", "model"); m.Path != want {
				t.Errorf("path %s, want %s", m.Path, want)
			}
		}
	}
	n := 0
	for name, err := range r.Models(t.Context()) {
		if err != nil {
			t.Errorf("%v: %v", name, err)
		}
		n++
	}
	if n != 28 {
		t.Errorf("the store has %d models, want 28", n)
	}
}

func TestHostileVersions(t *testing.T) {
	t.Parallel()
	r, dir := newStore(t, nil)
	register(t, r, "1.0.0", nil)
	check := unchanged(t, dir)
	for _, version := range []string{"1", "1.2", "v1.2.3", "1.2.3.4", "01.2.3", "1.2.3-", "1.2.3-01", "1.2.3+", " 1.2.3", "1.2.3\n", "-1.2.3",
		"..", "../1.2.3", "1.2.3/4", "latest", "1.2.3-a:b", "99999999999999999999.0.0", "1.0.0-" + strings.Repeat("a", 200)} {
		_, err := r.Register(t.Context(), fraud, mr.FromFunc(func(string) error {
			t.Errorf("%q: the artifact was saved", version)
			return nil
		}), &mr.RegisterOptions{Version: version})
		wantError(t, err, "register", fraud, version, mr.ErrInvalid)
		_, err = r.GetModel(t.Context(), fraud.At(version), nil)
		wantError(t, err, "get", fraud, version, mr.ErrNotFound, fs.ErrNotExist)
	}
	check()
}
