package registrytest_test

import (
	"testing"
	"testing/fstest"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/registrytest"
)

// A test of a program that serves what is in production.
func Example() {
	_ = func(t *testing.T) {
		reg := registrytest.New(t, nil)
		fraud := mr.ModelName{UseCase: "fraud_detection", Model: "FraudRiskModel"}
		registrytest.Put(t, reg, fraud.In(mr.Production), fstest.MapFS{"weights.bin": {Data: []byte("…")}})

		m, err := reg.GetModel(t.Context(), fraud.In(mr.Production), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		// Serve what lies in m.Path.
	}
}
