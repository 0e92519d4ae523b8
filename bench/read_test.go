package bench_test

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime"
	"testing"
	"time"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/bench"
)

var sizes = []int{10, 1000, 10_000, 100_000}

func bySize(b *testing.B, sizes []int, run func(*testing.B, *store)) {
	for _, n := range sizes {
		b.Run(fmt.Sprintf("%d", n), func(b *testing.B) { run(b, newStore(b, n)) })
	}
}

// settle waits until no file is so new that another write might leave its time
// stamp unchanged.
func settle() { time.Sleep(50 * time.Millisecond) }

// BenchmarkGet gets the production version of an unchanged model. The floor is
// three stats.
func BenchmarkGet(b *testing.B) {
	bySize(b, sizes, func(b *testing.B, s *store) { s.get(b, bench.Name.In(mr.Production)) })
}

// BenchmarkGetByVersion is BenchmarkGet with a reference by version.
func BenchmarkGetByVersion(b *testing.B) {
	bySize(b, []int{10_000}, func(b *testing.B, s *store) { s.get(b, bench.Name.At(s.versions[0])) })
}

func (s *store) get(b *testing.B, ref mr.Ref) {
	ctx := b.Context()
	settle()
	must[*mr.Model](b)(s.r.GetModel(ctx, ref, nil))
	measure(b,
		side{batch: 100, do: func() { must[*mr.Model](b)(s.r.GetModel(ctx, ref, nil)) }},
		side{name: "floor", batch: 100, do: func() { threeStats(b, s) }})
}

func threeStats(b *testing.B, s *store) {
	for range 3 {
		must[os.FileInfo](b)(os.Stat(s.path("registry.json")))
	}
}

// BenchmarkGetChanged gets the production version after another registry has
// promoted one. The floor is three stats and a read of what the promotion
// wrote. "taken-in" adds the SHA-256 of the event, and encoding/json for its
// line.
func BenchmarkGetChanged(b *testing.B) {
	bySize(b, sizes, func(b *testing.B, s *store) {
		ref, ctx, other := bench.Name.In(mr.Production), b.Context(), s.open(b)
		var logSize int64
		var document time.Time
		turn := 0
		// promoted runs before every side, so that its sync affects all alike.
		promoted := func() {
			must[*mr.Model](b)(s.r.GetModel(ctx, ref, nil))
			logSize, document = size(b, s.path("history.jsonl")), modified(b, s.path("registry.json"))
			must[mr.ModelVersion](b)(other.Promote(ctx, bench.Name, s.versions[1+turn%2], mr.Production, nil))
			turn++
		}
		measure(b,
			side{prep: promoted, do: func() { must[*mr.Model](b)(s.r.GetModel(ctx, ref, nil)) }},
			side{name: "floor", prep: promoted, do: func() { readChange(b, s, logSize, document) }},
			side{name: "taken-in", prep: promoted, do: func() { decodeEvent(b, readChange(b, s, logSize, document)) }})
	})
}

// readChange reads the log from the given size on. It also reads the document
// if it was replaced since the given time.
func readChange(b *testing.B, s *store, logSize int64, document time.Time) (line []byte) {
	threeStats(b, s)
	line = readFrom(b, s.path("history.jsonl"), logSize)
	if modified(b, s.path("registry.json")) != document {
		readFrom(b, s.path("registry.json"), 0)
	}
	return line
}

// decodeEvent hashes and decodes an event as a simple program would: its line,
// and the entry of its version.
func decodeEvent(b *testing.B, line []byte) {
	var event struct {
		Event                        int64
		ID, Op, Version, Actor, Prev string
		From, To                     string
		Time                         time.Time
		After                        map[string]json.RawMessage
		Extra                        map[string]struct {
			Entered      int64
			RegisteredBy string `json:"registered_by"`
			Manifest     string
		}
		Checkpoint int64
	}
	var entry struct {
		Version, Stage    string
		RegisteredAt      time.Time  `json:"registered_at"`
		PromotedToProd    *time.Time `json:"promoted_to_prod"`
		Metrics, Metadata map[string]any
	}
	sha256.Sum256(line)
	check(b, json.Unmarshal(line, &event))
	check(b, json.Unmarshal(event.After[event.Version], &entry))
	if entry.Stage != "production" {
		b.Fatalf("the entry of the event is in %q, want production: %s", entry.Stage, line)
	}
}

func size(b *testing.B, name string) int64 { return must[os.FileInfo](b)(os.Stat(name)).Size() }

func modified(b *testing.B, name string) time.Time {
	return must[os.FileInfo](b)(os.Stat(name)).ModTime()
}

func readFrom(b *testing.B, name string, offset int64) []byte {
	f := must[*os.File](b)(os.Open(name))
	defer f.Close()
	data := make([]byte, must[os.FileInfo](b)(f.Stat()).Size()-offset)
	if _, err := f.ReadAt(data, offset); err != nil && err != io.EOF {
		b.Fatal(err)
	}
	return data
}

// BenchmarkGetFresh opens a registry and gets the production version. The floor
// is one read of the document, and one nanosecond for each of its bytes: a scan
// at 1 GB/s.
func BenchmarkGetFresh(b *testing.B) {
	bySize(b, sizes, func(b *testing.B, s *store) {
		ref, ctx := bench.Name.In(mr.Production), b.Context()
		settle()
		document := size(b, s.path("registry.json"))
		measure(b,
			side{do: func() {
				r := must[*mr.ModelRegistry](b)(mr.Open(s.dir, nil))
				must[*mr.Model](b)(r.GetModel(ctx, ref, nil))
				check(b, r.Close())
			}},
			side{name: "floor", do: func() { readFrom(b, s.path("registry.json"), 0) },
				plus: func() time.Duration { return time.Duration(document) }})
	})
}

// BenchmarkList lists all versions of an unchanged model. The floor is the
// goal, 100 µs. The list takes 350 KB, so a program with a tiny heap collects
// garbage at every tenth call. That shows in the mean, not in the median.
func BenchmarkList(b *testing.B) {
	bySize(b, []int{1000}, func(b *testing.B, s *store) {
		settle()
		measure(b, side{do: func() { must[[]mr.ModelVersion](b)(s.r.ListVersions(b.Context(), bench.Name)) }},
			goal(100*time.Microsecond))
	})
}

// BenchmarkListHeap is BenchmarkList in a program with a heap of 16 MB.
func BenchmarkListHeap(b *testing.B) {
	ballast := make([]byte, 16<<20)
	BenchmarkList(b)
	runtime.KeepAlive(ballast)
}

// BenchmarkCompare compares two versions of an unchanged model. The floor is
// the goal, 20 µs.
func BenchmarkCompare(b *testing.B) {
	bySize(b, []int{10_000}, func(b *testing.B, s *store) {
		settle()
		measure(b, side{batch: 10, do: func() {
			must[*mr.Comparison](b)(s.r.CompareVersions(b.Context(), bench.Name, s.versions[0], "1.0.7"))
		}}, goal(20*time.Microsecond))
	})
}

// goal returns a floor that is a fixed time.
func goal(d time.Duration) side {
	return side{name: "floor", do: func() {}, plus: func() time.Duration { return d }}
}
