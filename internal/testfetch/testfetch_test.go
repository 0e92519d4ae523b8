package testfetch

import (
	"errors"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
)

func TestDirIsFilledOnceByConcurrentCallers(t *testing.T) {
	root := t.TempDir()
	var fills atomic.Int32
	fill := func(dir string) error {
		fills.Add(1)
		return os.WriteFile(filepath.Join(dir, "tool"), []byte("whole"), 0o666)
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			dir, err := dirIn(root, "tool", []byte("1"), fill)
			if err != nil {
				t.Error(err)
				return
			}
			if got, err := os.ReadFile(filepath.Join(dir, "tool")); string(got) != "whole" {
				t.Errorf("the folder holds %q, %v; want the complete content", got, err)
			}
		})
	}
	wg.Wait()
	if n := fills.Load(); n != 1 {
		t.Errorf("filled %d times, want once", n)
	}
}

func TestDirOfAFailedFillIsFilledAgain(t *testing.T) {
	root, broken := t.TempDir(), errors.New("broken")
	_, err := dirIn(root, "tool", nil, func(dir string) error {
		if err := os.WriteFile(filepath.Join(dir, "half"), nil, 0o666); err != nil {
			return err
		}
		return broken
	})
	if !errors.Is(err, broken) {
		t.Fatalf("the error is %v, want one that matches %v", err, broken)
	}
	dir, err := dirIn(root, "tool", nil, func(string) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) > 0 {
		t.Errorf("the folder holds %v, %v; want nothing of the failed fill", entries, err)
	}
}

func TestDirDependsOnTheKey(t *testing.T) {
	root := t.TempDir()
	a, err := dirIn(root, "tool", []byte("1"), func(string) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	b, err := dirIn(root, "tool", []byte("2"), func(string) error { return nil })
	if err != nil || a == b {
		t.Errorf("key 2 gives %s, %v; want another folder than key 1's %s", b, err, a)
	}
}
