//go:build unix

package crash

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/internal/crashtest"
	"github.com/ubunye-go/modelregistry/internal/fsstore"
)

// bucketCopy makes of three what a copy of a bucket on disk is: a file for each
// change in place of the log. It returns the log.
func bucketCopy(t testing.TB) (dir string, log []byte) {
	t.Helper()
	dir = three(t)
	log, err := os.ReadFile(modelPath(dir, "history.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	number, end := 0, 0
	var lines []byte
	for line := range bytes.Lines(log) {
		if lines, end = append(lines, line...), end+len(line); bytes.HasSuffix(line, []byte(" \n")) {
			continue
		}
		number++
		head := fmt.Appendf(nil, `{"commit":"%032d","number":%d,"end":%d}`+"\n", number, number, end)
		writeFile(t, modelPath(dir, "history", fmt.Sprintf("%010d-%d.jsonl", 9_999_999_999-int64(number), number)), string(append(head, lines...)))
		lines = nil
	}
	if err := os.Remove(modelPath(dir, "history.jsonl")); err != nil {
		t.Fatal(err)
	}
	return dir, log
}

func pastOf(r *mr.ModelRegistry) (list []mr.Event, err error) {
	for e, err := range r.History(context.Background(), fraud, nil) {
		if err != nil {
			return list, err
		}
		list = append(list, e)
	}
	return list, nil
}

// A copy of a bucket is listed, read and verified, also without registry.json.
// Nothing is written to it.
func TestBucketCopy(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"", "registry.json"} {
		dir, log := bucketCopy(t)
		if name != "" {
			if err := os.Remove(modelPath(dir, name)); err != nil {
				t.Fatal(err)
			}
		}
		before, err := snapshot(dir)
		if err != nil {
			t.Fatal(err)
		}
		r := openStore(t, dir, &mr.Options{Now: ticker()})
		var models []mr.ModelName
		for name, err := range r.Models(t.Context()) {
			if models = append(models, name); err != nil {
				t.Error(err)
			}
		}
		if diff := cmp.Diff([]mr.ModelName{fraud}, models); diff != "" {
			t.Errorf("models (-want +got):\n%s", diff)
		}
		wantStages(t, r, threeStages)
		want := 0
		if name != "" {
			want = 1 // that it is missing
		}
		if report, err := r.Verify(t.Context(), nil); err != nil || len(report.Models) != 1 || report.Versions != 3 || len(report.Problems()) != want {
			t.Errorf("without %q: %+v, %v", name, report, err)
		}
		after, err := snapshot(dir)
		delete(before, fraud.String()+"/.lock")
		delete(after, fraud.String()+"/.lock") // of a look at what could be a change under way
		if diff := cmp.Diff(before, after); err != nil || diff != "" {
			t.Errorf("reading changed it (-before +after): %v\n%s", err, diff)
		}
		promote(t, r, "1.0.2", mr.Staging)
		if got, err := os.ReadFile(modelPath(dir, "history.jsonl")); err != nil || !bytes.HasPrefix(got, log) || bytes.Count(got, []byte("\n")) != bytes.Count(log, []byte("\n"))+1 {
			t.Errorf("the history is %s, %v; want one line more than\n%s", got, err, log)
		}
		report, err := r.Verify(t.Context(), nil)
		if err != nil || len(report.Findings) != 1 || report.Findings[0].Kind != mr.SetAside {
			t.Errorf("changed: %v, %v; want that the changes were set aside", report.Findings, err)
		}
	}
}

// A folder history/ without changes is not a log. Beside a history.jsonl,
// history/ is a foreign file.
func TestNoBucketCopy(t *testing.T) {
	t.Parallel()
	dir, _ := bucketCopy(t)
	if err := os.Rename(modelPath(dir, "history"), filepath.Join(dir, "put by")); err != nil {
		t.Fatal(err)
	}
	writeFile(t, modelPath(dir, "history", "notes.txt"), "by hand")
	writeFile(t, modelPath(dir, "history", "1-1.jsonl"), "x")
	r := openStore(t, dir, nil)
	promote(t, r, "1.0.2", mr.Staging) // by the document, as where a history was lost
	if _, err := os.Stat(modelPath(dir, "history", "notes.txt")); err != nil {
		t.Error(err)
	}
	if report, err := r.Verify(t.Context(), nil); err != nil || len(report.Findings) > 0 {
		t.Errorf("Verify: %v, %v", report.Findings, err)
	}
	if err := errors.Join(os.RemoveAll(modelPath(dir, "history")), os.Rename(filepath.Join(dir, "put by"), modelPath(dir, "history"))); err != nil {
		t.Fatal(err)
	}
	if report, err := r.Verify(t.Context(), nil); err != nil || len(report.Findings) != 1 || report.Findings[0].Kind != mr.ForeignFile {
		t.Errorf("changes beside a history: %v, %v", report.Findings, err)
	}
}

func registerOn(dir string, wrap func(fsstore.Disk) fsstore.Disk) error {
	r, err := machine{disk: wrap}.open(dir, &mr.Options{Now: ticker()})
	if err != nil {
		return err
	}
	_, err = r.Register(context.Background(), fraud, artifact(), &mr.RegisterOptions{Version: "1.1.0"})
	return errors.Join(err, r.Close())
}

// takenOver checks what the first change of a copy left, whole or not, and
// makes another.
func takenOver(dir string, before []mr.Event, acked bool) error {
	r, err := machine{disk: noSync, boot: nextBoot()}.open(dir, nil)
	if err != nil {
		return err
	}
	defer r.Close()
	for more := range 2 {
		got, err := pastOf(r)
		if err != nil {
			return err
		}
		if diff := cmp.Diff(before, got[:min(len(got), len(before))]); diff != "" || more == 0 && acked && len(got) != len(before)+1 {
			return fmt.Errorf("%d events became %d:\n%s", len(before), len(got), diff)
		}
		report, err := r.Verify(context.Background(), nil)
		if err != nil || len(report.Problems()) > 0 || report.Versions < 3 {
			return fmt.Errorf("found %v of %d versions, %w", report.Problems(), report.Versions, err)
		}
		before = got
		if more == 0 {
			if _, err := r.Promote(context.Background(), fraud.At("1.0.2"), mr.Staging, nil); err != nil {
				return err
			}
		}
	}
	return nil
}

// Invariants 2 and 5, for a bucket's copy: wherever a crash cuts the first
// change short, the whole log is there, and the next change goes on. This also
// holds if a repair made .repairs/ before, so that making it does not sync the
// model's folder.
func TestEveryCrashOfTakingOver(t *testing.T) {
	t.Parallel()
	for _, repaired := range []bool{false, true} {
		t.Run(fmt.Sprintf("repaired %t", repaired), func(t *testing.T) { t.Parallel(); crashesOfTakingOver(t, repaired) })
	}
}

func crashesOfTakingOver(t *testing.T, repaired bool) {
	t.Helper()
	dir, _ := bucketCopy(t)
	if repaired {
		writeFile(t, modelPath(dir, ".repairs", "old", "registry.json"), "{}")
	}
	before, err := pastOf(openStore(t, dir, nil))
	if err != nil {
		t.Fatal(err)
	}
	state, err := snapshot(dir)
	if err != nil {
		t.Fatal(err)
	}
	base := loadTemp(t)
	recorded := filepath.Join(base, "recorded")
	if err := errors.Join(os.Mkdir(recorded, 0o777), state.Write(recorded)); err != nil {
		t.Fatal(err)
	}
	rec := crashtest.NewRecorder(recorded, state)
	if err := registerOn(recorded, rec.Wrap); err != nil {
		t.Fatal(err)
	}
	record := rec.Record()
	crashes(t, base, record, 100/fewer, func(dir string, crash crashtest.Crash) error {
		return takenOver(dir, before, crash.After == len(record.Ops))
	})
}

// Invariant 6, for a bucket's copy: an error at any operation is reported with
// its cause, or does not matter.
func TestEveryFaultOfTakingOver(t *testing.T) {
	t.Parallel()
	copied, _ := bucketCopy(t)
	before, err := pastOf(openStore(t, copied, nil))
	if err != nil {
		t.Fatal(err)
	}
	state, err := snapshot(copied)
	if err != nil {
		t.Fatal(err)
	}
	base := loadTemp(t)
	step := 3 * fewer
	if *crashAll {
		step = 1
	}
	for n, hit := 1, "first"; hit != ""; n += step {
		for _, stays := range []bool{false, true} {
			dir := filepath.Join(base, fmt.Sprint(n, stays))
			if err := errors.Join(os.Mkdir(dir, 0o777), state.Write(dir)); err != nil {
				t.Fatal(err)
			}
			faulty := &crashtest.Faulty{}
			fault := crashtest.Fault{At: n, Err: []error{syscall.EIO, syscall.ENOSPC}[n%2], Stays: stays}
			faulty.Fail(fault)
			err := registerOn(dir, func(d fsstore.Disk) fsstore.Disk { return faulty.Wrap(crashtest.NoSync{Disk: d}) })
			_, hit = faulty.Heal()
			if err != nil && !errors.Is(err, fault.Err) {
				t.Errorf("operation %d (%s): %v, which is not %v", n, hit, err, fault.Err)
			}
			if err := takenOver(dir, before, err == nil); err != nil {
				t.Errorf("operation %d (%s) failed: %v", n, hit, err)
			}
			if temps, _ := filepath.Glob(modelPath(dir, ".*.tmp")); len(temps) > 0 {
				t.Errorf("operation %d (%s) left %v", n, hit, temps)
			}
			os.RemoveAll(dir)
		}
	}
}

// The folder of changes counts as a history: without registry.json, the model
// is not lost.
func TestCopyIsNotALostIndex(t *testing.T) {
	t.Parallel()
	dir, _ := bucketCopy(t)
	if err := os.Remove(modelPath(dir, "registry.json")); err != nil {
		t.Fatal(err)
	}
	r := openStore(t, dir, nil)
	wantStages(t, r, threeStages)
	if v := register(t, r, "", nil); v.Version != "1.0.3" {
		t.Errorf("registered %s, want 1.0.3", v.Version)
	}
}
