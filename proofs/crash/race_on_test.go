//go:build unix && race

package crash

// fewer is by how much samples are smaller under the race detector, which makes
// the enumeration ten times slower, and looks for something else.
const fewer = 5
