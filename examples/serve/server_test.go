package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/examples/breastcancer"
	"github.com/ubunye-go/modelregistry/examples/internal/program"
)

func testServer(t *testing.T) *server {
	t.Helper()
	r, err := modelregistry.Open(t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	tiny := &breastcancer.Model{Features: []int{0}, Means: []float64{14}, Scales: []float64{3.5}, Weights: []float64{3}}
	cfg := modelregistry.Config{UseCase: tumours.UseCase, PromoteTo: modelregistry.Production}
	if _, err := r.RegisterAndPromote(t.Context(), cfg, tumours.Model, modelregistry.FromFunc(tiny.Save), nil); err != nil {
		t.Fatal(err)
	}
	live, err := modelregistry.NewLive(t.Context(), r, tumours.In(modelregistry.Production), load, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { live.Close() })
	s, err := newServer(live)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestPredict(t *testing.T) {
	t.Parallel()
	s := testServer(t)
	features, err := json.Marshal(s.cases[0].Features)
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		body string
		code int
		says string
	}{
		"case":      {`{"case": 1}`, 200, `"version":"1.0.0"`},
		"features":  {`{"features": ` + string(features) + `}`, 200, `"malignant":true`},
		"neither":   {`{}`, 400, "either"},
		"both":      {`{"case": 1, "features": []}`, 400, "either"},
		"no case":   {`{"case": 570}`, 400, "from 1 to 569"},
		"below":     {`{"case": -1}`, 400, "from 1 to 569"},
		"too few":   {`{"features": [1, 2]}`, 400, "2 features, want 30"},
		"too large": {`{"features": [` + strings.Repeat("1,", maxBody) + `1]}`, 400, "too large"},
		"unknown":   {`{"cases": 1}`, 400, "cases"},
		"no JSON":   {`case 1`, 400, "invalid"},
	} {
		w := httptest.NewRecorder()
		s.ServeHTTP(w, httptest.NewRequest("POST", "/predict", strings.NewReader(test.body)))
		if w.Code != test.code || !strings.Contains(w.Body.String(), test.says) {
			t.Errorf("%s: got status %d, %s", name, w.Code, w.Body)
		}
	}
	s.live.Close()
	w := httptest.NewRecorder()
	s.ServeHTTP(w, httptest.NewRequest("POST", "/predict", strings.NewReader(`{"case": 1}`)))
	if w.Code != http.StatusServiceUnavailable {
		t.Errorf("after the shutdown: got status %d", w.Code)
	}
}

func TestHealthAfterShutdown(t *testing.T) {
	t.Parallel()
	s := testServer(t)
	for _, want := range []int{200, 503} {
		w := httptest.NewRecorder()
		s.ServeHTTP(w, httptest.NewRequest("GET", "/healthz", nil))
		if w.Code != want || !strings.Contains(w.Body.String(), `"version":"1.0.0"`) {
			t.Errorf("%d %s", w.Code, w.Body)
		}
		s.ending.Store(true)
	}
}

// A server that is stopped while it loads its first version exits without an
// error.
func TestStopBeforeFirstVersion(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var out, errs bytes.Buffer
	if code := run(ctx, []string{"-store", t.TempDir()}, &out, &errs); code != program.OK || out.Len() > 0 || !strings.Contains(errs.String(), "stopped before") {
		t.Errorf("%d, %s, %s", code, &out, &errs)
	}
}

func TestUsage(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]struct {
		code int
		says string
	}{
		"-wrong":                    {program.Usage, "-wrong"},
		"extra":                     {program.Usage, "extra"},
		"-ref x":                    {program.Usage, "use_case/model@what"},
		"-help":                     {program.OK, "-ref USE_CASE/MODEL@WHAT"},
		"-store " + t.TempDir():     {program.Error, "run the train example first"},
		"-store s3://bucket/models": {program.Error, "it is a URL, not a folder"},
		"-store ~/models":           {program.Error, "only a shell expands ~"},
		"-ref a/b@latest -store .":  {program.Error, "run the train example first"},
	} {
		var out, errs bytes.Buffer
		if code := run(t.Context(), strings.Fields(args), &out, &errs); code != want.code || !strings.Contains(errs.String(), want.says) {
			t.Errorf("serve %s: %d, %s", args, code, &errs)
		}
	}
}
