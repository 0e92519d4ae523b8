package main

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/examples/breastcancer"
)

// metrics are the metrics that Prometheus reads.
type metrics struct {
	registry *prometheus.Registry
	seconds  *prometheus.HistogramVec
	refused  prometheus.Counter
}

func newMetrics(live *modelregistry.Live[*breastcancer.Model]) *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "prediction_seconds",
			Help:    "How long predictions took, by the version that made them.",
			Buckets: prometheus.ExponentialBuckets(10e-6, 4, 10),
		}, []string{"version"}),
		refused: prometheus.NewCounter(prometheus.CounterOpts{Name: "predictions_refused_total", Help: "Requests that were not valid questions."}),
	}
	m.registry.MustRegister(m.seconds, m.refused, following{live}, collectors.NewGoCollector())
	return m
}

func (m *metrics) observe(version string, took time.Duration) {
	m.seconds.WithLabelValues(version).Observe(took.Seconds())
}

// following collects the status of the model at the time of each request.
type following struct {
	live *modelregistry.Live[*breastcancer.Model]
}

var (
	modelInfo   = prometheus.NewDesc("model_info", "1 for the version that answers.", []string{"ref", "version"}, nil)
	modelBehind = prometheus.NewDesc("model_behind", "1 while the reference means another version than the one that answers.", nil, nil)
	failures    = prometheus.NewDesc("model_failures", "Failures in a row to load the version that the reference means.", nil, nil)
	since       = prometheus.NewDesc("model_since_timestamp_seconds", "When the version began to answer.", nil, nil)
	checked     = prometheus.NewDesc("model_last_check_timestamp_seconds", "When the registry last answered.", nil, nil)
)

func (f following) Describe(ch chan<- *prometheus.Desc) { prometheus.DescribeByCollect(f, ch) }

func (f following) Collect(ch chan<- prometheus.Metric) {
	s := f.live.Status()
	gauge := func(d *prometheus.Desc, value float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	seconds := func(t time.Time) float64 { return float64(t.UnixMicro()) / 1e6 }
	behind := 0.0
	if s.Wanted != s.Version.Version {
		behind = 1
	}
	gauge(modelInfo, 1, s.Ref.String(), s.Version.Version)
	gauge(modelBehind, behind)
	gauge(failures, float64(s.Failures))
	gauge(since, seconds(s.Since))
	gauge(checked, seconds(s.LastCheck))
}
