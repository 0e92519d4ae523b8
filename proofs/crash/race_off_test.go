//go:build unix && !race

package crash

const fewer = 1
