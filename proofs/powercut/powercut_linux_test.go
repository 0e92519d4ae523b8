package powercut

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/internal/crashtest"
	"github.com/ubunye-go/modelregistry/internal/fsstore"
	"github.com/ubunye-go/modelregistry/internal/ledger"
	"github.com/ubunye-go/modelregistry/proofs/internal/volume"
)

var rounds = flag.Int("rounds", 3, "power cuts of each file system")

// The environment of a writer: where, who, how many workers at once, and which
// of the store's syncs it leaves out.
const (
	storeVariable   = "MODELREGISTRY_POWERCUT_STORE"
	nameVariable    = "MODELREGISTRY_POWERCUT_NAME"
	workersVariable = "MODELREGISTRY_POWERCUT_WORKERS"
	mutantVariable  = "MODELREGISTRY_POWERCUT_MUTANT"
)

var modelName = mr.ModelName{UseCase: "fraud_detection", Model: "FraudRiskModel"}

func TestMain(m *testing.M) {
	if dir := os.Getenv(storeVariable); dir != "" {
		workers, err := strconv.Atoi(os.Getenv(workersVariable))
		if err == nil {
			err = write(dir, os.Getenv(nameVariable), workers, os.Getenv(mutantVariable))
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// write works until the power is cut: some workers on one registry. It returns
// their errors.
func write(dir, name string, workers int, mutant string) error {
	if mutant != "" {
		fsstore.WrapAll = mutants[mutant]
	}
	r, err := mr.Open(dir, nil)
	if err != nil {
		return err
	}
	defer r.Close()
	notes := ledger.NewNotebook(os.Stdout)
	errs := make([]error, workers)
	var wg sync.WaitGroup
	for i := range errs {
		w := &ledger.Worker{Name: fmt.Sprintf("%s.%d", name, i), Registry: r, Model: modelName, Notes: notes}
		wg.Go(func() { errs[i] = w.Run(context.Background()) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// A site is a store on a volume, and all that was noted of it.
type site struct {
	*volume.Volume
	root    string // the store
	writers int    // so far
	mutant  string

	mu    sync.Mutex
	lines []ledger.Line
}

func (s *site) store() string { return s.root }
func (s *site) model() string { return filepath.Join(s.store(), modelName.UseCase, modelName.Model) }

// round lets 8 processes write, cuts the power in the middle of it, and mounts
// the volume again. acks is how many changes were acknowledged before the cut.
func (s *site) round(ctx context.Context, flags int) (acks int, err error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel() // kills the writers
	acked, ended := make(chan struct{}), make(chan error, 8)
	for range 8 {
		if err := s.start(ctx, acked, ended); err != nil {
			return acks, err
		}
	}
	running := 8
	for enough := 30 + rand.IntN(100); acks < enough; {
		select {
		case <-acked:
			acks++
		case err := <-ended:
			return acks, fmt.Errorf("a writer ended before the cut: %v", err)
		}
	}
	s.mu.Lock()
	before := len(s.lines)
	s.mu.Unlock()
	cutErr := s.Cut(flags)
	if cutErr != nil {
		cancel()
	}
	var errs []error
	for running > 0 {
		select {
		case <-acked:
		case err := <-ended:
			var exit *exec.ExitError
			if errors.As(err, &exit) && exit.ExitCode() == 1 {
				err = nil // its file system went down: EIO mostly, but files may also seem to be missing
			}
			errs = append(errs, err)
			running--
		}
	}
	if cutErr != nil {
		return acks, cutErr
	}
	// What is acknowledged while the file system goes down nobody would hear of
	// with the power gone. It proves nothing: an fsync that is under way then
	// may succeed on ext4 though its data is lost, which was seen in one of 31
	// cuts.
	for i := range s.lines[before:] {
		if l := &s.lines[before+i]; l.Phase == ledger.Done {
			l.Phase = ledger.Uncertain
		}
	}
	return acks, errors.Join(append(errs, s.Remount())...)
}

// workers returns how many a writer has: every other so many that they share
// syncs.
func (s *site) workers() int {
	if s.writers%2 == 0 {
		return 2
	}
	return 16
}

// start starts a writer. Its notes arrive over a pipe, outside what is cut.
func (s *site) start(ctx context.Context, acked chan struct{}, ended chan error) error {
	s.writers++
	cmd := exec.CommandContext(ctx, os.Args[0])
	cmd.Env = append(os.Environ(), storeVariable+"="+s.store(), fmt.Sprintf("%s=w%d", nameVariable, s.writers),
		fmt.Sprintf("%s=%d", workersVariable, s.workers()), mutantVariable+"="+s.mutant)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	go func() {
		for in := bufio.NewScanner(out); in.Scan(); {
			l, ok := ledger.Parse(in.Bytes())
			if !ok {
				continue
			}
			s.mu.Lock()
			s.lines = append(s.lines, l)
			s.mu.Unlock()
			if l.Phase == ledger.Done {
				select {
				case acked <- struct{}{}:
				case <-ctx.Done():
				}
			}
		}
		err := cmd.Wait()
		if err != nil {
			err = fmt.Errorf("a writer: %w\n%s", err, stderr.Bytes())
		}
		ended <- err
	}()
	return nil
}

// check looks at what the cut left: as a reader, then as the next writer, then
// at the files.
func (s *site) check(ctx context.Context) error {
	r, err := mr.Open(s.store(), nil)
	if err != nil {
		return err
	}
	defer r.Close()
	list, err := r.ListVersions(ctx, modelName)
	if err != nil {
		return fmt.Errorf("reading: %w", err)
	}
	stages := map[string]string{}
	for _, v := range list {
		stages[v.Version] = string(v.Stage)
		if err := ledger.Whole(s.model(), v.Version, v.ManifestSHA256); err != nil {
			return fmt.Errorf("a version shows that is not whole: %w", err)
		}
	}
	s.writers++
	l := ledger.Line{Phase: ledger.Intent, Worker: fmt.Sprintf("next%d", s.writers), Token: fmt.Sprintf("next%d", s.writers), Op: "register"}
	save := func(dir string) error { return ledger.Save(dir, l.Token) }
	v, err := r.Register(ctx, modelName, mr.FromFunc(save), &mr.RegisterOptions{Reason: l.Token})
	if err != nil {
		return fmt.Errorf("the next writer: %w", err)
	}
	stages[v.Version] = string(v.Stage)
	s.lines = append(s.lines, l)
	l.Phase, l.Version, l.To, l.Wrote = ledger.Done, v.Version, string(v.Stage), true
	s.lines = append(s.lines, l)

	events, err := ledger.History(s.model())
	if err != nil {
		return err
	}
	replayed, err := ledger.Replay(events)
	if err == nil && !maps.Equal(replayed, stages) {
		err = fmt.Errorf("a reader found %v, the history says %v", stages, replayed)
	}
	return errors.Join(err, ledger.Check(events, s.lines))
}

// volumes are the file systems that are cut. No ioctl shuts btrfs down on every
// kernel, so its disk is taken away.
var volumes = map[string]func(testing.TB) *volume.Volume{
	"ext4":                      func(t testing.TB) *volume.Volume { return volume.New(t, volume.Ext4) },
	"ext4 with 128-byte inodes": func(t testing.TB) *volume.Volume { return volume.New(t, volume.Ext4SmallInodes) },
	"ext4 without a journal":    func(t testing.TB) *volume.Volume { return volume.New(t, volume.Ext4NoJournal) },
	"xfs":                       func(t testing.TB) *volume.Volume { return volume.New(t, volume.XFS) },
	"xfs on a disk":             func(t testing.TB) *volume.Volume { return volume.NewOnDisk(t, volume.XFS) },
	"btrfs on a disk":           func(t testing.TB) *volume.Volume { return volume.NewOnDisk(t, volume.Btrfs) },
}

func newSite(v *volume.Volume, mutant string) *site {
	return &site{Volume: v, root: filepath.Join(v.Dir, "store"), mutant: mutant}
}

// newMountedSite is a site of which only the use case's folder lies on the
// volume. The store's own folder is on another file system.
func newMountedSite(t *testing.T, kind volume.Kind) *site {
	t.Helper()
	root := filepath.Join(t.TempDir(), "store")
	return &site{Volume: volume.NewAt(t, kind, filepath.Join(root, modelName.UseCase)), root: root}
}

// Invariants 1, 2, 3 and 5: what was acknowledged before the power went is
// there when it is back, and nothing half done is; on a real file system, with
// its journal.
func TestPowerCut(t *testing.T) {
	t.Parallel()
	for name, new := range volumes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(new(t), "")
			acks := 0
			for round := range *rounds {
				flags := []int{volume.NoFlush, volume.FlushLog, volume.NoFlush, volume.FlushAll}[round%4]
				n, err := s.round(t.Context(), flags)
				if err == nil {
					err = s.check(t.Context())
				}
				if err != nil {
					t.Fatalf("power cut %d, flags %d: %v", round+1, flags, err)
				}
				acks += n
			}
			t.Logf("%d acknowledgements before %d power cuts", acks, *rounds)
		})
	}
}

// A use case on a mount of its own keeps what was acknowledged, too.
func TestPowerCutOfAMountedUseCase(t *testing.T) {
	t.Parallel()
	for _, kind := range []volume.Kind{volume.Ext4, volume.XFS} {
		t.Run(kind.Name, func(t *testing.T) {
			t.Parallel()
			s := newMountedSite(t, kind)
			for round := range *rounds {
				_, err := s.round(t.Context(), volume.NoFlush)
				if err == nil {
					err = s.check(t.Context())
				}
				if err != nil {
					t.Fatalf("power cut %d: %v", round+1, err)
				}
			}
		})
	}
}

// mutants are stores that leave out syncs.
var mutants = map[string]func(fsstore.Disk) fsstore.Disk{
	"every sync":          func(d fsstore.Disk) fsstore.Disk { return crashtest.NoSync{Disk: d} },
	"sync of the history": func(d fsstore.Disk) fsstore.Disk { return forgetful{d, "/history.jsonl"} },
	"sync of the trees":   func(d fsstore.Disk) fsstore.Disk { return forgetful{d, "/.staging/"} },
}

// forgetful does not sync what has something in its name.
type forgetful struct {
	fsstore.Disk
	name string
}

func (d forgetful) Sync(name string) error {
	if strings.Contains("/"+name, d.name) {
		return nil
	}
	return d.Disk.Sync(name)
}

func (d forgetful) Open(name string) (fsstore.File, error) {
	if strings.Contains("/"+name, d.name) {
		return crashtest.NoSync{Disk: d.Disk}.Open(name)
	}
	return d.Disk.Open(name)
}

// A power cut is worth something only if it finds what is wrong: a store that
// leaves out syncs loses what it acknowledged, or shows what is not whole.
func TestPowerCutFindsMutants(t *testing.T) {
	t.Parallel()
	for _, mutant := range slices.Sorted(maps.Keys(mutants)) {
		names := []string{"ext4"}
		if mutant == "every sync" { // btrfs writes much of the rest with the next sync of another file
			names = append(names, "btrfs on a disk")
		}
		for _, name := range names {
			t.Run(mutant+"/"+name, func(t *testing.T) {
				t.Parallel()
				findMutant(t, newSite(volumes[name](t), mutant))
			})
		}
	}
}

func findMutant(t *testing.T, s *site) {
	t.Helper()
	for round := range 10 {
		if _, err := s.round(t.Context(), volume.NoFlush); err != nil {
			t.Fatal(err)
		}
		if err := s.check(t.Context()); err != nil {
			first, _, _ := strings.Cut(err.Error(), "\n")
			t.Logf("power cut %d: %s", round+1, first)
			return
		}
	}
	t.Fatal("no power cut finds it")
}
