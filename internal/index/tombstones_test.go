package index

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The records are those of the objects that were set one after the other.
func TestTombstones(t *testing.T) {
	var d tombstones
	want := func(object string, versions ...string) {
		t.Helper()
		if got := string(d.object()); got != object {
			t.Errorf("the object is %s, want %s", got, object)
		}
		if diff := cmp.Diff(versions, append([]string(nil), d.all()...)); diff != "" {
			t.Errorf("the versions (-want +got):\n%s", diff)
		}
		if off := d.size - int64(len(object)); off < -8 || off > 8 {
			t.Errorf("the size is %d, and the object has %d bytes", d.size, len(object))
		}
		for _, version := range versions {
			if d.get(version) == nil {
				t.Errorf("version %s has no record", version)
			}
		}
	}
	want("")
	d.load([]byte(`{"1.0.0": {"by":"a"}, "1.0.1": {}}`))
	want(`{"1.0.0": {"by":"a"}, "1.0.1": {}}`, "1.0.0", "1.0.1")
	d.set(nil)
	d.set([]byte(`{}`))
	want(`{"1.0.0": {"by":"a"}, "1.0.1": {}}`, "1.0.0", "1.0.1")
	line := []byte(`{"1.0.2":{"by":"b"},"1.0.0":{"by":"a","purged":"now"}}`)
	d.set(line)
	clear(line)
	want(`{"1.0.0":{"by":"a","purged":"now"},"1.0.1":{},"1.0.2":{"by":"b"}}`, "1.0.0", "1.0.1", "1.0.2")
	shared := d.all()
	d.set([]byte(`{"1.0.1":null,"9.9.9":null}`))
	want(`{"1.0.0":{"by":"a","purged":"now"},"1.0.2":{"by":"b"}}`, "1.0.0", "1.0.2")
	if fmt.Sprint(shared) != "[1.0.0 1.0.1 1.0.2]" {
		t.Errorf("a list of before is %v now", shared)
	}
	d.set([]byte(`{"1.0.1":{}}`))
	want(`{"1.0.0":{"by":"a","purged":"now"},"1.0.2":{"by":"b"},"1.0.1":{}}`, "1.0.0", "1.0.2", "1.0.1")
	d.set([]byte(`{"1.0.0":null,"1.0.1":null,"1.0.2":null}`))
	want("")
}
