// Package filesystems runs the folder store on file systems of several kinds,
// each mounted for the test. File systems differ in the order of listings, the
// granularity of times, the case of names, permissions and renames. The package
// consists of tests. They need Linux, root, loop devices and the tools that
// make the file systems.
package filesystems
