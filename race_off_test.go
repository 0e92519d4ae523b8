//go:build unix && !race

package modelregistry_test

const fewer = 1
