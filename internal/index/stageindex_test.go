package index

import (
	"fmt"
	"testing"
)

// A state does not hold entries that have left a stage for ever, also if a
// newer one is always in that stage.
func TestEntriesThatLeftAStageAreDropped(t *testing.T) {
	t.Parallel()
	s := New("u", "m")
	set := func(i int, stage string) {
		version := fmt.Sprintf("1.%d.0", i)
		s.Set(Image{Version: version, Raw: fmt.Appendf(nil, `{"version":"%s","stage":"%s"}`, version, stage),
			Extra: fmt.Appendf(nil, `{"entered":%d}`, 2*i)})
	}
	const versions = 2000
	set(0, "development")
	set(1, "development")
	set(1, Archived)
	if e := s.Holder("development"); e == nil || e.Version != "1.0.0" {
		t.Fatalf("in development is %v, want 1.0.0", e)
	}
	for i := 2; i < versions; i++ {
		set(i, "development")
		set(i-1, Archived)
		if e := s.Holder("development"); e == nil || e.Version != fmt.Sprintf("1.%d.0", i) {
			t.Fatalf("in development is %v, want 1.%d.0", e, i)
		}
	}
	if n := len(s.byStage["development"].all); n > 100 {
		t.Errorf("the state holds %d entries for the stage of two versions, want 100 at most", n)
	}
	set(versions-1, Archived)
	if e := s.Holder("development"); e == nil || e.Version != "1.0.0" {
		t.Errorf("in development is %v, want 1.0.0", e)
	}
}
