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

// The environment of a writer: the folder, its name, the number of its workers,
// and the mutant that says which of the store's syncs it leaves out.
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

// write works until the power is cut, with some workers on one registry. It
// returns their errors.
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

// A site is a store on a volume, with everything that was noted about it.
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

// round lets 8 processes write, cuts the power while they do, and mounts the
// volume again. acks is the number of changes that were acknowledged before the
// cut.
func (s *site) round(ctx context.Context, flags int) (acks int, err error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
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
				err = nil // the file system went down: usually EIO, but files may also seem to be missing
			}
			errs = append(errs, err)
			running--
		}
	}
	if cutErr != nil {
		return acks, cutErr
	}
	// Acknowledgements during the shutdown don't count. With the power gone, no
	// caller would get them. On ext4, an fsync that is under way may succeed
	// although its data is lost, which happened in one of 31 cuts.
	for i := range s.lines[before:] {
		if l := &s.lines[before+i]; l.Phase == ledger.Done {
			l.Phase = ledger.Uncertain
		}
	}
	return acks, errors.Join(append(errs, s.Remount())...)
}

// workers returns how many workers a writer has. Every other writer has
// several, so that they share syncs.
func (s *site) workers() int {
	if s.writers%2 == 0 {
		return 2
	}
	return 16
}

// start starts a writer. Its notes arrive over a pipe, which the cut does not
// reach.
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

// check checks the store after a cut: as a reader, then as the next writer,
// then its files.
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
			return fmt.Errorf("a reader sees an incomplete version: %w", err)
		}
	}
	if err := s.removed(); err != nil {
		return err
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
	return errors.Join(err, ledger.Check(events, s.lines), s.checkDeletions(ctx, r, events))
}

// volumes are the file systems that are cut. On some kernels no ioctl shuts
// btrfs down, so the test takes its disk away.
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

// newMountedSite returns a site with only the use case's folder on the volume.
// The store's own folder is on another file system.
func newMountedSite(t *testing.T, kind volume.Kind) *site {
	t.Helper()
	root := filepath.Join(t.TempDir(), "store")
	return &site{Volume: volume.NewAt(t, kind, filepath.Join(root, modelName.UseCase)), root: root}
}

// Invariants 1, 2, 3 and 5, on a real file system with its journal: changes
// that were acknowledged before the power cut exist after it, and no change
// exists in part.
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

// A use case on a mount of its own keeps acknowledged changes, too.
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

// forgetful does not sync files whose paths contain name.
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

// The test must find faults: a store that leaves out syncs loses acknowledged
// changes, or shows incomplete versions.
func TestPowerCutFindsMutants(t *testing.T) {
	t.Parallel()
	for _, mutant := range slices.Sorted(maps.Keys(mutants)) {
		names := []string{"ext4"}
		if mutant == "every sync" { // btrfs writes much of the other files with the next sync of any file
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
	t.Fatal("no power cut finds the mutant")
}
