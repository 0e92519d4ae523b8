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
// A program that runs for longer lets a [Live] follow the registry: it loads the version that a
// reference such as "fraud_detection/FraudRiskModel@production" means, takes up the next
// within a second of its promotion, and keeps the last good one if that is broken.
// [ModelRegistry.Watch] tells of changes and leaves the rest to the caller.
//
//	ref, err := modelregistry.ParseRef("fraud_detection/FraudRiskModel@production")
//	live, err := modelregistry.NewLive(ctx, reg, ref, load, nil)
//	err = live.Do(func(model *FraudModel, v *modelregistry.ModelVersion) error { … })
//
// What happened to a model, and which version was live when, tell [ModelRegistry.History]
// and [ModelRegistry.ProductionAt].
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
// Where history and registry.json are both lost and versions are still there,
// nothing is registered until Repair has listed them again: [ErrIndexLost].
//
// A model's name is the name of its folder. A new model's name must not differ
// from another model's in case only, because not every file system could hold
// both. Where the file system finds a folder by other spellings, only the
// folder's own is accepted. Other names are a [NameError].
//
// Up to about 1 MiB, some thousand versions, registry.json is rewritten after
// every change. A larger one would cost more to write than the change itself,
// and may lag: by events of an eighth of its size, until the model is not
// changed for a second, or the registry is closed. Readers by this package see
// every change all the same; [Options.AlwaysCheckpoint] turns the lag off for
// other readers.
//
// # Concurrency
//
// A [ModelRegistry] is safe for concurrent use by any number of goroutines, and
// a folder by any number of processes on one machine. Reading takes no lock and writes
// nothing, so a read-only mount serves. Changes of one model take turns under a file
// lock; those that wait in one process share an append. Every call takes a
// context, which ends its waiting; a change that has begun is finished.
//
// [ModelRegistry.Verify] checks a whole store, [ModelRegistry.Repair] mends what can be mended.
//
// Errors are *[Error], which names the operation and its subject and unwraps to
// the cause. An operation that fails leaves nothing changed, but for one that
// matches [ErrUncertain].
//
// # What is promised
//
// Each line is held by tests that "go test work" runs; those were seen to fail when
// the code is broken on purpose, and the most telling of these mutants are tests themselves.
//
//	promise of the folder store                     how it is tested
//	a change happens whole or not at all, and       every state that a crash can leave of a workload, a crash
//	survives a power cut once acknowledged          in recovery included; ext4 and xfs shut down under load
//	never two versions in production, no lost       concurrent calls in one and in several processes checked
//	update, no number given out twice               for linearizability; 8 writers and 4 readers killed at random
//	no half-written version is ever seen            the same, with readers beside, and the digests of all files
//	the files of a version are of one moment        programs that overwrite and append while it is registered; a
//	                                                change at each step of a copy
//	a failed change leaves nothing and says why     EIO and ENOSPC at each disk operation; full and read-only
//	                                                disks, file-size limits, other users, umasks
//	damage is reported, and never passed over or    every bit of a history and a document flipped; random damage
//	overwritten silently                            repaired; fuzzing of all that is read
//	a killed process blocks nobody                  its lock is free within 100 ms, its staging is cleared away
//	the clock does not matter                       it stands still, runs backwards, jumps by years
//
// Tested on Linux (amd64), on ext4, xfs and tmpfs. For Linux on arm64, macOS and Windows
// everything is compiled and vetted, not run; Windows can't sync a folder, and leaves that to its journal.
//
// Not promised, and not to be had: anything on a network file system (NFS, SMB), where file locks
// may not exclude; what a disk lost that confirmed what it had not written; an order between a Python program that
// writes registry.json, without a lock, and others at the same moment (in turns is fine). What a disk
// zeroes at the very end of a history, before a checkpoint covers it, looks like an append that a crash tore.
// A file that somebody rewrites in place to the same size, and sets back its modification time, looks unchanged.
//
// What the artifact's own format holds is not looked at: load only what you trust.
package modelregistry
