//go:build race

package turns

// fewer divides the sizes of samples under the race detector, which is slow and
// checks for something else.
const fewer = 10
