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

// weightsInProduction is a part of a program that uses a registry.
func weightsInProduction(ctx context.Context, reg *mr.ModelRegistry, name mr.ModelName) ([]byte, error) {
	m, err := reg.GetModel(ctx, name.In(mr.Production), nil)
	if err != nil {
		return nil, err
	}
	defer m.Close()
	return os.ReadFile(filepath.Join(m.Path, "weights.bin"))
}

// TestServes tests a program that serves the version in production. The package
// documentation shows it.
func TestServes(t *testing.T) {
	fraud := mr.ModelName{UseCase: "fraud_detection", Model: "FraudRiskModel"}
	reg := registrytest.New(t, nil)
	registrytest.Put(t, reg, fraud.In(mr.Production), fstest.MapFS{"weights.bin": {Data: []byte("…")}})

	weights, err := weightsInProduction(t.Context(), reg, fraud)
	if string(weights) != "…" || err != nil {
		t.Errorf("the program serves %q, %v", weights, err)
	}
}
