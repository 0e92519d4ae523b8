package storetest

import (
	"os"
	"testing"
)

// MustRunAll reports whether nothing may be skipped for want of rights or
// tools.
func MustRunAll() bool { return os.Getenv("MODELREGISTRY_TEST_ALL") == "1" }

// Unavailable skips a test that can't be run here, unless all shall be.
func Unavailable(t testing.TB, why any) {
	t.Helper()
	if MustRunAll() {
		t.Fatal(why)
	}
	t.Skip(why)
}
