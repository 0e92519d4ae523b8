package fsstore

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

// The time of the boot agrees with the one that the kernel shows.
func TestBootTime(t *testing.T) {
	t.Parallel()
	stat, err := os.ReadFile("/proc/stat")
	if err != nil {
		t.Fatal(err)
	}
	var want int64
	_, after, _ := strings.Cut(string(stat), "\nbtime ")
	if _, err := fmt.Sscan(after, &want); err != nil {
		t.Skip("/proc/stat has no time of the boot")
	}
	if off := open(t, t.TempDir()).bootTime().Sub(time.Unix(want, 0)); off.Abs() > 10*time.Second {
		t.Errorf("the time of the boot is %v after that in /proc/stat, want it equal", off)
	}
}
