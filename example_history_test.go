package modelregistry_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"testing/fstest"
	"time"

	"github.com/ubunye-go/modelregistry"
)

// exampleStore is a store in which two versions were in production, an hour
// after another from 2026-11-01T09:00Z on.
func exampleStore() (*modelregistry.ModelRegistry, modelregistry.ModelName, func()) {
	dir, err := os.MkdirTemp("", "model_store")
	if err != nil {
		log.Fatal(err)
	}
	clock := time.Date(2026, 11, 1, 8, 0, 0, 0, time.UTC)
	reg, err := modelregistry.Open(dir, &modelregistry.Options{Actor: "nightly", Now: func() time.Time { return clock }})
	if err != nil {
		log.Fatal(err)
	}
	ctx, fraud := context.Background(), modelregistry.ModelName{UseCase: "fraud_detection", Model: "FraudRiskModel"}
	for _, actor := range []string{"alice", "bob"} {
		clock = clock.Add(time.Hour)
		files := fstest.MapFS{"weights.txt": {Data: []byte("weights by " + actor)}}
		v, err := reg.Register(ctx, fraud, modelregistry.FromFS(files), nil)
		if err == nil {
			_, err = reg.Promote(ctx, fraud.At(v.Version), modelregistry.Production, &modelregistry.MoveOptions{Actor: actor})
		}
		if err != nil {
			log.Fatal(err)
		}
	}
	clock = clock.Add(time.Hour)
	if _, err := reg.Rollback(ctx, fraud, &modelregistry.MoveOptions{Actor: "alice", Reason: "false alarms"}); err != nil {
		log.Fatal(err)
	}
	return reg, fraud, func() { errors.Join(reg.Close(), os.RemoveAll(dir)) }
}

// What happened to a model, and who did it.
func ExampleModelRegistry_History() {
	reg, fraud, cleanup := exampleStore()
	defer cleanup()

	for e, err := range reg.History(context.Background(), fraud, nil) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%d %s %s %s by %s %q\n", e.Number, e.Time.Format(time.TimeOnly), e.Op, e.Version, e.Actor, e.Reason)
		for _, c := range e.Changes {
			fmt.Printf("  %s: %s → %s\n", c.Version, c.From, c.To)
		}
	}
	// Output:
	// 1 09:00:00 register 1.0.0 by nightly ""
	//   1.0.0:  → development
	// 2 09:00:00 promote 1.0.0 by alice ""
	//   1.0.0: development → production
	// 3 10:00:00 register 1.0.1 by nightly ""
	//   1.0.1:  → development
	// 4 10:00:00 promote 1.0.1 by bob ""
	//   1.0.0: production → archived
	//   1.0.1: development → production
	// 5 11:00:00 rollback 1.0.0 by alice "false alarms"
	//   1.0.1: production → archived
	//   1.0.0: archived → production
}

// Which version answered at half past ten?
func ExampleModelRegistry_ProductionAt() {
	reg, fraud, cleanup := exampleStore()
	defer cleanup()

	at := time.Date(2026, 11, 1, 10, 30, 0, 0, time.UTC)
	t, err := reg.ProductionAt(context.Background(), fraud, at)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(t.Version, "since", t.Since.Format(time.TimeOnly), "by", t.By)
	fmt.Println("until", t.Until.Format(time.TimeOnly), "by", t.End.Actor, "for", t.End.Reason)
	// Output:
	// 1.0.1 since 10:00:00 by bob
	// until 11:00:00 by alice for false alarms
}
