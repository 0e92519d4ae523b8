package modelregistry_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"os"
	"path"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/internal/crashtest"
	"github.com/ubunye-go/modelregistry/internal/fsstore"
)

// counts are what an operation asks of the disk. Bytes are rounded, so that
// digits more in a number don't show.
type counts struct {
	Stamps, Opens, Reads, Syncs, Renames int
	ReadKB, WrittenKB                    int64
}

// A countingDisk counts what goes through it.
type countingDisk struct {
	fsstore.Disk
	mu            sync.Mutex
	n             counts
	read, written int64
	largest       int64 // bytes of one read

	fine bool // stamps of whole seconds are shown as those of a fine clock, so that no file is read twice
}

func (d *countingDisk) count(add func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	add()
}

// take returns the counts since it was called before.
func (d *countingDisk) take() counts {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := d.n
	n.ReadKB, n.WrittenKB = (d.read+512)>>10, (d.written+512)>>10
	d.n, d.read, d.written, d.largest = counts{}, 0, 0, 0
	return n
}

func (d *countingDisk) Stamp(name string) (fsstore.Stamp, error) {
	d.count(func() { d.n.Stamps++ })
	s, err := d.Disk.Stamp(name)
	if d.fine && s.Exists {
		s.Time |= 1
	}
	return s, err
}

func (d *countingDisk) ReadFrom(name string, offset int64) ([]byte, fsstore.FileID, error) {
	data, id, err := d.Disk.ReadFrom(name, offset)
	d.noteRead(len(data))
	return data, id, err
}

func (d *countingDisk) ReadAt(name string, part []byte, offset int64) (int, fsstore.FileID, error) {
	n, id, err := d.Disk.ReadAt(name, part, offset)
	d.noteRead(n)
	return n, id, err
}

func (d *countingDisk) noteRead(n int) {
	d.count(func() { d.n.Reads++; d.read += int64(n); d.largest = max(d.largest, int64(n)) })
}

func (d *countingDisk) OpenRead(name string) (fsstore.ReadFile, error) {
	f, err := d.Disk.OpenRead(name)
	return countingReadFile{f, d}, err
}

type countingReadFile struct {
	fsstore.ReadFile
	d *countingDisk
}

func (f countingReadFile) ReadAt(p []byte, at int64) (int, error) {
	n, err := f.ReadFile.ReadAt(p, at)
	f.d.noteRead(n)
	return n, err
}

func (d *countingDisk) Sync(name string) error {
	d.count(func() { d.n.Syncs++ })
	return d.Disk.Sync(name)
}

func (d *countingDisk) Rename(from, to string) error {
	d.count(func() { d.n.Renames++ })
	return d.Disk.Rename(from, to)
}

func (d *countingDisk) Open(name string) (fsstore.File, error) {
	d.count(func() { d.n.Opens++ })
	f, err := d.Disk.Open(name)
	return countingFile{f, d}, err
}

type countingFile struct {
	fsstore.File
	d *countingDisk
}

func (f countingFile) WriteAt(p []byte, at int64) (int, error) {
	f.d.count(func() { f.d.written += int64(len(p)) })
	return f.File.WriteAt(p, at)
}

func (f countingFile) Sync() error {
	f.d.count(func() { f.d.n.Syncs++ })
	return f.File.Sync()
}

// countedStore makes a store of n versions by its history; two of them get
// files when they are registered here.
func countedStore(t testing.TB, n int) (*mr.ModelRegistry, *countingDisk, string) {
	t.Helper()
	dir, prev := t.TempDir(), ""
	var log bytes.Buffer
	for i := 1; i <= n; i++ {
		version := fmt.Sprintf("0.%d.%d", i/1000, i%1000)
		line := fmt.Sprintf(`{"event":%d,"id":"%032x","time":"2026-01-01T00:00:00.000000+00:00","op":"register","version":"%s","to":"development",`+
			`"after":{"%[3]s":{"version":"%[3]s","stage":"development","registered_at":"2026-01-01T00:00:00.000000+00:00","metrics":{"auc":0.9}}},`+
			`"extra":{"%[3]s":{"entered":%[1]d}},"checkpoint":0,"prev":"%[4]s"`, i, i, version, prev)
		line += fmt.Sprintf(`,"crc32c":"%08x"}`, crc32.Checksum([]byte(line), crc32.MakeTable(crc32.Castagnoli)))
		sum := sha256.Sum256([]byte(line))
		prev = hex.EncodeToString(sum[:])
		log.WriteString(line + "\n")
	}
	writeFile(t, modelPath(dir, "history.jsonl"), log.String())
	r := openStore(t, dir, nil)
	for _, v := range []string{"1.0.0", "1.0.1"} {
		register(t, r, v, nil)
	}
	promote(t, r, "1.0.0", mr.Production)
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	r, d := counted(t, dir)
	return r, d, dir
}

func counted(t testing.TB, dir string) (*mr.ModelRegistry, *countingDisk) {
	t.Helper()
	d := &countingDisk{}
	r, err := mr.OpenOn(dir, nil, func(disk fsstore.Disk) fsstore.Disk { d.Disk = disk; return d })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r, d
}

// What an operation asks of the disk does not grow with the versions that it
// does not touch: at ten thousand, whose document may lag, a change writes its
// own line and nothing else. TestAllocations says that no document is parsed.
// A change also takes a stat of two folders, to check the spelling of the
// model's name. So does a read, unless the log is the same file as before.
func TestCountsDoNotGrow(t *testing.T) {
	t.Parallel()
	for _, n := range []int{10, 10_000} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			r, d, dir := countedStore(t, n)
			r.SetLag(1<<20, 8, time.Hour)
			ctx, in := context.Background(), fraud.In(mr.Production)
			other := openStore(t, dir, nil)
			other.SetLag(1<<20, 8, time.Hour)
			doc, docKB := 0, int64(0) // what the document and its note add while it is in step
			if n < 1000 {
				doc, docKB = 1, 3
			}
			steps := []struct {
				name string
				do   func() error
				want counts
			}{
				{"GetModel", func() error { _, err := r.GetModel(ctx, in, nil); return err }, counts{Stamps: 3}},
				{"GetVersion", func() error { _, err := r.GetVersion(ctx, in); return err }, counts{Stamps: 2}},
				{"ListVersions", func() error { _, err := r.ListVersions(ctx, fraud); return err }, counts{Stamps: 2}},
				{"Compare", func() error { _, err := r.Compare(ctx, fraud.At("1.0.0"), fraud.At("1.0.1")); return err }, counts{Stamps: 2}},
				{"Promote", func() error { _, err := r.Promote(ctx, fraud.At("1.0.1"), mr.Production, nil); return err },
					counts{Stamps: 10 + 3*doc, Opens: 1 + 3*doc, Reads: 1 + doc, Syncs: 4 + doc, Renames: doc, ReadKB: int64(doc), WrittenKB: 1 + docKB + int64(doc)}}, // the first commit syncs the folders, too
				{"Promote, after a change of its own", func() error { _, err := r.Promote(ctx, fraud.At("1.0.0"), mr.Production, nil); return err },
					counts{Stamps: 8 + 3*doc, Opens: 1 + 3*doc, Reads: doc, Syncs: 1 + doc, Renames: doc, ReadKB: int64(doc), WrittenKB: 1 + docKB + int64(doc)}},
				{"Register", func() error { _, err := r.Register(ctx, fraud, artifact(), nil); return err },
					counts{Stamps: 7 + 3*doc, Opens: 1 + 3*doc, Reads: doc, Syncs: 8 + doc, Renames: 1 + doc, ReadKB: int64(doc), WrittenKB: 1 + docKB + int64(doc)}},
				{"GetModel, after another registry promoted", func() error { _, err := r.GetModel(ctx, in, nil); return err },
					counts{Stamps: 3, Reads: 1 + doc, ReadKB: 1 + docKB + int64(doc)}},
			}
			for i, s := range steps {
				last := i == len(steps)-1
				if last {
					promote(t, other, "1.0.1", mr.Production)
				}
				if i == 0 || last {
					// So old that no further write in the same tick of the
					// clock need be feared.
					old := time.Now().Add(-time.Duration(len(steps)-i) * time.Second)
					for _, name := range []string{modelPath(dir, "history.jsonl"), modelPath(dir, ".."), dir} {
						if err := os.Chtimes(name, old, old); err != nil {
							t.Fatal(err)
						}
					}
				}
				if i == 0 {
					if _, err := r.GetModel(ctx, in, nil); err != nil {
						t.Fatal(err)
					}
				}
				d.take()
				if err := s.do(); err != nil {
					t.Fatalf("%s: %v", s.name, err)
				}
				if diff := cmp.Diff(s.want, d.take()); diff != "" {
					t.Errorf("%s of %d (-want +got):\n%s", s.name, n, diff)
				}
			}
		})
	}
}

// Each check of a model that did not change takes two stats: one of the log,
// which shows what registries append, and one of the document, which shows what
// other programs write. No file is opened or read and no lock is taken; a lock
// would need a stat of the lock file.
func TestChecksAreTwoStats(t *testing.T) {
	t.Parallel()
	const checks = 100
	for name, follow := range map[string]func(t *testing.T, r *mr.ModelRegistry){
		"Watch": func(t *testing.T, r *mr.ModelRegistry) {
			w := watch(t, r, fraud.In(mr.Production), time.Second)
			w.want("1.0.0 production")
			t.Cleanup(w.stop)
		},
		"Watch of an empty stage": func(t *testing.T, r *mr.ModelRegistry) {
			w := watch(t, r, fraud.In(mr.Staging), time.Second)
			w.want("not found")
			t.Cleanup(w.stop)
		},
		"Live": func(t *testing.T, r *mr.ModelRegistry) {
			goLive(t, r, fraud.In(mr.Production), newPlant(t), &mr.LiveOptions[*thing]{Interval: time.Second})
		},
		"History": func(t *testing.T, r *mr.ModelRegistry) {
			ctx, stop := context.WithCancel(t.Context())
			t.Cleanup(stop)
			go func() {
				for range r.History(ctx, fraud, &mr.HistoryOptions{Follow: true}) {
				}
			}()
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				dir := t.TempDir()
				inProduction(t, openStore(t, dir, nil), "1.0.0")
				old := time.Now().Add(-time.Hour) // what is fresh counts as changed, and the bubble's clock stands long before today
				for _, file := range []string{"history.jsonl", "registry.json"} {
					if err := os.Chtimes(modelPath(dir, file), old, old); err != nil {
						t.Fatal(err)
					}
				}
				var asked []string
				disk := &crashtest.Faulty{}
				r, err := mr.OpenOn(dir, nil, disk.Wrap)
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { r.Close() })
				follow(t, r)
				synctest.Wait()
				disk.Fail(crashtest.Fault{On: func(op, name string) bool {
					asked = append(asked, op+" "+path.Base(name))
					return false
				}})
				time.Sleep(checks * time.Second)
				synctest.Wait()
				disk.Heal()
				want := slices.Repeat([]string{"stamp history.jsonl", "stamp registry.json"}, checks)
				if diff := cmp.Diff(want, asked); diff != "" {
					t.Errorf("%d checks (-want +got):\n%s", checks, diff)
				}
			})
		})
	}
}

// The number of allocations shows that no document is parsed. A read of an
// unchanged model, and a read after a promotion by another writer, allocate
// little, also with ten thousand versions and although the document was
// replaced.
func TestAllocations(t *testing.T) { // not parallel: it counts for the whole program
	for _, n := range []int{10, 10_000} {
		r, _, dir := countedStore(t, n)
		ctx, in := context.Background(), fraud.In(mr.Production)
		other := openStore(t, dir, &mr.Options{Checkpoint: mr.Always})
		old := time.Now().Add(-time.Hour)
		if err := os.Chtimes(modelPath(dir, "history.jsonl"), old, old); err != nil {
			t.Fatal(err)
		}
		get := func() {
			if _, err := r.GetModel(ctx, in, nil); err != nil {
				t.Fatal(err)
			}
		}
		if got := testing.AllocsPerRun(10, get); got > 10 {
			t.Errorf("of %d versions GetModel allocates %v times", n, got)
		}
		for _, ref := range []mr.Ref{in, fraud.At("1.0.0"), fraud.Matching(mr.Latest), fraud.Matching("~1.0"), fraud.Matching("~0.0")} {
			if got := testing.AllocsPerRun(10, func() { _, _ = r.GetVersion(ctx, ref) }); got > 7 {
				t.Errorf("of %d versions GetVersion of %s allocates %v times", n, ref, got)
			}
		}
		for i := range 4 {
			promote(t, other, fmt.Sprintf("1.0.%d", (i+1)%2), mr.Production)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			get()
			runtime.ReadMemStats(&after)
			if got := after.Mallocs - before.Mallocs; got > 150 {
				t.Errorf("of %d versions GetModel after a promotion allocates %d times", n, got)
			}
		}
	}
}

// After a checkpoint by another registry, a follower reads the document once,
// to check its checksum, and holds a small part of it at a time.
func TestCheckpointByAnotherIsReadInParts(t *testing.T) {
	t.Parallel()
	r, d, dir := countedStore(t, 10_000)
	other := openStore(t, dir, &mr.Options{Checkpoint: mr.Always})
	ctx, in := context.Background(), fraud.In(mr.Production)
	if _, err := r.GetModel(ctx, in, nil); err != nil {
		t.Fatal(err)
	}
	for _, version := range []string{"1.0.1", "1.0.0"} {
		promote(t, other, version, mr.Production)
		info, err := os.Stat(modelPath(dir, "registry.json"))
		if err != nil {
			t.Fatal(err)
		}
		// A stamp of a moment ago may hide a later write, for up to two seconds
		// where times are whole seconds. Such a document is read whole.
		old := info.ModTime().Add(-time.Hour)
		if err := os.Chtimes(modelPath(dir, "registry.json"), old, old); err != nil {
			t.Fatal(err)
		}
		d.take()
		got, err := r.GetModel(ctx, in, nil)
		if err != nil || got.Version.Version != version {
			t.Fatalf("GetModel = %v, %v, want %s", got, err, version)
		}
		d.mu.Lock()
		read, largest := d.read, d.largest
		d.mu.Unlock()
		if over := read - info.Size(); over < 0 || over > 64<<10 {
			t.Errorf("GetModel after a checkpoint reads %d bytes, want %d of the document and little of the log", read, info.Size())
		}
		if largest > info.Size()/4 {
			t.Errorf("GetModel after a checkpoint reads %d bytes at once, of a document of %d", largest, info.Size())
		}
	}
}
