package registrytest_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/registrytest"
)

// weightsInProduction is what a program does with a registry.
func weightsInProduction(ctx context.Context, reg *mr.ModelRegistry, name mr.ModelName) ([]byte, error) {
	m, err := reg.GetModel(ctx, name.In(mr.Production), nil)
	if err != nil {
		return nil, err
	}
	defer m.Close()
	return os.ReadFile(filepath.Join(m.Path, "weights.bin"))
}

// A test of a program that serves what is in production: the one in the
// package's documentation.
func TestServes(t *testing.T) {
	fraud := mr.ModelName{UseCase: "fraud_detection", Model: "FraudRiskModel"}
	reg := registrytest.New(t, nil)
	registrytest.Put(t, reg, fraud.In(mr.Production), fstest.MapFS{"weights.bin": {Data: []byte("…")}})

	weights, err := weightsInProduction(t.Context(), reg, fraud)
	if string(weights) != "…" || err != nil {
		t.Errorf("it serves %q, %v", weights, err)
	}
}
