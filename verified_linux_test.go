//go:build amd64 || arm64

package modelregistry_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"
	"time"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/internal/beneath"
)

// settleTimes waits until a further change of any file has another time.
func settleTimes() { time.Sleep(25 * time.Millisecond) }

// verifiedVersion returns a registry that verified the version 1.0.0 of fraud and takes it as verified, and the version's folder.
func verifiedVersion(t *testing.T) (r *mr.ModelRegistry, folder string) {
	t.Helper()
	r, dir := newStore(t, nil)
	if beneath.PrintOf(dir, []string{"."}, time.Now().Add(time.Hour)) == nil {
		unavailable(t, "this file system is not known to tell when a file was changed last")
	}
	from := mr.FromFS(fstest.MapFS{"weights.bin": {Data: []byte("weights"), Mode: 0o644}, "deep/er/vocabulary": {Data: []byte("words"), Mode: 0o644}})
	v, err := r.Register(t.Context(), fraud, from, nil)
	if err != nil {
		t.Fatal(err)
	}
	folder = modelPath(dir, "versions", v.Version)
	if r.TakesAsVerified(folder, v) {
		t.Error("it is taken as verified before anybody looked")
	}
	if err := os.Mkdir(filepath.Join(folder, "model", "empty"), 0o777); err != nil { // which no manifest lists
		t.Fatal(err)
	}
	settleTimes()
	promote(t, r, v.Version, mr.Staging)
	if !r.TakesAsVerified(folder, v) {
		t.Fatal("it is not taken as verified")
	}
	return r, folder
}

// A version that was verified is not read again while it looks unchanged, but whatever is done to its files shows.
func TestVerifiedVersionIsChanged(t *testing.T) {
	t.Parallel()
	overwrite := func(name, data string) error {
		info, err := os.Stat(name)
		if err != nil {
			return err
		}
		return errors.Join(os.Chmod(name, 0o600), os.WriteFile(name, []byte(data), 0), os.Chmod(name, info.Mode()),
			os.Chtimes(name, info.ModTime(), info.ModTime()))
	}
	for name, change := range map[string]func(folder string) error{
		"overwritten, its time set back": func(f string) error { return overwrite(f+"/model/weights.bin", "WEIGHTS") },
		"overwritten deep down":          func(f string) error { return overwrite(f+"/model/deep/er/vocabulary", "WORDS") },
		"by another name": func(f string) error {
			other := filepath.Join(f, "..", "..", "link")
			return errors.Join(os.Link(f+"/model/weights.bin", other), overwrite(other, "WEIGHTS"), os.Remove(other))
		},
		"another file in its place": func(f string) error {
			name := f + "/model/weights.bin"
			info, err := os.Stat(name)
			if err != nil {
				return err
			}
			return errors.Join(os.WriteFile(name+"2", []byte("WEIGHTS"), 0o444),
				os.Chtimes(name+"2", info.ModTime(), info.ModTime()), os.Rename(name+"2", name))
		},
		"a file more":                    func(f string) error { return os.WriteFile(f+"/model/more", nil, 0o444) },
		"a file more in an empty folder": func(f string) error { return os.WriteFile(f+"/model/empty/more", nil, 0o444) },
		"a file less":                    func(f string) error { return os.Remove(f + "/model/deep/er/vocabulary") },
		"another manifest":               func(f string) error { return overwrite(f+"/manifest.json", `{"files": []}`) },
		"another scoring":                func(f string) error { return overwrite(f+"/metrics.json", `{"auc": 1}`) },
		"a symlink to a copy": func(f string) error {
			copied := filepath.Join(f, "..", "..", "copy")
			return errors.Join(os.CopyFS(copied, os.DirFS(f+"/model")), os.RemoveAll(f+"/model"), os.Symlink(copied, f+"/model"))
		},
		"another folder": func(f string) error {
			return errors.Join(os.Rename(f, f+".old"), os.CopyFS(f, os.DirFS(f+".old")), overwrite(f+"/model/weights.bin", "WEIGHTS"))
		},
		"all gone": os.RemoveAll,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, folder := verifiedVersion(t)
			if err := change(folder); err != nil {
				t.Fatal(err)
			}
			if _, err := r.Promote(t.Context(), fraud, "1.0.0", mr.Production, nil); !errors.Is(err, mr.ErrArtifact) {
				t.Errorf("promoted with %v", err)
			}
			wantStages(t, r, map[string]mr.ModelStage{"1.0.0": mr.Staging})
		})
	}
}

// What is written in the same tick of the clock as the look, or just before it, is no mystery either.
func TestVerifiedJustAfterAChange(t *testing.T) {
	t.Parallel()
	r, dir := newStore(t, nil)
	for i := range 30 {
		version := fmt.Sprintf("1.0.%d", i)
		register(t, r, version, nil)
		name := modelPath(dir, "versions", version, "model", "weights.bin")
		f, err := os.OpenFile(name, os.O_WRONLY, 0)
		if errors.Is(err, fs.ErrPermission) {
			if err = os.Chmod(name, 0o600); err == nil {
				f, err = os.OpenFile(name, os.O_WRONLY, 0)
			}
		}
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if _, err := f.WriteAt([]byte("w"), 0); err != nil { // as it was
			t.Fatal(err)
		}
		promote(t, r, version, mr.Staging)
		if _, err := f.WriteAt([]byte("W"), 0); err != nil {
			t.Fatal(err)
		}
		if _, err := r.Promote(t.Context(), fraud, version, mr.Production, nil); !errors.Is(err, mr.ErrArtifact) {
			t.Fatalf("%s promoted with %v", version, err)
		}
	}
}

// A version is verified anew after an hour, with another manifest, and by whoever asks for it.
func TestVerifiedForAnHour(t *testing.T) {
	t.Parallel()
	r, folder := verifiedVersion(t)
	v, err := r.GetVersion(t.Context(), fraud.At("1.0.0"))
	if err != nil {
		t.Fatal(err)
	}
	r.AgeVerified(59 * time.Minute)
	if !r.TakesAsVerified(folder, v) {
		t.Error("not taken as verified after less than an hour")
	}
	other := v
	other.ManifestSHA256 = "00"
	if r.TakesAsVerified(folder, other) {
		t.Error("taken as verified by another manifest")
	}
	r.AgeVerified(time.Minute)
	if r.TakesAsVerified(folder, v) {
		t.Error("taken as verified after an hour")
	}
	promote(t, r, "1.0.0", mr.Production)
	if !r.TakesAsVerified(folder, v) {
		t.Error("verified anew, and not taken as verified")
	}
}
