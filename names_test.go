package modelregistry_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"iter"
	"log/slog"
	"math"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/driver"
)

// untouchable is a store that nobody may call.
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

func TestBadArtifacts(t *testing.T) {
	t.Parallel()
	outside := t.TempDir()
	writeFile(t, filepath.Join(outside, "secret"), "secret")
	link := func(t *testing.T, dir, target string) {
		writeFile(t, filepath.Join(dir, "a"), "a")
		if err := os.Symlink(target, filepath.Join(dir, "link")); err != nil {
			t.Skip("no symbolic link can be made here:", err)
		}
	}
	tests := map[string]struct {
		prepare func(t *testing.T, dir string)
		names   string // what the error names
		missing bool
	}{
		"missing":        {prepare: func(t *testing.T, dir string) { os.Remove(dir) }, missing: true},
		"empty":          {prepare: func(*testing.T, string) {}},
		"folders only":   {prepare: func(t *testing.T, dir string) { os.MkdirAll(filepath.Join(dir, "a", "b"), 0o777) }},
		"link to file":   {prepare: func(t *testing.T, dir string) { link(t, dir, "a") }, names: "link"},
		"link to folder": {prepare: func(t *testing.T, dir string) { link(t, dir, outside) }, names: "link"},
		"broken link":    {prepare: func(t *testing.T, dir string) { link(t, dir, "nowhere") }, names: "link"},
		"link below": {prepare: func(t *testing.T, dir string) {
			sub := filepath.Join(dir, "x", "y")
			writeFile(t, filepath.Join(sub, "b"), "b")
			link(t, sub, filepath.Join(outside, "secret"))
		}, names: "x/y/link"},
		"socket": {prepare: func(t *testing.T, dir string) {
			if runtime.GOOS == "windows" {
				t.Skip("a socket in the file system is not a file type of its own on Windows")
			}
			l, err := net.Listen("unix", filepath.Join(dir, "sock"))
			if err != nil {
				t.Skip("no socket can be made here:", err)
			}
			t.Cleanup(func() { l.Close() })
			writeFile(t, filepath.Join(dir, "a"), "a")
		}, names: "sock"},
		"pipe": {prepare: func(t *testing.T, dir string) {
			if runtime.GOOS == "windows" {
				t.Skip("Windows keeps named pipes outside the file system")
			}
			if err := exec.Command("mkfifo", filepath.Join(dir, "pipe")).Run(); err != nil {
				t.Skip("no named pipe can be made here:", err)
			}
			writeFile(t, filepath.Join(dir, "a"), "a")
		}, names: "pipe"},
	}
	for what, test := range tests {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			// A socket's path is short.
			dir, err := os.MkdirTemp("", "mr")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { os.RemoveAll(dir) })
			test.prepare(t, dir)
			r, store := newStore(t, nil)
			register(t, r, "1.0.0", nil)
			check, source := unchanged(t, store), unchanged(t, dir)
			from := map[string]mr.Artifact{"FromDir": mr.FromDir(dir), "FromPath": mr.FromPath(dir)}
			if !test.missing {
				from["FromFS"] = mr.FromFS(os.DirFS(dir))
			}
			if test.missing || test.names != "" {
				from["MoveDir"] = mr.MoveDir(dir)
			}
			for how, a := range from {
				_, err := r.Register(t.Context(), fraud, a, nil)
				wantError(t, err, "register", fraud, "", mr.ErrArtifact)
				if err != nil && !strings.Contains(err.Error(), test.names) {
					t.Errorf("%s: error %q does not name %s", how, err, test.names)
				}
				if test.missing && !errors.Is(err, fs.ErrNotExist) {
					t.Errorf("%s: error %q does not match fs.ErrNotExist", how, err)
				}
				check()
				source()
			}
			if test.names == "" {
				return
			}
			_, err = r.Register(t.Context(), fraud, mr.FromFile(filepath.Join(dir, filepath.FromSlash(test.names))), nil)
			if what != "link to file" && what != "link below" { // a file's own path may be a link
				wantError(t, err, "register", fraud, "", mr.ErrArtifact)
				check()
			}
		})
	}
}

func TestSavedArtifactOfBadKind(t *testing.T) {
	t.Parallel()
	tests := map[string]func(dir string) error{
		"nothing": func(string) error { return nil },
		"link": func(dir string) error {
			return errors.Join(os.WriteFile(filepath.Join(dir, "a"), nil, 0o666), os.Symlink("a", filepath.Join(dir, "link")))
		},
		"the folder itself a link": func(dir string) error {
			return errors.Join(os.Remove(dir), os.Symlink(os.TempDir(), dir))
		},
		"the folder gone":   os.Remove,
		"the folder a file": func(dir string) error { return errors.Join(os.Remove(dir), os.WriteFile(dir, nil, 0o666)) },
	}
	for what, save := range tests {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			r, dir := newStore(t, nil)
			_, err := r.Register(t.Context(), fraud, mr.FromFunc(save), nil)
			wantError(t, err, "register", fraud, "", mr.ErrArtifact)
			if got := listing(t, dir); len(got) > 0 {
				t.Errorf("left behind: %v", got)
			}
		})
	}
	t.Run("none given", func(t *testing.T) {
		_, err := mr.New(untouchable{t}, nil).Register(t.Context(), fraud, mr.Artifact{}, nil)
		wantError(t, err, "register", fraud, "", mr.ErrArtifact)
	})
}

// climbingFS is a file system that lists a name which leads out of it.
type climbingFS struct{ fstest.MapFS }

type climbingEntry struct{ fs.DirEntry }

func (climbingEntry) Name() string { return "../../escaped" }

func (c climbingFS) ReadDir(name string) ([]fs.DirEntry, error) {
	list, err := c.MapFS.ReadDir(name)
	for i := range list {
		list[i] = climbingEntry{list[i]}
	}
	return list, err
}

func (c climbingFS) Open(name string) (fs.File, error) {
	if strings.Contains(name, "escaped") {
		name = "a"
	}
	return c.MapFS.Open(name)
}

func TestFromFSStaysInside(t *testing.T) {
	t.Parallel()
	r, dir := newStore(t, nil)
	_, err := r.Register(t.Context(), fraud, mr.FromFS(climbingFS{fstest.MapFS{"a": {Data: []byte("a")}}}), nil)
	wantError(t, err, "register", fraud, "", mr.ErrArtifact)
	if got := listing(t, dir); len(got) > 0 {
		t.Errorf("left behind: %v", got)
	}
}

// A store is often inside the folder that one registers from.
func TestArtifactThatHoldsTheStore(t *testing.T) {
	t.Parallel()
	for what, from := range map[string]func(string) mr.Artifact{"FromDir": mr.FromDir, "MoveDir": mr.MoveDir, "FromPath": mr.FromPath} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			writeFile(t, filepath.Join(dir, "weights.bin"), "weights")
			store := filepath.Join(dir, ".ubunye", "model_store")
			r := openStore(t, store, nil)
			register(t, r, "1.0.0", nil)
			check := unchanged(t, dir)
			_, err := r.Register(t.Context(), fraud, from(dir), nil)
			wantError(t, err, "register", fraud, "", mr.ErrArtifact)
			if errText := err.Error(); len(errText) > 1000 {
				t.Errorf("the folder was copied into itself: %.100s…", errText)
			}
			check()
		})
	}
}

func TestNonFinite(t *testing.T) {
	t.Parallel()
	type loss float32
	nan, inf := math.NaN(), math.Inf(1)
	tests := map[string]struct {
		value any
		path  string
	}{
		"NaN":              {nan, "m"},
		"infinity":         {inf, "m"},
		"minus infinity":   {-inf, "m"},
		"float32":          {float32(inf), "m"},
		"named type":       {loss(nan), "m"},
		"pointer":          {&nan, "m"},
		"list":             {[]float64{1, nan}, "m[1]"},
		"array":            {[2]float64{1, nan}, "m[1]"},
		"nested":           {map[string]any{"a": []any{1, map[string]float64{"b": inf}}}, "m.a[1].b"},
		"struct":           {struct{ A float64 }{nan}, "m"},
		"pointer's struct": {&struct{ A []float64 }{[]float64{inf}}, "m"},
		"json.Number":      {json.Number("-Infinity"), "m"},
		"other map":        {map[int]float64{1: nan}, "m"},
	}
	r, dir := newStore(t, nil)
	register(t, r, "1.0.0", nil)
	check := unchanged(t, dir)
	for what, test := range tests {
		values := map[string]any{"m": test.value}
		for _, o := range []mr.RegisterOptions{{Metrics: values}, {Metadata: values}} {
			_, err := r.Register(t.Context(), fraud, mr.FromFunc(func(string) error {
				t.Errorf("%s: the artifact was saved", what)
				return nil
			}), &o)
			wantError(t, err, "register", fraud, "", mr.ErrNonFinite, mr.ErrInvalid)
			if err != nil && !strings.Contains(err.Error(), test.path+" is ") {
				t.Errorf("%s: error %q does not say where: %s", what, err, test.path)
			}
		}
	}
	check()
}

func TestValuesWithoutJSONForm(t *testing.T) {
	t.Parallel()
	cycle := map[string]any{}
	cycle["self"] = cycle
	type list []list
	deep := list{}
	for range 998 {
		deep = list{deep}
	}
	r, dir := newStore(t, nil)
	register(t, r, "1.0.0", nil)
	check := unchanged(t, dir)
	for what, value := range map[string]any{"func": func() {}, "chan": make(chan int), "complex": 1i, "cycle": cycle, "bad number": json.Number("1x"),
		"bad raw": json.RawMessage("{"), "deep raw": json.RawMessage(strings.Repeat("[", 2000) + strings.Repeat("]", 2000)), "deep": deep} {
		_, err := r.Register(t.Context(), fraud, artifact(), &mr.RegisterOptions{Metadata: map[string]any{"x": value}})
		if err == nil {
			t.Errorf("%s: no error", what)
			if _, err := openStore(t, dir, nil).ListVersions(t.Context(), fraud); err != nil {
				t.Fatalf("%s: and now the model can't be read: %v", what, err)
			}
			continue
		}
		wantError(t, err, "register", fraud, "", mr.ErrInvalid)
	}
	check()
}

func TestAllowNonFinite(t *testing.T) {
	t.Parallel()
	r, dir := newStore(t, nil)
	o := &mr.RegisterOptions{AllowNonFinite: true, Metrics: map[string]any{"a": math.NaN(), "b": []float64{math.Inf(1), math.Inf(-1)}, "c": 1.0}}
	v, err := r.Register(t.Context(), fraud, artifact(), o)
	if err != nil {
		t.Fatal(err)
	}
	again, err := openStore(t, dir, nil).GetVersion(t.Context(), fraud.At(v.Version))
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"a":NaN,"b":[Infinity,-Infinity],"c":1.0}`
	if v.Metrics.String() != want || again.Metrics.String() != want {
		t.Errorf("metrics %s, and read again %s, want %s", v.Metrics, again.Metrics, want)
	}
	if f, ok := again.Metrics.Float("a"); !ok || !math.IsNaN(f) {
		t.Errorf("a is %v, %v", f, ok)
	}
	if got := mustJSON(t, again.Metrics); got != `{"a":null,"b":[null,null],"c":1.0}` {
		t.Errorf("as JSON %s", got)
	}
}

func TestStoreIsAFile(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "store")
	r := openStore(t, file, nil) // missing as yet
	writeFile(t, file, "a file")
	for _, dir := range []string{file, ""} {
		_, err := mr.Open(dir, nil)
		wantError(t, err, "open", mr.ModelName{}, "", fs.ErrInvalid)
	}
	if _, err := mr.Open(filepath.Join(file, "below"), nil); err == nil {
		t.Error("a store below a file: no error")
	}
	_, err := r.Register(t.Context(), fraud, artifact(), nil)
	wantError(t, err, "register", fraud, "")
	_, err = r.ListVersions(t.Context(), fraud)
	wantError(t, err, "list", fraud, "")
	if data, _ := os.ReadFile(file); string(data) != "a file" {
		t.Errorf("the file now holds %q", data)
	}
}

func TestUnknownSubjects(t *testing.T) {
	t.Parallel()
	r, dir := newStore(t, nil)
	register(t, r, "1.0.0", nil)
	other := mr.ModelName{UseCase: fraud.UseCase, Model: "Other"}
	nowhere := mr.ModelName{UseCase: "nowhere", Model: fraud.Model}
	check := unchanged(t, dir)
	ctx := t.Context()

	for _, name := range []mr.ModelName{fraud, other, nowhere} {
		version, stage := "9.9.9", mr.Production
		missing := []error{mr.ErrNotFound, fs.ErrNotExist}
		_, err := r.GetModel(ctx, name.At(version), nil)
		wantError(t, err, "get", name, version, missing...)
		_, err = r.GetModel(ctx, name.In(stage), nil)
		wantError(t, err, "get", name, "", missing...)
		_, err = r.GetVersion(ctx, mr.Ref{Name: name, Version: version, Stage: stage})
		wantError(t, err, "get", name, version, missing...)
		_, err = r.Promote(ctx, name.At(version), stage, nil)
		wantError(t, err, "promote", name, version, missing...)
		_, err = r.Demote(ctx, name.At(version), mr.Archived, nil)
		wantError(t, err, "demote", name, version, missing...)
		_, err = r.Archive(ctx, name.At(version), nil)
		wantError(t, err, "archive", name, version, missing...)
		_, err = r.RollbackTo(ctx, name.At(version), nil)
		wantError(t, err, "rollback", name, version, missing...)
		_, err = r.Rollback(ctx, name, nil)
		wantError(t, err, "rollback", name, "", missing...)
		_, err = r.Compare(ctx, name.At(version), name.At("1.0.0"))
		wantError(t, err, "compare", name, version, missing...)
		if name != fraud {
			_, err = r.ListVersions(ctx, name)
			wantError(t, err, "list", name, "", missing...)
		}
	}

	for _, stage := range []mr.ModelStage{"", "prod", "Production", " production", "deleted"} {
		_, err := r.Promote(ctx, fraud.At("1.0.0"), stage, nil)
		wantError(t, err, "promote", fraud, "1.0.0", mr.ErrInvalid)
		_, err = r.Demote(ctx, fraud.At("1.0.0"), stage, nil)
		wantError(t, err, "demote", fraud, "1.0.0", mr.ErrInvalid)
		_, err = r.GetModel(ctx, fraud.In(stage), nil)
		wantError(t, err, "get", fraud, "", mr.ErrInvalid)
		if _, err := mr.ParseStage(string(stage)); !errors.Is(err, mr.ErrInvalid) {
			t.Errorf("ParseStage(%q): %v", stage, err)
		}
	}
	for op, call := range map[string]func() error{
		"promote": func() error { _, err := r.Promote(ctx, fraud.At(""), mr.Staging, nil); return err },
		"demote":  func() error { _, err := r.Demote(ctx, fraud.At(""), mr.Archived, nil); return err },
		"archive": func() error { _, err := r.Archive(ctx, fraud.At(""), nil); return err },
		"compare": func() error { _, err := r.Compare(ctx, fraud.At(""), fraud.At("")); return err },
	} {
		wantError(t, call(), op, fraud, "", mr.ErrInvalid)
	}
	check()
}

func TestEmptyStore(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "missing")
	r := openStore(t, dir, nil)
	for name, err := range r.Models(t.Context()) {
		t.Errorf("Models yields %v, %v", name, err)
	}
	list, err := r.VersionsOfRun(t.Context(), "run")
	if err != nil || len(list) > 0 {
		t.Errorf("VersionsOfRun: %v, %v", list, err)
	}
	_, err = r.GetModel(t.Context(), fraud.In(mr.Production), nil)
	wantError(t, err, "get", fraud, "", mr.ErrNotFound)
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("reading made the store: %v", err)
	}
}

func TestPlantedSymlinks(t *testing.T) {
	t.Parallel()
	uc, model := fraud.UseCase, filepath.Join(fraud.UseCase, fraud.Model)
	for _, planted := range []string{uc, model, filepath.Join(model, "versions"), filepath.Join(model, "versions", "1.0.0"),
		filepath.Join(model, "history.jsonl"), filepath.Join(model, "registry.json"), filepath.Join(model, ".staging"), filepath.Join(model, ".lock"),
		filepath.Join(model, ".registry.json.tmp")} {
		t.Run(filepath.ToSlash(planted), func(t *testing.T) {
			t.Parallel()
			// Elsewhere is a whole store of its own, so that whatever is looked
			// for beyond the link is there.
			elsewhere := t.TempDir()
			register(t, openStore(t, elsewhere, nil), "1.0.0", nil)
			target := filepath.Join(elsewhere, planted)
			if strings.HasSuffix(planted, ".staging") {
				writeFile(t, filepath.Join(target, strings.Repeat("0", 32), "tree", "x"), "x")
			}
			if strings.HasSuffix(planted, ".tmp") {
				writeFile(t, target, "x")
			}

			dir := t.TempDir()
			if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, planted)), 0o777); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink(target, filepath.Join(dir, planted)); err != nil {
				t.Skip("no symbolic link can be made here:", err)
			}
			check := unchanged(t, elsewhere)
			r := openStore(t, dir, nil)
			ctx := t.Context()
			_, _ = r.Register(ctx, fraud, artifact(), nil)
			_, _ = r.Register(ctx, fraud, artifact(), &mr.RegisterOptions{Version: "1.0.0"})
			check()
			if m, err := r.GetModel(ctx, fraud.At("1.0.0"), nil); err == nil {
				real, err := filepath.EvalSymlinks(m.Path)
				if err != nil {
					t.Error(err)
				}
				base, _ := filepath.EvalSymlinks(dir)
				if rel, err := filepath.Rel(base, real); err != nil || !filepath.IsLocal(rel) {
					t.Errorf("GetModel leads out of the store, to %s", real)
				}
			}
			_, _ = r.Promote(ctx, fraud.At("1.0.0"), mr.Production, nil)
			_, _ = r.Archive(ctx, fraud.At("1.0.0"), nil)
			if planted == uc || planted == model {
				if _, err := r.ListVersions(ctx, fraud); err == nil {
					t.Error("the model elsewhere is listed")
				}
				for name, err := range r.Models(ctx) {
					if err == nil {
						t.Errorf("Models yields %v, want an error that names the link", name)
					}
				}
			}
			check()
		})
	}
}

func TestForeignFolderIsNotOurs(t *testing.T) {
	t.Parallel()
	r, dir := newStore(t, nil)
	register(t, r, "1.0.0", nil)
	writeFile(t, modelPath(dir, "versions", "1.0.1", "model", "theirs"), "theirs")
	check := unchanged(t, dir)
	_, err := r.Register(t.Context(), fraud, artifact(), &mr.RegisterOptions{Version: "1.0.1"})
	wantError(t, err, "register", fraud, "1.0.1", fs.ErrExist)
	check()
	if v := register(t, r, "1.0.2", nil); v.Version != "1.0.2" {
		t.Errorf("registered %s", v.Version)
	}
}

// An automatic number skips folders that another program left without an entry.
// Repair puts them aside when that program can't be saving them any more.
func TestNumberOfAFailedSaveIsSkipped(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	r, dir := newStore(t, &mr.Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	register(t, r, "1.0.0", nil)
	left := []string{"1.0.1", "1.0.2"}
	for _, version := range left {
		writeFile(t, modelPath(dir, "versions", version, "model", "theirs"), "theirs")
	}
	if v := register(t, r, "", nil); v.Version != "1.0.3" {
		t.Errorf("registered %s, want 1.0.3", v.Version)
	}
	for _, version := range left {
		if !strings.Contains(log.String(), "version number skipped") || !strings.Contains(log.String(), version) {
			t.Errorf("no warning says that %s was skipped:\n%s", version, &log)
		}
	}
	repair := func(want ...string) {
		t.Helper()
		report, err := r.Repair(t.Context(), fraud, &mr.RepairOptions{Apply: true})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, a := range report.Actions {
			got = append(got, string(a.Kind)+" "+a.Version)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("Repair (-want +got):\n%s", diff)
		}
	}
	repair()
	old := time.Now().Add(-2 * time.Hour)
	for _, name := range []string{"1.0.1/model/theirs", "1.0.1/model", "1.0.1"} {
		if err := os.Chtimes(modelPath(dir, "versions", name), old, old); err != nil {
			t.Fatal(err)
		}
	}
	repair("put aside 1.0.1")
	if aside, _ := filepath.Glob(modelPath(dir, ".orphans", "1.0.1-*", "model", "theirs")); len(aside) != 1 {
		t.Errorf("put aside: %q, want the files of 1.0.1", aside)
	}
	if v := register(t, r, "1.0.1", nil); v.Version != "1.0.1" {
		t.Errorf("registered %s, want 1.0.1", v.Version)
	}
}

func TestEntryThatClimbs(t *testing.T) {
	t.Parallel()
	outside := t.TempDir()
	writeFile(t, filepath.Join(outside, "model", "secret"), "secret")
	dir := handWritten(t, [2]string{"1.0.0", `{"version": "1.0.0"}`})
	rel, err := filepath.Rel(modelPath(dir, "versions"), outside)
	if err != nil {
		t.Fatal(err)
	}
	doc, _ := json.Marshal(map[string]any{"versions": map[string]any{rel: map[string]any{"version": rel, "stage": "production"}, "1.0.0": map[string]any{}}})
	writeFile(t, modelPath(dir, "registry.json"), string(doc))
	r := openStore(t, dir, nil)
	if m, err := r.GetModel(t.Context(), fraud.In(mr.Production), nil); !errors.Is(err, mr.ErrArtifact) {
		t.Errorf("GetModel: %+v, %v, want ErrArtifact", m, err)
	}
	want := map[string]mr.ModelStage{rel: mr.Production, "1.0.0": mr.Development}
	if diff := cmp.Diff(want, stagesOf(t, r)); diff != "" {
		t.Error(diff)
	}
}

func TestClosed(t *testing.T) {
	t.Parallel()
	r, dir := newStore(t, nil)
	register(t, r, "", nil)
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	check := unchanged(t, dir)
	ctx := t.Context()
	_, err := r.Register(ctx, fraud, artifact(), nil)
	wantError(t, err, "register", fraud, "", mr.ErrClosed)
	_, err = r.GetModel(ctx, fraud.At("1.0.0"), nil)
	wantError(t, err, "get", fraud, "1.0.0", mr.ErrClosed)
	_, err = r.Promote(ctx, fraud.At("1.0.0"), mr.Staging, nil)
	wantError(t, err, "promote", fraud, "1.0.0", mr.ErrClosed)
	if _, err = r.VersionsOfRun(ctx, "run"); !errors.Is(err, mr.ErrClosed) {
		t.Errorf("VersionsOfRun: %v, want ErrClosed", err)
	}
	n := 0
	for name, err := range r.Models(ctx) {
		if n++; !errors.Is(err, mr.ErrClosed) {
			t.Errorf("Models yields %v, %v, want ErrClosed", name, err)
		}
	}
	if n != 1 {
		t.Errorf("Models yields %d times, want the error", n)
	}
	if err := r.Close(); err != nil {
		t.Errorf("closed again: %v", err)
	}
	check()
}

// A store that was only to be made leaves no folder if nothing came into it.
func TestFailedFirstRegistrationLeavesNoStore(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r := openStore(t, filepath.Join(dir, "a", "store"), nil)
	save := func(string) error { return errors.New("no") }
	if _, err := r.Register(t.Context(), fraud, mr.FromFunc(save), nil); err == nil {
		t.Fatal("no error")
	}
	if got := listing(t, dir); len(got) > 0 {
		t.Errorf("left behind: %v", got)
	}
	register(t, r, "1.0.0", nil)
}
