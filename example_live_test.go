package modelregistry_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"time"

	"github.com/ubunye-go/modelregistry"
)

// A server scores with the version in production, and takes up the next by
// itself.
func ExampleLive() {
	reg, fraud, cleanup := exampleStore()
	defer cleanup()
	ctx := context.Background()

	load := func(_ context.Context, m *modelregistry.Model) (string, error) {
		weights, err := os.ReadFile(filepath.Join(m.Path, "weights.txt"))
		return string(weights), err
	}
	live, err := modelregistry.NewLive(ctx, reg, fraud.In(modelregistry.Production), load, &modelregistry.LiveOptions[string]{
		Interval: 10 * time.Millisecond, // a second, by default
		Check: func(_ context.Context, weights string) error {
			if weights == "" {
				return fmt.Errorf("no weights")
			}
			return nil
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer live.Close()

	predict := func() (version string) { // what a request does
		err := live.Do(func(weights string, v *modelregistry.ModelVersion) error {
			version = v.Version
			fmt.Println(v.Version, "answers with", weights)
			return nil
		})
		if err != nil {
			log.Fatal(err)
		}
		return version
	}
	predict()
	// Another version is promoted, in this process or in another one.
	if _, err := reg.Promote(ctx, fraud.At("1.0.1"), modelregistry.Production, nil); err != nil {
		log.Fatal(err)
	}
	for live.Status().Version.Version != "1.0.1" {
		time.Sleep(time.Millisecond)
	}
	predict()
	// Output:
	// 1.0.0 answers with weights by alice
	// 1.0.1 answers with weights by bob
}
