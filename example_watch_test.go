package modelregistry_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/ubunye-go/modelregistry"
)

// A program gets each version that enters production.
func ExampleModelRegistry_Watch() {
	reg, fraud, cleanup := exampleStore()
	defer cleanup()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()

	opts := &modelregistry.WatchOptions{Interval: 10 * time.Millisecond} // a second, by default
	for v, err := range reg.Watch(ctx, fraud.In(modelregistry.Production), opts) {
		if err != nil {
			log.Print(err) // the watch goes on
			continue
		}
		fmt.Println("in production:", v.Version)
		if v.Version == "1.0.1" {
			cancel()
			continue
		}
		// Another version is promoted, in this process or in another one.
		if _, err := reg.Promote(ctx, fraud.At("1.0.1"), modelregistry.Production, nil); err != nil {
			log.Fatal(err)
		}
	}
	// Output:
	// in production: 1.0.0
	// in production: 1.0.1
}
