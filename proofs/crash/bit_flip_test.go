//go:build unix

package crash

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/internal/engine"
	"github.com/ubunye-go/modelregistry/internal/fsstore"
	"github.com/ubunye-go/modelregistry/internal/pythonstore"
	"github.com/ubunye-go/modelregistry/internal/storetest"
)

// A flippedDisk flips one bit of one file when it is read.
type flippedDisk struct {
	fsstore.Disk
	file string
	at   int64
	bit  byte
}

func (d flippedDisk) ReadFrom(name string, offset int64) ([]byte, fsstore.FileID, error) {
	data, id, err := d.Disk.ReadFrom(name, offset)
	if i := d.at - offset; path.Base(name) == d.file && i >= 0 && i < int64(len(data)) {
		data[i] ^= d.bit
	}
	return data, id, err
}

// A flip is one flipped bit, and what a reader returned.
type flip struct {
	at    int
	bit   byte
	state string // what was read, if anything was
	err   error
}

// flips reads the store with a new registry for every byte of a file, with one
// bit of the byte flipped, or with each of its bits if crashAll is set. Most
// readers wait for another program to end its write, so many run at once.
func flips(s *pythonstore.Store, file string) []flip {
	var list []flip
	for at := range s.Read(file) {
		for bit := range 8 {
			// Bit 5 changes the case of a letter, and makes a space a NUL.
			if *crashAll || bit == at%2*5 {
				list = append(list, flip{at: at, bit: 1 << bit})
			}
		}
	}
	next := make(chan *flip)
	var wg sync.WaitGroup
	for range 300 {
		wg.Go(func() {
			for f := range next {
				f.state, f.err = readState(s, func(d fsstore.Disk) fsstore.Disk { return flippedDisk{d, file, int64(f.at), f.bit} })
			}
		})
	}
	for i := range list {
		next <- &list[i]
	}
	close(next)
	wg.Wait()
	return list
}

// readState returns everything that a new registry reads, as text.
func readState(s *pythonstore.Store, wrap func(fsstore.Disk) fsstore.Disk) (string, error) {
	r, err := machine{disk: wrap}.open(s.Dir, nil)
	if err != nil {
		return "", err
	}
	defer r.Close()
	list, err := r.ListVersions(s.T.Context(), fraud)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for _, v := range list {
		fmt.Fprintf(&b, "%s %s %s\n", v.Version, v.Stage, storetest.JSON(s.T, v))
	}
	for _, stage := range []mr.ModelStage{mr.Production, mr.Staging, mr.Archived, mr.Development} {
		v, err := r.GetVersion(s.T.Context(), fraud.In(stage))
		if err != nil && !errors.Is(err, mr.ErrNotFound) {
			return "", err
		}
		fmt.Fprintf(&b, "%s: %s\n", stage, v.Version)
	}
	return b.String(), nil
}

// corruptStore returns a store with five appends in its history, the third of
// two lines. The document lacks the last lag of them. The version numbers
// differ in more than one bit.
func corruptStore(t *testing.T, lag int) *pythonstore.Store {
	t.Helper()
	s := pythonstore.New(t)
	// With this lag, a document that could not be written is not written later.
	patient := machine{lag: engine.Lag{Small: 1 << 20, Share: 8, Idle: time.Hour}}
	s.OpenDir = patient.open
	r := s.Open()
	s.OpenDir = machine{}.open
	move := func(version string, to mr.ModelStage) {
		t.Helper()
		if _, err := r.Promote(t.Context(), fraud.At(version), to, &mr.MoveOptions{Reason: "to try it", Actor: "me"}); err != nil {
			t.Fatal(err)
		}
	}
	steps := []func(){
		func() { s.Register(r, "1.0.0") },
		func() { move("1.0.0", mr.Production) },
		func() {
			s.PythonWrites(func(entries map[string]map[string]string, _ *[]string) {
				entries["1.0.0"]["config_hash"] = `"abc"`
			})
			s.Register(r, "1.3.0")
		},
		func() { move("1.3.0", mr.Staging) },
		func() { move("1.3.0", mr.Production) },
	}
	for i, step := range steps {
		if i == len(steps)-lag {
			s.BlockCheckpoint()
		}
		step()
	}
	s.UnblockCheckpoint()
	return s
}

// Invariant 7: if any bit of the history flips, a reader reads the right state
// or gets a *CorruptError. There is one exception. A last append that no
// checkpoint covers looks torn by a crash if it lost its newline or got a NUL.
func TestEveryFlippedBitOfTheHistory(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		store func(t *testing.T) *pythonstore.Store
		blind bool // a last append that looks torn is not noticed
	}{
		{"beside a document in step", func(t *testing.T) *pythonstore.Store { return corruptStore(t, 0) }, false},
		{"beside a document that lags by two changes", func(t *testing.T) *pythonstore.Store { return corruptStore(t, 2) }, true},
		{"alone", func(t *testing.T) *pythonstore.Store { s := corruptStore(t, 0); s.Remove("registry.json"); return s }, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := tt.store(t)
			right, err := readState(s, func(d fsstore.Disk) fsstore.Disk { return d })
			if err != nil {
				t.Fatal(err)
			}
			data := s.Read("history.jsonl")
			lastLine := bytes.LastIndexByte(data[:len(data)-1], '\n') + 1
			counts := map[string]int{}
			for _, f := range flips(s, "history.jsonl") {
				var corrupt *mr.CorruptError
				switch {
				case f.err == nil && f.state == right:
					counts["right"]++
				case errors.As(f.err, &corrupt):
					counts["noticed"]++
					start := bytes.LastIndexByte(data[:f.at], '\n') + 1
					end := f.at + bytes.IndexByte(data[f.at:], '\n') + 1
					if corrupt.Path != fraud.String()+"/history.jsonl" || corrupt.Offset < int64(start) || corrupt.Offset > int64(end) {
						t.Errorf("byte %d: got error %v, want the history's path and an offset from %d to %d", f.at, f.err, start, end)
					}
				case tt.blind && f.err == nil && f.at >= lastLine && (data[f.at] == '\n' || data[f.at] == f.bit):
					counts["looks torn"]++
				default:
					t.Errorf("byte %d %q ^ %#x: got error %v and the state\n%s\nwant a *CorruptError or the state\n%s", f.at, data[f.at], f.bit, f.err, f.state, right)
				}
			}
			t.Log(counts)
			if tt.blind != (counts["noticed"] > 0) {
				t.Errorf("the counts are %v, want noticed flips: %t", counts, tt.blind)
			}
		})
	}
}

// Invariant 7: if any bit of the document flips, a reader reads the right
// state, or takes the flip for an edit of one entry. The next change then
// records the edit in the history. Without a history, the reader may get a
// *CorruptError, and a flip in our key may change what is kept of a version
// beside its entry.
func TestEveryFlippedBitOfTheDocument(t *testing.T) {
	t.Parallel()
	for _, alone := range []bool{false, true} {
		t.Run(fmt.Sprintf("alone=%t", alone), func(t *testing.T) {
			t.Parallel()
			s := corruptStore(t, 0)
			if alone {
				s.Remove("history.jsonl")
			}
			right, err := readState(s, func(d fsstore.Disk) fsstore.Disk { return d })
			if err != nil {
				t.Fatal(err)
			}
			data := s.Read("registry.json")
			entries, key := bytes.Index(data, []byte(`"versions": {`))+len(`"versions": {`), bytes.Index(data, []byte(`"modelregistry"`))
			counts := map[string]int{}
			for _, f := range flips(s, "registry.json") {
				var corrupt *mr.CorruptError
				switch {
				case f.err == nil && f.state == right:
					counts["right"]++
				case errors.As(f.err, &corrupt):
					counts["noticed"]++
					if !alone || corrupt.Path != fraud.String()+"/registry.json" || corrupt.Offset < 0 || corrupt.Offset > int64(len(data)) {
						t.Errorf("byte %d: got error %v, want one only without a history, with the document's path and an offset in it", f.at, f.err)
					}
				case f.err == nil && f.at >= entries && f.at < key && others(right, f.state) <= 1:
					if counts["edit"]++; !alone && counts["edit"]%32 == 0 {
						wantFlipRecorded(s, f)
					}
				case f.err == nil && alone && f.at >= key && cmp.Equal(stageLines(right), stageLines(f.state)):
					counts["extra"]++
				default:
					t.Errorf("byte %d %q ^ %#x: got error %v and the state\n%s\nwant a *CorruptError or the state\n%s", f.at, data[f.at], f.bit, f.err, f.state, right)
				}
			}
			t.Log(counts)
			if counts["edit"] == 0 || counts["right"] == 0 || alone != (counts["noticed"] > 0) {
				t.Errorf("the counts are %v, want edits, right reads, and noticed flips: %t", counts, alone)
			}
		})
	}
}

// others counts the versions of state a that b lacks or has with other values.
func others(a, b string) (n int) {
	for line := range strings.Lines(a) {
		if strings.Contains(line, "{") && !strings.Contains(b, line) {
			n++
		}
	}
	return n
}

// stageLines returns the versions of a state with their stages.
func stageLines(state string) (list []string) {
	for line := range strings.Lines(state) {
		f := strings.SplitN(line, " ", 3)
		list = append(list, strings.Join(f[:min(2, len(f))], " "))
	}
	return list
}

// wantFlipRecorded checks that the next change records a flip as an external
// change, and that the state stays as it was read.
func wantFlipRecorded(s *pythonstore.Store, f flip) {
	s.T.Helper()
	copied := pythonstore.At(s.T, filepath.Join(s.T.TempDir(), "flipped"))
	copied.OpenDir = s.OpenDir
	if err := os.CopyFS(copied.Dir, os.DirFS(s.Dir)); err != nil {
		s.T.Fatal(err)
	}
	data := copied.Read("registry.json")
	data[f.at] ^= f.bit
	copied.Write("registry.json", data)
	before := copied.List(copied.Open())
	copied.Register(copied.Open(), "9.0.0")
	ops := copied.Ops()
	if ops[len(ops)-2] != "foreign" {
		s.T.Errorf("byte %d: the history is %q, want foreign before the last event", f.at, ops)
	}
	after := slices.DeleteFunc(copied.Same(copied.Open()), func(l pythonstore.Line) bool { return l.Version == "9.0.0" })
	if diff := cmp.Diff(before, after); diff != "" {
		s.T.Errorf("byte %d: versions after the next change (-before +after):\n%s", f.at, diff)
	}
}
