package bench_test

import (
	"crypto/sha256"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	_ "modernc.org/sqlite"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/bench"
)

// Sizes of the lines that the floors append, in bytes.
const (
	promotionSize    = 1600
	registrationSize = 900
)

// promoter returns a side that promotes one of two versions in turn.
func (s *store) promoter(b *testing.B) side {
	turn := 0
	promote := func() {
		turn++
		check(b, bench.Promote(s.r, s.versions[turn%2], mr.Production))
	}
	promote()
	return side{do: promote}
}

// promoteRewritten promotes in a model whose document is rewritten after every
// change.
func promoteRewritten(b *testing.B, n int) result {
	s, d := newStore(b, n), newDisk(b)
	document := must[[]byte](b)(os.ReadFile(s.path("registry.json")))
	return measure(b, s.promoter(b), side{do: func() {
		d.append(promotionSize)
		d.replace(document)
	}})
}

// promoteLagging promotes in a model whose document may lag. It has to read and
// hash the artifact, and so does the floor.
func promoteLagging(b *testing.B, n int) result {
	s, d := newStore(b, n), newDisk(b)
	return measure(b, s.promoter(b), side{do: func() {
		for _, name := range []string{"manifest.json", "metadata.json", "metrics.json", "model/weights.bin"} {
			sha256.Sum256(must[[]byte](b)(os.ReadFile(s.path("versions", s.versions[0], name))))
		}
		d.append(promotionSize)
	}})
}

// promoteSQLite is promoteLagging with another floor: a program that keeps its
// own list of versions in SQLite.
func promoteSQLite(b *testing.B, n int) result {
	s := newStore(b, n)
	db := must[*sql.DB](b)(sql.Open("sqlite", filepath.Join(b.TempDir(), "lite")+"?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)"))
	b.Cleanup(func() { db.Close() })
	db.SetMaxOpenConns(1) // SQLite has one writer
	must[sql.Result](b)(db.Exec("create table events (n integer primary key, event blob)"))
	event := make([]byte, promotionSize)
	return measure(b, s.promoter(b), side{do: func() {
		must[sql.Result](b)(db.Exec("insert into events (event) values (?)", event))
	}})
}

// register registers a small version. The model grows, and so does the floor's
// document.
func register(b *testing.B, n int) result {
	s, d := newStore(b, n), newDisk(b)
	var document []byte
	return measure(b,
		side{do: func() { must[mr.ModelVersion](b)(bench.Register(s.r, bench.Small())) }},
		side{
			prep: func() { document = must[[]byte](b)(os.ReadFile(s.path("registry.json"))) },
			do: func() {
				d.version()
				d.append(registrationSize)
				d.replace(document)
			},
		})
}

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

// version writes and syncs as many files and folders as a small version has:
// four files and two folders.
func (d *disk) version() {
	d.turn++
	dir := fmt.Sprint(d.turn)
	check(d.b, os.MkdirAll(filepath.Join(d.dir, dir, "model"), 0o777))
	for _, name := range []string{"model/weights.bin", "metadata.json", "metrics.json", "manifest.json"} {
		d.write(dir+"/"+name, make([]byte, 500))
	}
	d.sync(filepath.Join(d.dir, dir, "model"))
	d.sync(filepath.Join(d.dir, dir))
	d.sync(d.dir)
}
