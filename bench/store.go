// Package bench measures each operation against its floor: the least that it
// must cost on this machine. The floor is measured in turns with the operation.
// A benchmark reports the ratio as "x-floor", and go run ./table prints all of
// them.
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

// Generate makes a store of n versions in dir, with a current document, and
// returns the versions that have files. It writes the history of all other
// versions directly, because a hundred thousand registrations would take hours.
func Generate(dir string, n int) (versions []string, err error) {
	if n > Real {
		if err := writeHistory(filepath.Join(dir, Name.UseCase, Name.Model), n-Real); err != nil {
			return nil, err
		}
	}
	r, err := mr.Open(dir, nil) // Close rewrites the document
	if err != nil {
		return nil, err
	}
	defer func() {
		if closeErr := r.Close(); err == nil {
			err = closeErr
		}
	}()
	ctx := context.Background()
	for range min(n, Real) {
		v, err := r.Register(ctx, Name, Small(), Options())
		if err != nil {
			return nil, err
		}
		versions = append(versions, v.Version)
	}
	_, err = r.Promote(ctx, Name, versions[0], mr.Production, nil)
	return versions, err
}

// Small is an artifact of one small file.
func Small() mr.Artifact {
	return mr.FromFS(fstest.MapFS{"weights.bin": {Data: make([]byte, 1024), Mode: 0o644}})
}

// Options returns options that describe a version as the generated ones are
// described.
func Options() *mr.RegisterOptions {
	return &mr.RegisterOptions{
		Metrics:        map[string]any{"accuracy": 0.9471, "auc": 0.9312, "loss": 0.1944},
		Metadata:       map[string]any{"drift_check_passed": true, "features": 31, "framework": "gonum"},
		LineageRunID:   "run-2026-11-23-0001",
		ConfigHash:     hash([]byte("config")),
		SourceRevision: "3f786850e387550fdab836ed7e6dc881de23001b",
		RegisteredBy:   "nightly",
	}
}

func writeHistory(dir string, n int) error {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	f, err := os.Create(filepath.Join(dir, "history.jsonl"))
	if err != nil {
		return err
	}
	defer f.Close()
	w := bufio.NewWriterSize(f, 1<<20)
	start, prev := time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC), ""
	for i := range n {
		at := start.Add(time.Duration(i) * time.Minute).Format("2006-01-02T15:04:05.000000+00:00")
		version := fmt.Sprintf("1.%d.%d", i/1000, i%1000)
		digest := hash([]byte(version))
		line := fmt.Appendf(nil, `{"event":%d,"id":"%s","time":"%s","op":"register","version":"%s","to":"development","actor":"nightly",`+
			`"after":{"%s":{"version":"%s","stage":"development","registered_at":"%s","promoted_to_staging":null,"promoted_to_prod":null,`+
			`"archived_at":null,"metrics":{"accuracy":0.9471,"auc":0.9312,"loss":0.1944},`+
			`"metadata":{"drift_check_passed":true,"features":31,"framework":"gonum"},"lineage_run_id":"run-%d","config_hash":"%s","promoted_by":null}},`+
			`"extra":{"%s":{"entered":%d,"registered_by":"nightly","source_revision":"3f786850e387550fdab836ed7e6dc881de23001b","manifest":"%s"}},`+
			`"checkpoint":0,"prev":"%s"`,
			i+1, digest[:32], at, version, version, version, at, i, hash([]byte("config")), version, i+1, digest, prev)
		line = fmt.Appendf(line, `,"crc32c":"%08x"}`, crc32.Checksum(line, crc32.MakeTable(crc32.Castagnoli)))
		prev = hash(line)
		w.Write(line)
		w.WriteByte('\n')
	}
	return w.Flush()
}

func hash(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
