// Package bench measures the operations that docs/performance.md lists, each
// together with its floor, which is the least that it must cost on this
// machine. One command prints the table:
//
//	go test -run '^$' -bench . -timeout 1h .
//
// The package itself generates the stores. It measures nothing.
package bench

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"testing/fstest"
	"time"

	mr "github.com/ubunye-go/modelregistry"
)

// Name is the model in the generated stores.
var Name = mr.ModelName{UseCase: "fraud_detection", Model: "FraudRiskModel"}

// Real is the number of versions in a generated store that have files. They are
// the last ones.
const Real = 8

// Round is how long goroutines or processes work concurrently in one
// measurement.
const Round = 2 * time.Second

// Generate makes a store of n versions in dir, with a current document. The
// versions were registered an hour apart, and every tenth was promoted to
// production. The last [Real] versions have files. Generate returns these
// versions. The first of them is in production.
//
// It writes the history of the other versions directly, because a hundred
// thousand registrations would take minutes.
func Generate(dir string, n int) (versions []string, err error) {
	model := filepath.Join(dir, Name.UseCase, Name.Model)
	if n > Real {
		if err := writeHistory(model, n-Real, hash(nil)); err != nil {
			return nil, err
		}
	}
	return add(dir, min(n, Real))
}

// GenerateWithFiles makes a store of n versions in dir. All of them have files,
// which are copies of those of a version that is registered in another store.
func GenerateWithFiles(dir string, n int) error {
	another := dir + "-another"
	defer os.RemoveAll(another)
	first, err := add(another, 1)
	if err != nil {
		return err
	}
	tree := filepath.Join(another, Name.UseCase, Name.Model, "versions", first[0])
	manifest, err := os.ReadFile(filepath.Join(tree, "manifest.json"))
	if err != nil {
		return err
	}
	model := filepath.Join(dir, Name.UseCase, Name.Model)
	for i := range n - 1 {
		if err := os.CopyFS(filepath.Join(model, "versions", number(i)), os.DirFS(tree)); err != nil {
			return err
		}
	}
	if err := writeHistory(model, n-1, hash(manifest)); err != nil {
		return err
	}
	_, err = add(dir, 1)
	return err
}

// add registers versions, promotes the first of them, and brings the document
// up to date.
func add(dir string, n int) (versions []string, err error) {
	r, err := mr.Open(dir, nil)
	if err != nil {
		return nil, err
	}
	defer func() {
		if closeErr := r.Close(); err == nil { // Close rewrites the document
			err = closeErr
		}
	}()
	for range n {
		v, err := Register(r, Small())
		if err != nil {
			return nil, err
		}
		versions = append(versions, v.Version)
	}
	return versions, Promote(r, versions[0], mr.Production)
}

// Register registers a version with the metadata of the generated versions.
func Register(r *mr.ModelRegistry, a mr.Artifact) (mr.ModelVersion, error) {
	return r.Register(context.Background(), Name, a, &mr.RegisterOptions{
		Metrics:        map[string]any{"accuracy": 0.9471, "auc": 0.9312, "loss": 0.1944},
		Metadata:       map[string]any{"drift_check_passed": true, "features": 31, "framework": "gonum"},
		LineageRunID:   "run-2026-11-23-0001",
		ConfigHash:     hash([]byte("config")),
		SourceRevision: "3f786850e387550fdab836ed7e6dc881de23001b",
		Actor:          "nightly",
	})
}

// Small is an artifact of one small file.
func Small() mr.Artifact {
	return mr.FromFS(fstest.MapFS{"weights.bin": {Data: make([]byte, 1024), Mode: 0o644}})
}

// Promote promotes a version.
func Promote(r *mr.ModelRegistry, version string, to mr.ModelStage) error {
	_, err := r.Promote(context.Background(), Name.At(version), to, nil)
	return err
}

// Demote demotes a version.
func Demote(r *mr.ModelRegistry, version string, to mr.ModelStage) error {
	_, err := r.Demote(context.Background(), Name.At(version), to, nil)
	return err
}

// Get gets the model in production.
func Get(r *mr.ModelRegistry) (*mr.Model, error) {
	return r.GetModel(context.Background(), Name.In(mr.Production), nil)
}

// number returns the i-th version of a generated history.
func number(i int) string { return fmt.Sprintf("1.%d.%d", i/1000, i%1000) }

// A historyWriter writes events as the registry does.
type historyWriter struct {
	w      *bufio.Writer
	events int
	prev   string // the digest of the previous line, in hex
}

// An image is a version after an event. Times are texts in the history's
// format. An empty time was not set.
type image struct {
	version, stage                 string
	registered, promoted, archived string
	entered                        int
	manifest                       string
}

func (h *historyWriter) write(at, op, version, from, to string, after ...*image) {
	h.events++
	line := fmt.Appendf(nil, `{"event":%d,"id":"%032x","time":"%s","op":"%s","version":"%s"`, h.events, h.events, at, op, version)
	if from != "" {
		line = fmt.Appendf(line, `,"from":"%s"`, from)
	}
	line = fmt.Appendf(line, `,"to":"%s","actor":"nightly"`, to)
	key := `,"after":{`
	for _, v := range after {
		line = fmt.Appendf(line, `%s"%s":{"version":"%[2]s","stage":"%s","registered_at":"%s","promoted_to_staging":null,`+
			`"promoted_to_prod":%s,"archived_at":%s,"metrics":{"accuracy":0.9471,"auc":0.9312,"loss":0.1944},`+
			`"metadata":{"drift_check_passed":true,"features":31,"framework":"gonum"},"lineage_run_id":"run-2026-11-23-0001",`+
			`"config_hash":"%s","promoted_by":null}`,
			key, v.version, v.stage, v.registered, orNull(v.promoted), orNull(v.archived), hash([]byte("config")))
		key = ","
	}
	key = `},"extra":{`
	for _, v := range after {
		line = fmt.Appendf(line, `%s"%s":{"entered":%d,"registered_by":"nightly",`+
			`"source_revision":"3f786850e387550fdab836ed7e6dc881de23001b","manifest":"%s"}`, key, v.version, v.entered, v.manifest)
		key = ","
	}
	line = fmt.Appendf(line, `},"prev":"%s"`, h.prev)
	line = fmt.Appendf(line, `,"crc32c":"%08x"}`, crc32.Checksum(line, crc32.MakeTable(crc32.Castagnoli)))
	h.prev = hash(line)
	h.w.Write(line)
	h.w.WriteByte('\n')
}

func orNull(text string) string {
	if text == "" {
		return "null"
	}
	return `"` + text + `"`
}

// writeHistory writes the history of n versions. The last one was registered an
// hour ago.
func writeHistory(dir string, n int, manifest string) error {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	f, err := os.Create(filepath.Join(dir, "history.jsonl"))
	if err != nil {
		return err
	}
	defer f.Close()
	h := &historyWriter{w: bufio.NewWriterSize(f, 1<<20)}
	start := time.Now().UTC().Add(-time.Duration(n) * time.Hour)
	var production *image
	for i := range n {
		at := start.Add(time.Duration(i) * time.Hour).Format("2006-01-02T15:04:05.000000+00:00")
		v := &image{version: number(i), stage: "development", registered: at, entered: h.events + 1, manifest: manifest}
		h.write(at, "register", v.version, "", v.stage, v)
		if i%10 != 0 {
			continue
		}
		after := []*image{v}
		if production != nil {
			production.stage, production.archived, production.entered = "archived", at, h.events+1
			after = []*image{production, v}
		}
		v.stage, v.promoted, v.entered = "production", at, h.events+1
		h.write(at, "promote", v.version, "development", v.stage, after...)
		production = v
	}
	return h.w.Flush()
}

func hash(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
