//go:build unix

package crash

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/internal/crashtest"
	"github.com/ubunye-go/modelregistry/internal/document"
	"github.com/ubunye-go/modelregistry/internal/fsstore"
	"github.com/ubunye-go/modelregistry/internal/pyjson"
)

// The store under load is not there in the beginning, nor is the folder above
// it.
const loadStore = "above/store"

var loadModel = mr.ModelName{UseCase: "uc", Model: "m"}

// loadTemp makes a folder for stores that need not outlive anything: in memory,
// where that can be had, for there are thousands of them.
func loadTemp(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "modelregistry")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// A load is a store in use.
type load struct {
	*mr.ModelRegistry
	dir     string // of the store
	lags    bool   // the document lags from the first byte on
	under   func(fsstore.Disk) fsstore.Disk
	disk    fsstore.Disk // what others use, who are not the registry
	boot    string
	faulty  crashtest.Faulty
	failing bool // a fault is under way
	alone   bool // no other program writes the document
}

// boots counts the boots of the system that were played.
var boots atomic.Int64

func nextBoot() string { return fmt.Sprint("boot ", boots.Add(1)) }

// newLoad opens a registry on a store in a folder below base, after a boot of
// the system. Its I/O goes through under.
func newLoad(base string, lags bool, under func(fsstore.Disk) fsstore.Disk) (*load, error) {
	l := &load{dir: filepath.Join(base, loadStore), lags: lags, under: under, boot: nextBoot()}
	return l, l.open(time.Hour)
}

// open starts with a new registry that has read nothing, as another process
// would.
func (l *load) open(idle time.Duration) error {
	if l.ModelRegistry != nil {
		if err := l.Close(); err != nil {
			return err
		}
	}
	m := machine{boot: l.boot, disk: func(d fsstore.Disk) fsstore.Disk {
		l.disk = l.under(d)
		return l.faulty.Wrap(l.disk)
	}}
	if l.lags {
		m.lag = lagFromTheStart(idle)
	}
	r, err := m.open(l.dir, &mr.Options{Now: l.clock()})
	if err != nil {
		return err
	}
	l.ModelRegistry = r
	return nil
}

// clock returns a clock that is ahead of all events of the store, as Purge
// wants it.
func (l *load) clock() func() time.Time {
	log, _ := l.read("history.jsonl") // there may be none
	now, ahead := ticker(), time.Duration(bytes.Count(log, []byte("\n")))*time.Hour
	return func() time.Time { return now().Add(ahead) }
}

func loadPath(name ...string) string {
	return path.Join(append([]string{loadModel.UseCase, loadModel.Model}, name...)...)
}

func (l *load) read(name string) ([]byte, error) {
	return os.ReadFile(filepath.Join(l.dir, loadPath(name)))
}

// write writes a file as programs do that know nothing of power cuts.
func (l *load) write(name string, data []byte, at int64) error {
	f, err := l.disk.Open(loadPath(name))
	if err != nil {
		return err
	}
	err = f.Truncate(at)
	if err == nil {
		_, err = f.WriteAt(data, at)
	}
	return errors.Join(err, f.Close())
}

// savedFiles are the files of every version's artifact.
var savedFiles = map[string]string{"w.bin": "weights of a model", "sub/v.txt": "vocabulary"}

func (l *load) register(ctx context.Context, opts mr.RegisterOptions) (mr.ModelVersion, error) {
	save := func(dir string) error {
		err := os.Mkdir(filepath.Join(dir, "sub"), 0o777)
		for name, text := range savedFiles {
			err = errors.Join(err, os.WriteFile(filepath.Join(dir, filepath.FromSlash(name)), []byte(text), 0o666))
		}
		return err
	}
	opts.Metrics = map[string]any{"auc": 0.9}
	return l.Register(ctx, loadModel, mr.FromFunc(save), &opts)
}

func (l *load) promote(ctx context.Context, version string, to mr.ModelStage) error {
	_, err := l.Promote(ctx, loadModel.At(version), to, &mr.MoveOptions{SkipGates: true})
	return err
}

// A loadStep changes the store. Steps run in order; each is acknowledged when
// it returns.
type loadStep struct {
	name    string
	plant   func(l *load) error // what others did before
	do      func(ctx context.Context, l *load) error
	records bool                          // it records first what it then does, so that a failure may leave the record
	foreign bool                          // it is not the registry's doing, and may be lost until the next step
	fails   func(state map[string]string) // its change is taken back, and until then may show so
}

var loadSteps = []loadStep{
	{name: "register in a store that is not there", do: func(ctx context.Context, l *load) error {
		// So large that the document may lag until the end of the workload.
		_, err := l.register(ctx, mr.RegisterOptions{Version: "1.0.0", Metadata: map[string]any{"notes": strings.Repeat("x", 8<<10)}})
		return err
	}},
	{name: "register", do: func(ctx context.Context, l *load) error {
		_, err := l.register(ctx, mr.RegisterOptions{})
		return err
	}},
	{name: "promote", do: func(ctx context.Context, l *load) error {
		return l.promote(ctx, "1.0.1", mr.Production)
	}},
	{name: "register with a gate", do: func(ctx context.Context, l *load) error {
		_, err := l.register(ctx, mr.RegisterOptions{Gates: mr.MinMetric("auc", 0.95)})
		return err
	}},
	{name: "be refused", do: func(ctx context.Context, l *load) error {
		_, err := l.Promote(ctx, loadModel.At("1.0.2"), mr.Production, nil)
		var refused *mr.GateError
		if !errors.As(err, &refused) {
			return fmt.Errorf("a gate that can't be passed gave %w", err)
		}
		return nil
	}},
	{name: "promote over", do: func(ctx context.Context, l *load) error {
		return l.promote(ctx, "1.0.2", mr.Production)
	}},
	{name: "roll back", do: func(ctx context.Context, l *load) error {
		_, err := l.Rollback(ctx, loadModel, nil)
		return err
	}},
	{name: "set aliases", do: func(ctx context.Context, l *load) error {
		return l.SetAliases(ctx, loadModel, map[string]string{"champion": "1.0.2", "previous": "1.0.1"}, nil)
	}},
	{name: "move aliases", do: func(ctx context.Context, l *load) error {
		return l.SetAliases(ctx, loadModel, map[string]string{"champion": "1.0.1", "previous": "1.0.2", "canary": "1.0.0"},
			&mr.AliasOptions{If: map[string]string{"champion": "1.0.2", "canary": ""}})
	}},
	{name: "fail a condition of aliases", do: func(ctx context.Context, l *load) error {
		err := l.SetAliases(ctx, loadModel, map[string]string{"champion": ""}, &mr.AliasOptions{If: map[string]string{"champion": "1.0.0"}})
		if !errors.Is(err, mr.ErrConflict) {
			return fmt.Errorf("a condition that does not hold gave %w", err)
		}
		return nil
	}},
	{name: "annotate a version", do: func(ctx context.Context, l *load) error {
		return l.Annotate(ctx, loadModel.Aliased("champion"), mr.Note{Set: map[string]string{"team": "a", "risk": "high"}}, nil)
	}},
	{name: "annotate the model", do: func(ctx context.Context, l *load) error {
		text := strings.Repeat("card ", 100)
		return l.AnnotateModel(ctx, loadModel, mr.Note{Set: map[string]string{"owner": "b"}, Description: &text}, nil)
	}},
	{name: "fail to save", do: func(ctx context.Context, l *load) error {
		_, err := l.Register(ctx, loadModel, mr.FromFunc(func(dir string) error {
			return errors.Join(os.WriteFile(filepath.Join(dir, "w.bin"), []byte("half"), 0o666), os.ErrInvalid)
		}), nil)
		if !errors.Is(err, os.ErrInvalid) {
			return fmt.Errorf("a failing save gave %w", err)
		}
		return nil
	}},
	{name: "demote", do: func(ctx context.Context, l *load) error {
		_, err := l.Demote(ctx, loadModel.At("1.0.1"), mr.Staging, nil)
		return err
	}},
	{name: "archive", do: func(ctx context.Context, l *load) error {
		_, err := l.Archive(ctx, loadModel.At("1.0.2"), nil) // it is: writes nothing
		if err != nil {
			return err
		}
		if _, err := l.Archive(ctx, loadModel.At("1.0.1"), nil); !errors.Is(err, mr.ErrProtected) {
			return fmt.Errorf("archiving an aliased version gave %w", err)
		}
		_, err = l.Archive(ctx, loadModel.At("1.0.1"), &mr.MoveOptions{Force: true})
		return err
	}},
	{name: "remove an alias", do: func(ctx context.Context, l *load) error {
		return l.SetAliases(ctx, loadModel, map[string]string{"champion": ""}, nil)
	}},
	{name: "remove a tag", do: func(ctx context.Context, l *load) error {
		return l.Annotate(ctx, loadModel.At("1.0.1"), mr.Note{Remove: []string{"risk"}}, nil)
	}},
	{name: "write as Python does", foreign: true, do: func(_ context.Context, l *load) error {
		return l.python("staging")
	}},
	{name: "promote upon that", do: func(ctx context.Context, l *load) error {
		return l.promote(ctx, "1.0.2", mr.Staging)
	}},
	{name: "fail to append", fails: func(state map[string]string) { state["1.0.2"] = "production" }, do: func(ctx context.Context, l *load) error {
		l.faulty.Fail(crashtest.Fault{Err: syscall.EIO,
			On: func(op, name string) bool { return op == "sync" && strings.HasSuffix(name, "/history.jsonl") }})
		err := l.promote(ctx, "1.0.2", mr.Production)
		l.faulty.Heal()
		if !errors.Is(err, syscall.EIO) {
			return fmt.Errorf("a failing append gave %w", err)
		}
		return nil
	}},
	{name: "promote after a torn append", plant: tear, do: func(ctx context.Context, l *load) error {
		return l.promote(ctx, "1.0.2", mr.Production)
	}},
	{name: "sweep", plant: func(l *load) error {
		dead := path.Join(".staging", strings.Repeat("0d", 16))
		tree := path.Join(dead, "tree")
		return errors.Join(l.disk.Mkdir(loadPath(dead)), l.disk.Mkdir(loadPath(tree)),
			l.write(path.Join(dead, ".lock"), nil, 0), l.write(path.Join(tree, "w.bin"), []byte("half a mod"), 0),
			l.open(time.Hour))
	}, do: func(ctx context.Context, l *load) error {
		_, err := l.register(ctx, mr.RegisterOptions{})
		return err
	}},
	{name: "put aside what a crash left", plant: func(l *load) error {
		return errors.Join(l.disk.Mkdir(loadPath(".placing")), l.write(".placing/manifest.json", []byte(orphanMark), 0),
			l.disk.Sync(loadPath(".placing/manifest.json")), l.disk.Sync(loadPath(".placing")),
			l.disk.Rename(loadPath(".placing"), loadPath("versions/1.0.4")), l.disk.Sync(loadPath("versions")))
	}, do: func(ctx context.Context, l *load) error {
		_, err := l.register(ctx, mr.RegisterOptions{})
		return err
	}},
	{name: "be idle", plant: func(l *load) error { return l.open(time.Millisecond) }, do: func(ctx context.Context, l *load) error {
		if _, err := l.Demote(ctx, loadModel.At("1.0.2"), mr.Development, nil); err != nil || !l.lags {
			return err
		}
		return l.idle(ctx)
	}},
	{name: "append after it", plant: func(l *load) error { return l.open(time.Hour) }, do: func(ctx context.Context, l *load) error {
		return l.promote(ctx, "1.0.3", mr.Production)
	}},
	{name: "close", do: func(ctx context.Context, l *load) error { return l.open(time.Hour) }},
	{name: "append after that", do: func(ctx context.Context, l *load) error {
		_, err := l.Archive(ctx, loadModel.At("1.0.1"), nil)
		return err
	}},
	{name: "register once", do: func(ctx context.Context, l *load) error {
		_, err := l.register(ctx, mr.RegisterOptions{Once: "run", Note: mr.Note{Set: map[string]string{deletedTag: deletedValue}}})
		return err
	}},
	{name: "register once again", plant: func(l *load) error { return l.open(time.Hour) }, do: func(ctx context.Context, l *load) error {
		v, err := l.register(ctx, mr.RegisterOptions{Once: "run"})
		if err == nil && !v.Existing {
			err = fmt.Errorf("version %s was registered with a key that another one has", v.Version)
		}
		return err
	}},
	{name: "hold", do: func(ctx context.Context, l *load) error {
		return l.Hold(ctx, loadModel.At(heldVersion), &mr.KeepOptions{Reason: "a case"})
	}},
	{name: "delete", do: func(ctx context.Context, l *load) error {
		if err := l.Delete(ctx, loadModel.At(heldVersion), &mr.KeepOptions{Force: true}); !errors.Is(err, mr.ErrProtected) {
			return fmt.Errorf("deleting a version that is held gave %w", err)
		}
		return l.Delete(ctx, loadModel.At(deletedVersion), &mr.KeepOptions{Actor: "a", Force: true})
	}},
	{name: "undelete", plant: func(l *load) error { return l.open(time.Hour) }, do: func(ctx context.Context, l *load) error {
		return l.Undelete(ctx, loadModel.At(deletedVersion), nil)
	}},
	{name: "delete again", do: func(ctx context.Context, l *load) error {
		return l.Delete(ctx, loadModel.At(deletedVersion), &mr.KeepOptions{Force: true})
	}},
	// The clock of the new registry is hours ahead of the deletion.
	{name: purgeStep, records: true, plant: func(l *load) error { return l.open(time.Hour) }, do: func(ctx context.Context, l *load) error {
		_, err := l.Purge(ctx, loadModel, &mr.PurgeOptions{OlderThan: time.Hour, Apply: true})
		return err
	}},
}

// python writes the document as the Python program does: it reads nothing else,
// drops our key, and writes in place. It may give the first entry another
// stage.
func (l *load) python(stage string) error {
	data, err := l.read("registry.json")
	if err != nil {
		return err
	}
	d, err := document.Parse(data)
	if err != nil {
		return err
	}
	d.Mark = nil
	if stage != "" {
		d.Entries[0].Raw = document.Set(d.Entries[0].Raw, []pyjson.Member{{Key: "stage", Value: pyjson.Quote(stage)}})
	}
	return l.write("registry.json", document.Format(d), 0)
}

// orphanMark is the content of a tree that must not be lost.
const orphanMark = `{"files": []}`

// tear leaves at the end of the log what an earlier crash may: an append whose
// first half never arrived.
func tear(l *load) error {
	data, err := l.read("history.jsonl")
	if err != nil {
		return err
	}
	torn := append(bytes.Repeat([]byte{0}, 100), bytes.Repeat([]byte("x"), 400)...)
	return errors.Join(l.write("history.jsonl", append(torn, '\n'), int64(len(data))), l.disk.Sync(loadPath("history.jsonl")))
}

// giveUpAfter is how long idle waits for a document that a fault may have left
// lagging.
const giveUpAfter = 50 * time.Millisecond

// idle waits until the document is in step. Where a fault may have kept it from
// that, it is due with the next change.
func (l *load) idle(ctx context.Context) error {
	if l.failing {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, giveUpAfter)
		defer cancel()
	}
	for ctx.Err() == nil {
		_, at, err := documentOf(l.dir)
		if err != nil {
			return err
		}
		log, err := replayLog(l.dir)
		if err != nil || at == log.last {
			return err
		}
		time.Sleep(time.Millisecond)
	}
	if l.failing {
		return nil
	}
	return ctx.Err()
}
