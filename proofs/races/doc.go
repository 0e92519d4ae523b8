// Package races holds processes that race for production against what gates
// promise: no version enters production that is worse than the one before it,
// less the margin. The check reads the history without the registry's code.
package races
