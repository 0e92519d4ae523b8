// Package modelregistry is a model registry that a Go program embeds. It stores
// the versions of models, promotes them through development, staging and
// production if their gates pass, rolls back, compares versions, and gives
// serving programs the version to load. There is no server. The default store
// is a folder.
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
//	// m.Path is the folder with the registered files.
//
// The types to know first:
//
//   - [ModelRegistry] has the operations. [Open] returns one for a folder,
//     [New] one for any [Store]. The module objectstore has a Store in a
//     bucket.
//   - [ModelVersion] describes one version. [Model] is a version and the folder
//     with its files.
//   - [Ref] names a version by number, stage, alias or range, as text:
//     "fraud_detection/FraudRiskModel@production".
//   - [Artifact] is the source of the files to register. [FromDir], [FromFile],
//     [FromFS], [FromFunc] and [MoveDir] return one.
//   - [Live] keeps the version of a reference loaded in a server, and replaces
//     it when the reference means another one. [ModelRegistry.Watch] only
//     reports the changes.
//   - [ModelRegistry.SetAliases] gives versions names that move, such as
//     champion. [ModelRegistry.Annotate] sets tags and a description.
//     [ModelRegistry.Find] and [ModelRegistry.Best] search.
//   - [ModelRegistry.History] yields the events of a model.
//     [ModelRegistry.ProductionAt] returns the version that was in production
//     at a given time.
//
// # Stages and gates
//
// Every version starts in development. Promote moves it up to staging or
// production. Demote moves it down, and Archive moves it to archived, which is
// below development. Rollback restores the version that was in production
// before the present one, and RollbackTo an earlier one. A move in the wrong
// direction is an error. CheckPromotion reports what Promote would do.
//
// At most one version is in production: a promotion archives the previous one
// in the same step. A move to the version's present stage changes nothing and
// succeeds, so a retry is safe. [MoveOptions] says what that means for a
// reference by stage or range.
//
// A [PromotionGate] is a condition of a promotion: a threshold of a metric, a
// comparison with the version in production, a passed drift check, or a Go
// function. A comparison is with the version that is in production when the
// promotion is committed. Gates that are registered with a version apply to
// each of its promotions. Gates of a model, which SetModelGates or Ubunye
// stores, apply to all of its versions. SetGates and SetModelGates replace
// stored gates. If a gate fails, the error is a *[GateError] with the result of
// each gate, and the history records the refusal. A promotion and a rollback
// also check the digests of the artifact.
//
// # Deletion
//
// Delete takes a version away from readers and leaves its files, and Undelete
// lists it again. Purge removes the files of versions that were deleted long
// ago. Delete refuses a version that something relies on: see [ErrProtected].
// Retain deletes by a rule. Nothing is removed as a side effect of another
// call.
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
// behind the history until the model has not changed for a second, or until
// Close. This package reads both files, so it sees every change at once. For
// other readers, [Options].Checkpoint prevents the lag. Programs without such
// readers can permit more of it, which makes short-lived processes faster.
// [ModelRegistry.Checkpoint] ends the lag of one model. If another program or
// an editor changes registry.json, readers see that, and the next change
// records it in the history.
//
// If the history and registry.json are both lost and files of versions exist,
// Register fails with [ErrIndexLost] until Repair has listed these versions
// again. A new model's name must not differ from that of another model in case
// only, because some file systems can't hold both: see [NameError].
//
// # Concurrency
//
// A [ModelRegistry] is safe for concurrent use by any number of goroutines, and
// a folder by any number of processes on one machine. A reader takes no file
// lock and writes nothing. Changes of one model take turns under a file lock.
// Changes that wait in one process share an append. The end of a context ends
// the wait; a change that has begun is finished.
//
// # Errors
//
// An operation that fails returns an *[Error]. It has the operation and the
// reference of its subject, and wraps the cause. Test for a cause with
// errors.Is: [ErrNotFound], [ErrExists], [ErrConflict] and others. The
// operation has changed nothing, unless the error matches [ErrUncertain]. For a
// damaged file the cause is a *[CorruptError]. [ModelRegistry.Verify] finds
// damage, and [ModelRegistry.Repair] repairs it as far as possible.
//
// # What is promised
//
// "go test work" has a test for each line. Each test was seen to fail when the
// code was broken on purpose. For the syncs, TestEveryCrashFindsMutants breaks
// the code itself.
//
//	promise of the folder store              how it is tested
//	a change happens whole or not at all,    every state that a crash can leave, also in a
//	and survives a power cut once it is      recovery (TestEveryCrash); ext4, xfs and btrfs
//	acknowledged                             cut off under load (proofs/powercut)
//	at most one version in production, no    concurrent calls checked for linearizability
//	lost update, no number given out twice   (proofs/linearizability); 8 writers and 4
//	                                         readers killed at random (TestKilledProcesses)
//	no half-written version is ever seen     the same, with the digests of all files
//	a version holds its files as they were   programs that overwrite and append during a
//	at one moment                            registration
//	a failed change leaves nothing, and      EIO and ENOSPC at each disk operation
//	says why                                 (TestEveryFault); full and read-only disks
//	damage is reported, and never skipped    every bit of a history and a document flipped;
//	or overwritten silently                  random damage repaired; fuzzing
//	a killed process blocks no other         its lock is free within 100 ms
//	if Ubunye and this package take turns,   random and all short sequences of steps with
//	no change of either is lost              four releases, against a model (proofs/turns)
//	a wrong clock does no harm, except to    it stands still, runs backwards, jumps by years
//	a repeated move by a stage (MoveOptions)
//
// Tested on Linux (amd64), on these file systems (proofs/filesystems): ext4
// with and without a journal and with 128-byte inodes, xfs, btrfs, tmpfs,
// overlayfs with a store in its lower layer, and exFAT through FUSE. ntfs-3g,
// fuse2fs and sshfs were tried by hand, in a short lifecycle. vfat, f2fs and
// NFS were not tried. Power cuts are tested on ext4, xfs and btrfs only.
//
// On Windows, a life of a model and most tests run under Wine, and none on
// Windows itself. Linux on 386 and on arm64 runs a part of the tests; macOS
// runs none. On Windows a folder can't be synced; the registry relies on the
// journal of the file system.
//
// Not promised:
//
//   - anything in a folder that several machines write to: on a network file
//     system (NFS, SMB) file locks may not work, and a mounted bucket has none.
//     Writes to the latter are refused: see Options.OneMachine;
//   - data that a disk lost after it had confirmed the write;
//   - an order of changes if a Python program writes registry.json at the same
//     moment as others, because it takes no lock. Taking turns works;
//   - that the registry notices a file that was rewritten in place with its old
//     size and time;
//   - that the registry notices bytes that a disk zeroes at the very end of a
//     history: they look like an append that a crash cut off.
//
// The contents of an artifact are not checked. Load only what you trust.
//
// To change the package, start with docs/architecture.md. It shows the packages
// and the steps of a commit, and says where to change what. To implement a
// Store, see package driver.
package modelregistry
