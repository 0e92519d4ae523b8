// Package servertest runs the object store against servers: a real S3 server
// and emulators of GCS and Azure Blob. It is a module of its own, so that no
// other module requires the packages that these need.
//
// The S3 server runs in a process of the test's own program. Two things are
// downloaded once per machine, when the tests run with -long or
// MODELREGISTRY_TEST_ALL=1: Azurite, the emulator of Azure Blob, from npm; and
// Ubunye 0.8.0, the Python registry, with s3fs, from the Python package index,
// at the versions in testdata/ubunye/requirements.txt. If they can't be
// downloaded their tests are skipped; with MODELREGISTRY_TEST_ALL=1 they fail.
package servertest
