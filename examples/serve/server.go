package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/examples/breastcancer"
)

// maxBody is many more bytes than thirty numbers take.
const maxBody = 64 << 10

// A server answers requests with the live version.
type server struct {
	http.ServeMux
	live    *modelregistry.Live[*breastcancer.Model]
	cases   []breastcancer.Case
	metrics *metrics
	ending  atomic.Bool
}

func newServer(live *modelregistry.Live[*breastcancer.Model]) (*server, error) {
	cases, err := breastcancer.Cases()
	if err != nil {
		return nil, err
	}
	s := &server{live: live, cases: cases, metrics: newMetrics(live)}
	s.HandleFunc("POST /predict", s.predict)
	s.HandleFunc("GET /model", s.model)
	s.HandleFunc("GET /healthz", s.health)
	s.Handle("GET /metrics", promhttp.HandlerFor(s.metrics.registry, promhttp.HandlerOpts{}))
	return s, nil
}

// A question is the body of POST /predict. It has either features or a case.
type question struct {
	Features []float64 `json:"features"` // in the units of the data set
	Case     int       `json:"case"`     // its number in the data set, from 1
}

// An answer is the version's prediction for a question.
type answer struct {
	Version     string  `json:"version"`
	Probability float64 `json:"probability"` // of being malignant, 0 to 1
	Malignant   bool    `json:"malignant"`
}

func (s *server) predict(w http.ResponseWriter, r *http.Request) {
	start := time.Now()
	c, err := s.read(w, r)
	if err != nil {
		s.metrics.refused.Inc()
		reply(w, http.StatusBadRequest, map[string]string{"error": err.Error()})
		return
	}
	var a answer
	err = s.live.Do(func(m *breastcancer.Model, v *modelregistry.ModelVersion) error {
		a = answer{Version: v.Version, Probability: m.Predict(c)}
		return nil
	})
	if err != nil {
		reply(w, http.StatusServiceUnavailable, map[string]string{"error": err.Error()})
		return
	}
	if math.IsNaN(a.Probability) {
		s.metrics.refused.Inc()
		reply(w, http.StatusBadRequest, map[string]string{"error": "the features are too large to compute with"})
		return
	}
	a.Malignant = a.Probability >= breastcancer.Threshold
	s.metrics.observe(a.Version, time.Since(start))
	reply(w, http.StatusOK, a)
}

func (s *server) read(w http.ResponseWriter, r *http.Request) (c breastcancer.Case, err error) {
	var q question
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
	d.DisallowUnknownFields()
	if err := d.Decode(&q); err != nil {
		return c, err
	}
	if d.More() {
		return c, errors.New("the body goes on after the question")
	}
	switch {
	case (q.Case != 0) == (q.Features != nil):
		return c, errors.New(`want either "features" or "case"`)
	case q.Features == nil && (q.Case < 1 || q.Case > len(s.cases)):
		return c, fmt.Errorf("there is no case %d: cases go from 1 to %d", q.Case, len(s.cases))
	case q.Features == nil:
		return s.cases[q.Case-1], nil
	case len(q.Features) != breastcancer.NumFeatures:
		return c, fmt.Errorf("%d features, want %d", len(q.Features), breastcancer.NumFeatures)
	}
	copy(c.Features[:], q.Features)
	return c, nil
}

func (s *server) model(w http.ResponseWriter, _ *http.Request) {
	reply(w, http.StatusOK, s.live.Status().Version)
}

// health reports that the server is ready, until it shuts down. It is ready
// even if the registry can't be reached or a new version is broken, because the
// last good version still answers. The body is the status of the live version.
func (s *server) health(w http.ResponseWriter, _ *http.Request) {
	code := http.StatusOK
	if s.ending.Load() {
		code = http.StatusServiceUnavailable
	}
	reply(w, code, s.live.Status())
}

func reply(w http.ResponseWriter, code int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	json.NewEncoder(w).Encode(body) // if it fails, the client has left
}
