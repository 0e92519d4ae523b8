package engine

import (
	"log/slog"
	"testing"
	"time"

	"github.com/ubunye-go/modelregistry/driver"
)

// testModel returns the model of the fuzz tests in an engine on a store.
func testModel(t *testing.T, store driver.Store) *Model {
	t.Helper()
	e := New(Config{Store: store, Log: slog.New(slog.DiscardHandler), Now: time.Now, Lag: DefaultLag})
	if store != nil {
		t.Cleanup(func() { e.Close() })
	}
	m, err := e.Model(fuzzName, func() {})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// register makes a change that registers the next version, without files.
func register(t *testing.T, m *Model) {
	t.Helper()
	err := m.Change(t.Context(), func(txn *Txn) (string, error) {
		version, err := txn.NextNumber(nil)
		if err != nil {
			return "", err
		}
		return version, txn.Register(version, []byte(`{"version":"`+version+`","stage":"development"}`), nil, "", "")
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
}
