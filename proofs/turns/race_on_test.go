//go:build race

package turns

// fewer is by how much samples are smaller under the race detector, which looks
// for something else and makes the rest slow.
const fewer = 10
