// Package filesystems runs the folder store on file systems of several kinds,
// each mounted for the test. What one file system does is not what all do: the
// order of a listing, the granularity of times, the case of names, rights and
// renames differ. All of it is tests; they need Linux, root, loop devices and
// the tools that make the file systems.
package filesystems
