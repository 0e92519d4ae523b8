package bench_test

import (
	"crypto/sha256"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.etcd.io/bbolt"
	_ "modernc.org/sqlite"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/bench"
)

// A disk is a folder for the writes of the floors.
type disk struct {
	b    testing.TB
	dir  string
	log  *os.File
	turn int
}

func newDisk(b testing.TB) *disk {
	d := &disk{b: b, dir: b.TempDir()}
	d.log = must[*os.File](b)(os.OpenFile(filepath.Join(d.dir, "log"), os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o666))
	b.Cleanup(func() { d.log.Close() })
	return d
}

// append appends n bytes to a log and syncs it.
func (d *disk) append(n int64) {
	must[int](d.b)(d.log.Write(make([]byte, n)))
	check(d.b, d.log.Sync())
}

// replace writes and syncs a document, and renames it over the previous one.
func (d *disk) replace(data []byte) {
	d.write("new", data)
	check(d.b, os.Rename(filepath.Join(d.dir, "new"), filepath.Join(d.dir, "document")))
}

func (d *disk) write(name string, data []byte) {
	f := must[*os.File](d.b)(os.Create(filepath.Join(d.dir, name)))
	must[int](d.b)(f.Write(data))
	check(d.b, f.Sync())
	check(d.b, f.Close())
}

func (d *disk) sync(dir string) {
	f := must[*os.File](d.b)(os.Open(dir))
	check(d.b, f.Sync())
	check(d.b, f.Close())
}

// artifact writes and syncs as many files and folders as a small version has:
// four files and two folders.
func (d *disk) artifact() {
	d.turn++
	dir := fmt.Sprintf("%d", d.turn)
	check(d.b, os.MkdirAll(filepath.Join(d.dir, dir, "model"), 0o777))
	for _, name := range []string{"model/weights.bin", "metadata.json", "metrics.json", "manifest.json"} {
		d.write(dir+"/"+name, make([]byte, 500))
	}
	d.sync(filepath.Join(d.dir, dir, "model"))
	d.sync(filepath.Join(d.dir, dir))
	d.sync(d.dir)
}

// rows returns sides that make a change as one row of a database that a Go
// program might use instead of the registry. In bbolt, change is Update, or
// Batch for goroutines that share a commit.
func rows(b *testing.B, change func(*bbolt.DB, func(*bbolt.Tx) error) error) []side {
	bolt := must[*bbolt.DB](b)(bbolt.Open(filepath.Join(b.TempDir(), "bolt"), 0o666, nil))
	bolt.MaxBatchSize = 64 // the number of goroutines; a smaller batch would wait 10 ms for more
	b.Cleanup(func() { bolt.Close() })
	lite := must[*sql.DB](b)(openSQLite(filepath.Join(b.TempDir(), "lite")))
	b.Cleanup(func() { lite.Close() })
	return []side{
		{name: "bbolt", do: func() {
			check(b, change(bolt, func(tx *bbolt.Tx) error {
				bucket, err := tx.CreateBucketIfNotExists([]byte("events"))
				if err != nil {
					return err
				}
				n, err := bucket.NextSequence()
				if err != nil {
					return err
				}
				return bucket.Put(fmt.Appendf(nil, "%012d", n), event)
			}))
		}},
		{name: "sqlite", do: func() { check(b, insert(lite)) }},
	}
}

// event has the size of the line of a promotion.
var event = make([]byte, 1600)

// openSQLite opens a database with one connection, because SQLite has one
// writer. Goroutines wait for the connection. Other processes wait in SQLite,
// with a timeout longer than a round.
func openSQLite(file string) (*sql.DB, error) {
	db, err := sql.Open("sqlite", file+"?_pragma=busy_timeout(30000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)")
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	_, err = db.Exec("create table if not exists events (n integer primary key, event blob)")
	return db, err
}

func insert(db *sql.DB) error {
	_, err := db.Exec("insert into events (event) values (?)", event)
	return err
}

// promoter returns a function that promotes one of two versions in turn.
func (s *store) promoter(b testing.TB) func() {
	turn := 0
	return func() {
		turn++
		must[mr.ModelVersion](b)(s.r.Promote(b.Context(), bench.Name, s.versions[turn%2], mr.Production, nil))
	}
}

// maxRewritten is the largest size of a document that is rewritten after every
// change.
const maxRewritten = 1 << 20

// BenchmarkPromote promotes a version to production. The floor is an append
// with its sync. For a document that is rewritten after every change, the floor
// also writes, syncs and renames it. "checked" is the floor with a read of the
// artifact, which a promotion needs.
func BenchmarkPromote(b *testing.B) {
	bySize(b, sizes, func(b *testing.B, s *store) {
		promote, d := s.promoter(b), newDisk(b)
		promote()
		document := readFrom(b, s.path("registry.json"), 0)
		measure(b, append([]side{{do: promote}, {name: "floor", do: func() {
			d.append(1600)
			if len(document) <= maxRewritten {
				d.replace(document)
			}
		}}, {name: "checked", do: func() {
			s.readArtifact(b, s.versions[0])
			d.append(1600)
			if len(document) <= maxRewritten {
				d.replace(document)
			}
		}}, s.unchecked(b)}, rows(b, (*bbolt.DB).Update)...)...)
	})
}

// readArtifact reads and hashes the files of a version, as every promotion
// must.
func (s *store) readArtifact(b testing.TB, version string) {
	for _, name := range []string{"manifest.json", "metadata.json", "metrics.json", "model/weights.bin"} {
		sha256.Sum256(must[[]byte](b)(os.ReadFile(s.path("versions", version, name))))
	}
}

// unchecked returns a side that makes a change without reading an artifact.
func (s *store) unchecked(b testing.TB) side {
	return side{name: "unchecked",
		prep: func() { must[mr.ModelVersion](b)(s.r.Promote(b.Context(), bench.Name, s.versions[2], mr.Staging, nil)) },
		do: func() {
			must[mr.ModelVersion](b)(s.r.Demote(b.Context(), bench.Name, s.versions[2], mr.Development, nil))
		}}
}

// BenchmarkPromoteShare reports the mean of all promotions from one checkpoint
// to the next, which is the cost of a promotion with its share of the
// checkpoints. It counts the allocations of the promotions before the first of
// these checkpoints. The floor is a promotion in a model of a thousand
// versions.
func BenchmarkPromoteShare(b *testing.B) {
	bySize(b, []int{10_000, 100_000}, func(b *testing.B, s *store) {
		small := newStore(b, 1000)
		promote, others := s.promoter(b), append([]side{{name: "floor", do: small.promoter(b)}}, rows(b, (*bbolt.DB).Update)...)
		promote()
		for _, o := range others {
			o.do()
		}
		document := func() time.Time { return modified(b, s.path("registry.json")) }
		var allocs []float64
		at := document()
		for at.Equal(document()) {
			_, a := timed(promote)
			allocs = append(allocs, a)
		}
		var took []float64
		theirs := make([][]float64, len(others))
		for at = document(); at.Equal(document()); {
			start := time.Now()
			promote()
			took = append(took, float64(time.Since(start)))
			if len(took)%10 != 1 {
				continue
			}
			for i, o := range others {
				start = time.Now()
				o.do()
				theirs[i] = append(theirs[i], float64(time.Since(start)))
			}
		}
		for b.Loop() {
		}
		b.ReportMetric(mean(took), "ns/op")
		b.ReportMetric(mean(took)/mean(theirs[0]), "x-floor")
		for i, o := range others {
			b.ReportMetric(mean(theirs[i]), o.name+"-ns")
		}
		b.ReportMetric(mean(allocs), "allocs")
		b.ReportMetric(float64(len(took)), "changes/checkpoint")
	})
}

// BenchmarkRegister registers a small version. The floor is that of a
// promotion, and writing and syncing the files and folders of the artifact.
func BenchmarkRegister(b *testing.B) {
	bySize(b, sizes, func(b *testing.B, s *store) {
		d := newDisk(b)
		register := func() {
			must[mr.ModelVersion](b)(s.r.Register(b.Context(), bench.Name, bench.Small(), bench.Options()))
		}
		register()
		document := readFrom(b, s.path("registry.json"), 0)
		measure(b, append([]side{{do: register}, {name: "floor", do: func() {
			d.artifact()
			d.append(900)
			if len(document) <= maxRewritten {
				d.replace(document)
			}
		}}}, rows(b, (*bbolt.DB).Update)...)...)
	})
}
