package objectstore_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/driver"
	"github.com/ubunye-go/modelregistry/objectstore"
	"github.com/ubunye-go/modelregistry/registrytest"
)

// copyOut copies a bucket to a folder, as "aws s3 sync" does.
func copyOut(t testing.TB, f *faultyBucket, prefix string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for key, data := range f.dump(t) {
		rest, ok := strings.CutPrefix(key, prefix)
		if !ok {
			continue
		}
		name := filepath.Join(dir, filepath.FromSlash(rest))
		if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(data), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// copyIn copies a folder to a bucket.
func copyIn(t testing.TB, f *faultyBucket, dir, prefix string) {
	t.Helper()
	err := fs.WalkDir(os.DirFS(dir), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := fs.ReadFile(os.DirFS(dir), name)
		if err != nil {
			return err
		}
		return f.b.WriteAll(t.Context(), prefix+name, data, nil)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// contents are what a registry reports about a model.
type contents struct {
	Versions   []string
	Production []string // after every tenth event
	History    []mr.Event
}

func readContents(t testing.TB, r *mr.ModelRegistry, name mr.ModelName) (all contents) {
	t.Helper()
	list, err := r.ListVersions(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range list {
		all.Versions = append(all.Versions, fmt.Sprint(v.Version, v.Stage, v.RegisteredAt, v.Metrics))
	}
	for e, err := range r.History(t.Context(), name, nil) {
		if err != nil {
			t.Fatal(err)
		}
		if all.History = append(all.History, e); e.Number%10 != 0 {
			continue
		}
		p, err := r.ProductionAt(t.Context(), name, e.Time)
		if err != nil && !errors.Is(err, mr.ErrNotFound) {
			t.Fatal(err)
		}
		all.Production = append(all.Production, p.Version)
	}
	return all
}

func onDisk(t testing.TB, dir string) *mr.ModelRegistry {
	t.Helper()
	r, err := mr.Open(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

func wantContents(t testing.TB, what string, want contents, r *mr.ModelRegistry) {
	t.Helper()
	if diff := cmp.Diff(want, readContents(t, r, fraud)); diff != "" {
		t.Errorf("%s (-want +got):\n%.2000s", what, diff)
	}
	if report, err := r.Verify(t.Context(), nil); err != nil || len(report.Problems()) > 0 {
		t.Errorf("%s: %v, %v", what, report.Problems(), err)
	}
}

// grow registers versions that take 50 KB each in history and document. It
// promotes every fifth.
func grow(t testing.TB, r *mr.ModelRegistry, n int) {
	t.Helper()
	large := &mr.RegisterOptions{Metrics: map[string]any{"auc": 0.9, "curve": strings.Repeat("x", 50<<10)}}
	for i := range n {
		ref := fraud.At("")
		if i%5 == 0 {
			ref = fraud.In(mr.Production)
		}
		registrytest.PutWith(t, r, ref, files, large)
	}
}

// document reads the file registry.json of the model fraud in a folder.
func document(t testing.TB, dir string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, fraud.UseCase, fraud.Model, "registry.json"))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// lag puts an older registry.json in place, so that it lags, whatever the time.
func lag(t testing.TB, dir string, document []byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, fraud.UseCase, fraud.Model, "registry.json"), document, 0o666); err != nil {
		t.Fatal(err)
	}
}

// A bucket that was copied to disk is a working store, and so is a copy of that
// folder in another bucket, and its copy on disk again. No version, event or
// stage is lost, although registry.json lags in each copy.
func TestCopiedToDiskAndBack(t *testing.T) {
	t.Parallel()
	f, b := newFaulty(t)
	open := func(prefix string) *mr.ModelRegistry {
		return mr.New(newStore(t, b, &objectstore.Options{Prefix: prefix}), nil)
	}
	r := open("here")
	grow(t, r, 30)
	doc := document(t, copyOut(t, f, "here/"))
	if n := bytes.Count(doc, []byte(`"curve"`)); n < 26 {
		t.Errorf("registry.json lists %d of 30 versions; it may lag by an eighth only", n)
	}
	grow(t, r, 4)
	want := readContents(t, r, fraud)
	dir := copyOut(t, f, "here/")
	lag(t, dir, doc)
	wantContents(t, "on disk", want, onDisk(t, dir))
	model := filepath.Join(dir, fraud.UseCase, fraud.Model)
	if _, err := os.Stat(filepath.Join(model, "history.jsonl")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a reader wrote a history: %v", err)
	}

	disk := onDisk(t, dir)
	grow(t, disk, 2)
	if v, err := disk.Rollback(t.Context(), fraud, nil); err != nil || v.Version != "1.0.30" {
		t.Errorf("rolled back to %s, %v", v.Version, err)
	}
	more := readContents(t, disk, fraud)
	if diff := cmp.Diff(want.History, more.History[:len(want.History)]); diff != "" || len(more.History) != len(want.History)+4 {
		t.Errorf("%d events became %d (-before +after):\n%.2000s", len(want.History), len(more.History), diff)
	}
	wantContents(t, "on disk, changed there", more, onDisk(t, dir))
	if _, err := os.Stat(filepath.Join(model, "history")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the files of the bucket's changes are still in the folder: %v", err)
	}

	lag(t, dir, doc)
	copyIn(t, f, dir, "there/")
	wantContents(t, "in another bucket", more, open("there"))
	there := open("there")
	grow(t, there, 2)
	most := readContents(t, there, fraud)
	if diff := cmp.Diff(more.History, most.History[:len(more.History)]); diff != "" || len(most.History) != len(more.History)+3 {
		t.Errorf("%d events became %d (-before +after):\n%.2000s", len(more.History), len(most.History), diff)
	}
	wantContents(t, "in another bucket, changed there", most, open("there"))
	dir = copyOut(t, f, "there/")
	lag(t, dir, doc)
	wantContents(t, "on disk again", most, onDisk(t, dir))
}

// If a copied folder's history ends in a torn append, the first change takes
// over the history without it. Only one writer makes the first change.
func TestFolderTakenOver(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	disk := onDisk(t, dir)
	registrytest.Put(t, disk, fraud.In(mr.Production), files)
	want := readContents(t, disk, fraud)
	disk.Close()
	name := filepath.Join(dir, fraud.UseCase, fraud.Model, "history.jsonl")
	log, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for _, torn := range []string{"", `{"event":`, "{} \n", "{} \n{}", "\x00\x00", "\x00\n"} {
		f, b := newFaulty(t)
		if err := os.WriteFile(name, append(slices.Clone(log), torn...), 0o666); err != nil {
			t.Fatal(err)
		}
		copyIn(t, f, dir, "")
		reader, stale := mr.New(newStore(t, b, nil), nil), mr.New(newStore(t, b, nil), nil)
		wantContents(t, "read", want, reader)
		wantContents(t, "read by another store", want, stale)
		for i, r := range []*mr.ModelRegistry{mr.New(newStore(t, b, nil), nil), stale} {
			if _, err := r.Promote(t.Context(), fraud.At("1.0.0"), []mr.ModelStage{mr.Staging, mr.Production}[i], nil); i == 1 && err != nil {
				t.Fatal(err)
			} else if i == 0 && !errors.Is(err, mr.ErrWrongDirection) {
				t.Fatal(err)
			}
			registrytest.Put(t, r, fraud.At(""), files)
		}
		got := readContents(t, reader, fraud)
		if diff := cmp.Diff(want.History, got.History[:min(len(want.History), len(got.History))]); diff != "" || len(got.History) != len(want.History)+2 {
			t.Errorf("torn append %q: %d events became %d (-before +after):\n%s", torn, len(want.History), len(got.History), diff)
		}
		wantContents(t, "on disk", got, onDisk(t, copyOut(t, f, "")))
	}
}

// The first change may take over a folder's history while other stores read it.
func TestFolderTakenOverMeanwhile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	disk := onDisk(t, dir)
	registrytest.Put(t, disk, fraud.In(mr.Production), files)
	disk.Close()
	for at := range 2 { // during the read, and during the write
		f, b := newFaulty(t)
		copyIn(t, f, dir, "")
		first, gets := mr.New(newStore(t, b, nil), nil), 0
		f.set(func() {
			f.before = func(op, key string) error {
				if op == "get" && strings.HasSuffix(key, "/history.jsonl") {
					if gets++; gets == at+1 {
						f.set(func() { f.before = nil })
						registrytest.Put(t, first, fraud.At(""), files)
					}
				}
				return nil
			}
		})
		r := mr.New(newStore(t, b, nil), nil)
		registrytest.Put(t, r, fraud.At(""), files)
		got := readContents(t, r, fraud)
		if len(got.History) != 4 || len(got.Versions) != 3 {
			t.Errorf("got %d events and %d versions, want 4 and 3", len(got.History), len(got.Versions))
		}
		wantContents(t, "in another registry", got, mr.New(newStore(t, b, nil), nil))
	}
}

// Positions count bytes, whatever the sizes of the changes and the order in
// which they are read.
func TestPositions(t *testing.T) {
	t.Parallel()
	_, b := newFaulty(t)
	writer := newStore(t, b, nil)
	var whole []byte
	ends := []int64{0}
	for i := range 40 {
		lines := [][]byte{bytes.Repeat([]byte("a"), 1+i%7*1000)}
		if i%3 == 0 {
			lines = append(lines, []byte("b"))
		}
		done, err := writer.Append(t.Context(), fraud.UseCase, fraud.Model, func(driver.View) (*driver.Commit, error) { return &driver.Commit{Lines: lines}, nil })
		if err != nil {
			t.Fatal(err)
		}
		whole = append(append(whole, bytes.Join(lines, []byte(" \n"))...), '\n')
		if done.End != int64(len(whole)) {
			t.Fatalf("change %d ends at %d, want %d", i+1, done.End, len(whole))
		}
		ends = append(ends, done.End)
	}
	read := func(s *objectstore.Store, from int64) (lines []byte, end int64, err error) {
		err = s.Read(t.Context(), fraud.UseCase, fraud.Model, func(v driver.View) (err error) {
			lines, end, err = v.Log(from)
			return err
		})
		return lines, end, err
	}
	for _, s := range []*objectstore.Store{writer, newStore(t, b, nil)} {
		for _, from := range slices.Backward(ends) {
			if lines, end, err := read(s, from); err != nil || end != int64(len(whole)) || !bytes.Equal(lines, whole[from:]) {
				t.Errorf("Log(%d): %d bytes up to %d, %v; want %d", from, len(lines), end, err, len(whole)-int(from))
			}
		}
		for _, from := range []int64{-1, 1, ends[20] - 1, ends[40] + 1} {
			if _, _, err := read(s, from); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("Log(%d): got error %v, want fs.ErrNotExist", from, err)
			}
		}
	}
}

// Reading a document that lags takes few requests more than there are changes
// after it.
func TestRequestsOfALaggingDocument(t *testing.T) {
	t.Parallel()
	f, b := newFaulty(t)
	r := mr.New(newStore(t, b, nil), nil)
	grow(t, r, 55)
	key := fraud.String() + "/registry.json"
	old := f.dump(t)[key]
	grow(t, r, 5)
	if err := errors.Join(r.Close(), f.b.WriteAll(t.Context(), key, []byte(old), nil)); err != nil {
		t.Fatal(err)
	}
	after := 6 + 7 // events after the document, and how many it may have lagged before
	f.requests()
	list, err := mr.New(newStore(t, b, nil), nil).ListVersions(t.Context(), fraud)
	if err != nil || len(list) != 60 {
		t.Fatal(len(list), err)
	}
	if n := f.requests(); n["get"] < 6 || n["get"] > after+8 || n["list"] != 1 || n["head"] > 0 {
		t.Errorf("requests %v, to read up to %d of 72 changes", n, after)
	}
}

// A damaged change is an error that names it.
func TestDamagedChanges(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		damage func(key, data string) (string, bool) // false: the object is removed
	}{
		{"missing", func(string, string) (string, bool) { return "", false }},
		{"cut off", func(_, data string) (string, bool) { return data[:len(data)-1], true }},
		{"a line is lost", func(_, data string) (string, bool) { return data[:strings.Index(data, "\n")+1], true }},
		{"of another number", func(_, data string) (string, bool) {
			return strings.Replace(data, `"number":2`, `"number":3`, 1), true
		}},
		{"no head", func(_, data string) (string, bool) { return data[1:], true }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f, b := newFaulty(t)
			r := mr.New(newStore(t, b, nil), nil)
			for range 3 {
				registrytest.Put(t, r, fraud.At(""), files)
			}
			for key, data := range f.dump(t) {
				switch {
				case strings.HasSuffix(key, "/registry.json"): // otherwise the damaged change is not read
					f.b.Delete(t.Context(), key)
				case strings.HasSuffix(key, "-2.jsonl"):
					f.b.Delete(t.Context(), key)
					if data, keep := tt.damage(key, data); keep {
						if err := f.b.WriteAll(t.Context(), key, []byte(data), nil); err != nil {
							t.Fatal(err)
						}
					}
				}
			}
			namesIt := func(err error) bool {
				return strings.Contains(err.Error(), "-2.jsonl") || strings.Contains(err.Error(), "change 2")
			}
			check := func(where string, r *mr.ModelRegistry) {
				t.Helper()
				_, err := r.Promote(t.Context(), fraud.At("1.0.2"), mr.Staging, nil)
				var corrupt *mr.CorruptError
				if !errors.As(err, &corrupt) || !namesIt(err) {
					t.Errorf("%s: got error %v, want a *CorruptError that names the change", where, err)
				}
			}
			check("in the bucket", mr.New(newStore(t, b, nil), nil))
			dir := copyOut(t, f, "")
			disk := onDisk(t, dir)
			check("on disk", disk)
			report, err := disk.Verify(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			var damaged []mr.Finding
			for _, f := range report.Problems() {
				if f.Kind == mr.HistoryDamaged {
					damaged = append(damaged, f)
				}
			}
			if len(damaged) != 1 || damaged[0].Event != 2 || !namesIt(damaged[0].Err) {
				t.Errorf("Verify found %v; want that event 2 is damaged", damaged)
			}
			if _, err := disk.Repair(t.Context(), fraud, &mr.RepairOptions{Apply: true}); err != nil {
				t.Fatal(err)
			}
			registrytest.WantStages(t, disk, fraud, map[string]mr.ModelStage{"1.0.0": mr.Development, "1.0.1": mr.Development, "1.0.2": mr.Development})
			if report, err := disk.Verify(t.Context(), nil); err != nil || len(report.Problems()) > 0 {
				t.Errorf("Verify after the repair: %v, %v", report.Problems(), err)
			}
		})
	}
}

// A new copy over a copy that is open is noticed.
func TestNewCopyIsNoticed(t *testing.T) {
	t.Parallel()
	f, b := newFaulty(t)
	r := mr.New(newStore(t, b, nil), nil)
	grow(t, r, 30)
	dir := copyOut(t, f, "")
	disk := onDisk(t, dir)
	old := time.Now().Add(-time.Hour) // so that no file is read again because it is recent
	for _, name := range []string{"history", "registry.json"} {
		if err := os.Chtimes(filepath.Join(dir, fraud.UseCase, fraud.Model, name), old, old); err != nil {
			t.Fatal(err)
		}
	}
	if list, err := disk.ListVersions(t.Context(), fraud); len(list) != 30 || err != nil {
		t.Fatal(len(list), err)
	}
	grow(t, r, 1) // the document lags, and does not change
	for key, data := range f.dump(t) {
		if strings.Contains(key, "/history/") {
			if err := os.WriteFile(filepath.Join(dir, filepath.FromSlash(key)), []byte(data), 0o666); err != nil {
				t.Fatal(err)
			}
		}
	}
	if list, err := disk.ListVersions(t.Context(), fraud); len(list) != 31 || err != nil {
		t.Errorf("got %d versions, %v; want 31", len(list), err)
	}
}
