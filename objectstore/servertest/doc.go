// Package servertest runs the object store against servers: a real S3 server
// and emulators of GCS and Azure Blob. It is a module of its own, so that
// nothing else requires what these need.
//
// The S3 server is the test's own program, started again. Azurite, the emulator
// of Azure Blob, comes from npm, once a machine, when the tests run with -long
// or MODELREGISTRY_TEST_ALL=1. So does Ubunye 0.8.0, the Python registry, with
// s3fs, from the Python package index, at the versions that
// testdata/ubunye/requirements.txt pins. Where they can't be fetched their
// tests are skipped; with MODELREGISTRY_TEST_ALL=1 they fail.
package servertest
