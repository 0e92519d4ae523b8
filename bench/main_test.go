package bench_test

import (
	"fmt"
	"os"
	"testing"
)

func TestMain(m *testing.M) {
	if job := os.Getenv("BENCH_WORKER"); job != "" {
		if err := worker(job); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "bench-stores")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		templateDir = dir
		return m.Run()
	}())
}
