// Package artifact copies, moves and hashes the files of a version, writes and
// checks their manifest, and notices files that change meanwhile. It knows
// nothing of stores, version numbers, stages or events. Callers give it
// folders, and a function that makes a folder durable.
package artifact
