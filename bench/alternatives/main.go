// Command alternatives compares this package with two registries that a user
// might choose instead: MLflow's with its SQLite store, and Ubunye's. Each does
// the same work on a model of the same size, by turns in one run. It prints a
// table of medians, and how many times as long the others took:
//
//	go run ./bench/alternatives
//
// It needs python3 with venv and pip, which fetches both packages, and takes
// about five minutes.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

func main() {
	dir := flag.String("dir", "", "folder that keeps the Python environments; empty for a temporary one")
	largest := flag.Int("largest", 10_000, "versions of the largest model")
	rounds := flag.Int("rounds", 21, "how often each operation is measured")
	starts := flag.Int("starts", 5, "how often each fresh process is measured")
	flag.Parse()
	var err error
	if flag.NArg() > 1 {
		err = work(flag.Arg(0), flag.Arg(1), flag.Args()[2:])
	} else {
		err = run(*dir, *largest, *rounds, *starts)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "alternatives:", err)
		os.Exit(1)
	}
}

func run(environments string, largest, rounds, starts int) error {
	dir, err := os.MkdirTemp("", "alternatives")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	// MLflow leaves a lock file for each database in TMPDIR.
	for name, value := range map[string]string{"TMPDIR": dir, "MLFLOW_DISABLE_TELEMETRY": "true"} {
		if err := os.Setenv(name, value); err != nil {
			return err
		}
	}
	if environments == "" {
		environments = dir
	}
	if err := os.MkdirAll(environments, 0o777); err != nil {
		return err
	}
	all, err := contenders(environments)
	if err != nil {
		return err
	}
	var t table
	err = t.measure("a process imports the registry", 0, starts, func(i int) (time.Duration, error) { return timed(all[i].imports) })
	if err != nil {
		return err
	}
	for _, n := range []int{10, 1000, 10_000} {
		if n > largest {
			break
		}
		if err := measureSize(&t, all, filepath.Join(dir, fmt.Sprint(n)), n, rounds, starts); err != nil {
			return fmt.Errorf("%d versions: %w", n, err)
		}
	}
	t.print(os.Stdout, all)
	return nil
}
