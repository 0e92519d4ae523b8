// Package modelregistry is a model registry that a Go program embeds. It keeps
// the versions that training produced, lets gates decide which may be promoted,
// moves versions through development, staging, production and archived, rolls
// back, compares, and tells a serving program what to load. There is no server.
// The default store is a folder.
//
// # Basics
//
// A training program opens a registry, registers an artifact with its metrics,
// and promotes it. A serving program opens the same folder and asks for the
// version in production:
//
//	reg, err := modelregistry.Open("model_store", nil)
//	defer reg.Close()
//	fraud := modelregistry.ModelName{UseCase: "fraud_detection", Model: "FraudRiskModel"}
//	v, err := reg.Register(ctx, fraud, modelregistry.FromDir("out"), &modelregistry.RegisterOptions{
//		Metrics: map[string]any{"auc": 0.93},
//	})
//	v, err = reg.Promote(ctx, v.Ref(), modelregistry.Production, nil)
//
//	m, err := reg.GetModel(ctx, fraud.In(modelregistry.Production), nil)
//	defer m.Close()
//	// m.Path is the folder that was registered.
//
// The types to know first:
//
//   - [ModelRegistry] has the operations. [Open] makes one on a folder, [New]
//     on any [Store]. The module objectstore has a Store in a bucket.
//   - [ModelVersion] is what is known of one version, [Model] a version with
//     its files.
//   - [Ref] names a version by number, stage or range, as text:
//     "fraud_detection/FraudRiskModel@production".
//   - [Artifact] is what to register: [FromDir], [FromFile], [FromFS],
//     [FromFunc], [MoveDir].
//   - [Live] keeps the version of a reference loaded in a server, and replaces
//     it when the reference means another one. [ModelRegistry.Watch] only
//     reports that.
//   - [ModelRegistry.History] yields what happened to a model, and
//     [ModelRegistry.ProductionAt] tells which version was in production when.
//
// # Stages and gates
//
// Every version starts in development. Promote moves it up, Demote down,
// Archive takes it out of use, Rollback restores the version that was in
// production before, and RollbackTo an earlier one. Archived is below
// development. At most one version is in production: a promotion archives the
// version before it in the same step. A move to the stage where the version is
// succeeds and writes nothing, so a retry is safe: [MoveOptions] says how that
// holds for a reference that moves. A move in the wrong direction is an error.
// CheckPromotion decides without moving.
//
// A [PromotionGate] holds a promotion back unless metrics reach their
// thresholds, the drift check passed, or a Go function agrees. Gates that are
// registered with a version apply to each of its promotions; gates that Ubunye
// stores for a model apply to all of its versions. A refusal is a *[GateError]
// with the result of each gate, and the history keeps it. A promotion and a
// rollback also check the digests of the artifact.
//
// # On disk
//
//	{store}/{use_case}/{model}/
//	  history.jsonl        every change, one event a line; the truth
//	  registry.json        the state, a checkpoint; Python (Ubunye) reads and writes it
//	  versions/{version}/  model/ (the artifact), metadata.json, metrics.json,
//	                       manifest.json (each file's size, mode and SHA-256)
//
// A change is one synced append to the history. Up to 1 MiB, some thousand
// versions, registry.json is rewritten after every change. A larger one may lag
// behind the history until the model was not changed for a second. Readers by
// this package see every change all the same, and [Options].AlwaysCheckpoint
// turns the lag off for other readers. What another program or an editor
// changes in registry.json is seen by readers and recorded by the next change.
//
// Where the history and registry.json are both lost and versions are still
// there, nothing is registered until Repair has listed them again:
// [ErrIndexLost]. A new model's name must not differ from another model's in
// case only, because not every file system could hold both: [NameError].
//
// # Concurrency
//
// A [ModelRegistry] is safe for concurrent use by any number of goroutines, and
// a folder by any number of processes on one machine. Reading takes no lock and
// writes nothing. Changes of one model take turns under a file lock, and
// changes that wait in one process share an append. A context ends the waiting;
// a change that has begun is finished.
//
// # Errors
//
// An operation that fails returns an *[Error], which has the operation and the
// reference of its subject, and unwraps to the cause. Compare causes with
// errors.Is: [ErrNotFound], [ErrExists], [ErrConflict] and the others. It has
// changed nothing, unless the error matches [ErrUncertain]. A damaged file is a
// *[CorruptError]. [ModelRegistry.Verify] finds damage, and
// [ModelRegistry.Repair] repairs what can be repaired.
//
// # What is promised
//
// "go test work" runs a test for each line. Each of them was seen to fail when
// the code was broken on purpose; for the syncs, a test does that
// (TestEveryCrashFindsMutants).
//
//	promise of the folder store              how it is tested
//	a change happens whole or not at all,    every state that a crash can leave, also in a
//	and survives a power cut once it is      recovery (TestEveryCrash); ext4, xfs and btrfs
//	acknowledged                             cut off under load (proofs/powercut)
//	at most one version in production, no    concurrent calls checked for linearizability
//	lost update, no number given out twice   (proofs/linearizability); 8 writers and 4
//	                                         readers killed at random (TestKilledProcesses)
//	no half-written version is ever seen     the same, with the digests of all files
//	the files of a version are of one        programs that overwrite and append during a
//	moment                                   registration
//	a failed change leaves nothing, and      EIO and ENOSPC at each disk operation
//	says why                                 (TestEveryFault); full and read-only disks
//	damage is reported, and never skipped    every bit of a history and a document flipped;
//	or overwritten silently                  random damage repaired; fuzzing
//	a killed process blocks no other         its lock is free within 100 ms
//	by turns with Ubunye nothing of either   random and all short sequences of steps with
//	side is lost                             four releases, against a model (proofs/turns)
//	the clock does not matter, but for       it stands still, runs backwards, jumps by years
//	a repeated move by a stage (MoveOptions)
//
// Tested on Linux (amd64), on these file systems (proofs/filesystems): ext4
// with and without a journal and with 128-byte inodes, xfs, btrfs, tmpfs,
// overlayfs with a store in its lower layer, and exFAT through FUSE. ntfs-3g,
// fuse2fs and sshfs were tried by hand, in a short lifecycle. vfat, f2fs and
// NFS were not tried. Power cuts are tested on ext4, xfs and btrfs only.
//
// For Linux on arm64, macOS and Windows the code is compiled, but not run.
// Windows can't sync a folder and relies on the file system's journal.
//
// Not promised:
//
//   - anything on a network file system (NFS, SMB), where locks may not
//     exclude;
//   - what a disk lost after it confirmed that it had written it;
//   - an order between a Python program that writes registry.json and others at
//     the same moment. It takes no lock. Taking turns is fine;
//   - a file that is rewritten in place to the same size with its old time: it
//     looks unchanged;
//   - bytes that a disk zeroes at the very end of a history: they look like an
//     append that a crash cut off.
//
// The contents of an artifact are not checked. Load only what you trust.
//
// To change the package, start with docs/architecture.md. It shows the parts
// and the steps of a commit, and says where to change what. To write a Store,
// see package driver.
package modelregistry
