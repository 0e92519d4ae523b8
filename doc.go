// Package modelregistry is a model registry that a Go program embeds: it keeps
// what training produced, decides by gates what may be promoted, moves versions
// through development, staging, production and archived, rolls back, compares,
// and tells a serving program what to load. There is no server; the default store is a
// folder.
//
// # Basics
//
// A training program opens a registry, registers an artifact with its metrics,
// and promotes it. A serving program opens the same folder and asks for the
// version in production:
//
//	reg, err := modelregistry.Open("model_store", nil)
//	fraud := modelregistry.ModelName{UseCase: "fraud_detection", Model: "FraudRiskModel"}
//	v, err := reg.Register(ctx, fraud, modelregistry.FromDir("out"), &modelregistry.RegisterOptions{
//		Metrics: map[string]any{"auc": 0.93},
//	})
//	v, err = reg.Promote(ctx, fraud, v.Version, modelregistry.Production, nil)
//
//	m, err := reg.GetModel(ctx, fraud.In(modelregistry.Production), nil)
//	// m.Path is the folder that was registered.
//
// # Stages and gates
//
// Every version starts in development. Promote moves up (archived is below
// development), Demote down, Archive takes out of use, Rollback restores a
// version that was in production before. There is never more than one version
// in production: a promotion archives the version that was there, in the same
// step. A move to where the version is already succeeds and writes nothing, so
// a retry is safe; a move in the wrong direction is an error.
//
// A [PromotionGate] holds a promotion back unless metrics reach their
// thresholds, the drift check passed, or a Go function agrees. Gates that are
// registered with a version apply to every promotion of it. A refusal is a
// *[GateError] with the result of each gate, and the history keeps it. Before a
// promotion or a rollback the artifact's digests are checked too.
//
// # On disk
//
//	{store}/{use_case}/{model}/
//	  registry.json               the index, as the Python registry Ubunye reads and writes it
//	  history.jsonl               every change, one event a line, append-only
//	  versions/{version}/
//	    model/                    the artifact
//	    metadata.json, metrics.json
//	    manifest.json             path, size, mode and SHA-256 of each file
//
// The history is the truth, and registry.json a checkpoint of it. A change is
// one synced append to the history; whatever is not in it did not happen. A lost
// registry.json is rebuilt by reading the history, and what another program or an editor
// changed in registry.json is taken in: readers see it, and the next change
// records it as an event. The files of an artifact lose their write bits.
//
// Up to about 1 MiB, some thousand versions, registry.json is in step with every change. A larger
// one would cost more to write than the change itself, and may lag: by events of an
// eighth of its size, until nobody changed the model for a second, or the registry is closed. Readers by
// this package see every change all the same; [Options.AlwaysCheckpoint] turns the lag off
// for the sake of others.
//
// # Concurrency
//
// A [ModelRegistry] is safe for concurrent use by any number of goroutines, and
// a folder by any number of processes on one machine. Reading takes no lock and writes
// nothing, so a read-only mount serves. Changes of one model take turns under a file
// lock; those that wait in one process share an append. Every call
// takes a context, which ends its waiting; a change that has begun is finished.
//
// Errors are *[Error], which names the operation and its subject and unwraps to
// the cause. An operation that fails leaves nothing changed, but for one that
// matches [ErrUncertain].
//
// # Limits
//
// The file lock may not exclude on network file systems (NFS, SMB): keep the
// folder on a local disk. A Python program that writes registry.json takes no
// lock: share a store with it in turns, not at once. A disk that confirms what it has not
// written can lose what was acknowledged. What the artifact's own format holds
// is not looked at: load only what you trust.
package modelregistry
