//go:build !race

package turns

const fewer = 1
