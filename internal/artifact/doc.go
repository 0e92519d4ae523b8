// Package artifact copies, moves and hashes the files of a version, writes and
// checks their manifest, and notices files that change meanwhile. It knows
// nothing of stores, versions' numbers, stages or events: it is given folders,
// and a function that makes one durable.
package artifact
