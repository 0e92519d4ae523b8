package fsstore

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/ubunye-go/modelregistry/driver"
)

// machinesName is a file in a model's folder that records that two machines
// wrote to the model, as a line for people. The first machine that notices
// makes it. It stays until a person removes it. Older releases ignore it.
//
// A note of another boot shows it in two ways. Either this boot wrote the note
// before that: the boots took turns, so both systems were running. Or the note
// was written in this very lock file, after this system was started. In a copy
// of a store the lock file has another inode. A disk that was moved to another
// machine and back while this system was running looks like a shared one.
//
// The time at which the system was started is known on Linux only. Elsewhere
// nothing is recorded.
const machinesName = ".machines"

// clockSlack is how far clocks may differ. A note that is newer than the clock
// shows nothing: one of the clocks was wrong.
const clockSlack = time.Minute

// noteMachine makes the file if a note shows that another machine wrote to the
// model. The caller holds the lock. A failure only loses the record, so it is a
// warning.
func (s *Store) noteMachine(d Disk, dir string, n note, lock FileID) {
	boot, started := s.boot(), s.bootTime()
	if n.Boot == "" || boot == "" || sameBoot(n.Boot, boot) || started.IsZero() {
		return
	}
	if !sameBoot(n.Before, boot) && !n.since(started, lock) {
		return
	}
	file := path.Join(dir, machinesName)
	if _, err := d.Lstat(file); !errors.Is(err, fs.ErrNotExist) {
		return
	}
	text := fmt.Sprintf("machine %s (boot %s) wrote to this model at %s, while machine %s (boot %s) was running, which wrote at %s\n",
		printable(n.Host), printable(n.Boot), utc(time.Unix(n.Time, 0)), hostName(), boot, utc(time.Now()))
	if err := writeRecord(d, file, text); err != nil {
		s.warn(fmt.Sprintf("%s/%s: not recorded that two machines wrote to the model: %v", dir, machinesName, err))
	}
}

// since reports whether a note was written in the present lock file after this
// system was started.
func (n note) since(started time.Time, lock FileID) bool {
	if n.Time == 0 || n.Inode == 0 || n.Inode != lock.Inode {
		return false
	}
	wrote := time.Unix(n.Time, 0)
	return wrote.After(started.Add(clockSlack)) && wrote.Before(time.Now().Add(clockSlack))
}

// writeRecord makes a file, durably. A crash may leave it empty, which still
// says that there were two machines.
func writeRecord(d Disk, file, text string) error {
	if err := d.Make(file); err != nil {
		return err
	}
	f, err := d.Open(file)
	if err != nil {
		return err
	}
	_, err = f.WriteAt([]byte(text), 0)
	return errors.Join(err, f.Sync(), f.Close(), d.Sync(path.Dir(file)))
}

// machines yields the record of a second machine. A record that can't be read
// counts, too.
func (in *inspector) machines() bool {
	const most = 1 << 10 // bytes of text
	it := driver.Item{Kind: driver.ItemMachines, Path: path.Join(in.dir, machinesName)}
	text := make([]byte, most)
	n, _, err := in.disk.ReadAt(it.Path, text, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return true
	}
	line, _, _ := strings.Cut(string(text[:n]), "\n")
	it.Text = printable(line)
	return in.send(it, nil)
}

// hostName returns the machine's name, cut to what a note has room for.
var hostName = sync.OnceValue(func() string {
	const most = 63
	name, err := os.Hostname()
	if err != nil {
		return ""
	}
	name = printable(name)
	return name[:min(len(name), most)]
})

// printable replaces what is not printable ASCII, since any program may have
// written the text.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, text)
}

func utc(t time.Time) string { return t.UTC().Format(time.RFC3339) }
