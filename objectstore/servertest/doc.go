// Package servertest runs the object store against servers: a real S3 server, which
// the tests build and start, and emulators of GCS and Azure Blob. It is a module of its own, so that
// what it takes to do so is nobody else's requirement.
//
// Azurite comes from npm when the tests run with -long or MODELREGISTRY_TEST_ALL=1;
// without Node.js its test is skipped, in the latter case it fails.
//
// So does Ubunye 0.8.0, the Python registry, with s3fs, from the Python package
// index, at the versions that testdata/ubunye/requirements.txt pins.
package servertest
