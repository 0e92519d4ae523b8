// Train is a training pipeline that uses a model registry. It trains a
// classifier of tumours on real cases, registers it, promotes it to staging
// through the gates of its configuration, and promotes it to production. Then
// it trains a weaker model, which the gates refuse, and lists the versions.
//
//	go run ./examples/train [-config FILE] [-store DIR] [-actor NAME] [-run ID]
//
// Each run adds two versions. The predict example uses the result.
package main

import (
	"github.com/ubunye-go/modelregistry/examples/internal/program"
	"github.com/ubunye-go/modelregistry/examples/train/pipeline"
)

func main() { program.Main(pipeline.Run) }
