package modelregistry_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/ubunye-go/modelregistry"
)

// A training program registers two versions; the gate lets the better one
// through; a serving program asks for production.
func Example() {
	dir, err := os.MkdirTemp("", "model_store")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)

	ctx := context.Background()
	fraud := modelregistry.ModelName{UseCase: "fraud_detection", Model: "FraudRiskModel"}
	reg, err := modelregistry.Open(dir, &modelregistry.Options{Actor: "nightly"})
	if err != nil {
		log.Fatal(err)
	}
	defer reg.Close()

	gate := modelregistry.MinMetric("auc", 0.85)
	for _, auc := range []float64{0.91, 0.80} {
		save := func(dir string) error {
			return os.WriteFile(filepath.Join(dir, "weights.txt"), fmt.Appendln(nil, auc), 0o666)
		}
		v, err := reg.Register(ctx, fraud, modelregistry.FromFunc(save), &modelregistry.RegisterOptions{
			Metrics: map[string]any{"auc": auc},
			Gates:   gate,
		})
		if err != nil {
			log.Fatal(err)
		}
		v, err = reg.Promote(ctx, v.Ref(), modelregistry.Production, nil)
		var refused *modelregistry.GateError
		switch {
		case errors.As(err, &refused):
			fmt.Println(v.Version, "refused:", refused.Failed()[0].Message)
		case err != nil:
			log.Fatal(err)
		default:
			fmt.Println(v.Version, "is in", v.Stage)
		}
	}

	m, err := reg.GetModel(ctx, fraud.In(modelregistry.Production), nil)
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	weights, err := os.ReadFile(filepath.Join(m.Path, "weights.txt"))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("serving %s with weights %s", m.Version.Version, weights)
	// Output:
	// 1.0.0 is in production
	// 1.0.1 refused: auc 0.8 < 0.85
	// serving 1.0.0 with weights 0.91
}
