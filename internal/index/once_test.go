package index_test

import (
	"errors"
	"testing"
	"time"

	"github.com/ubunye-go/modelregistry/internal/index"
)

// A registration finds the key of one before it in the same commit, and those
// of earlier commits.
func TestOnceInOneCommit(t *testing.T) {
	s := index.New("u", "m")
	register := func(txn *index.Txn, version string, once index.Once) {
		t.Helper()
		raw := index.Registration{Metrics: []byte("{}"), Metadata: []byte("{}")}.Entry(version, txn.Now)
		x, err := index.Extra{Once: &once}.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if err := txn.Register(version, raw, x, "", ""); err != nil {
			t.Fatal(err)
		}
	}
	once := index.Once{Key: "k <&>", Files: "aa"}
	txn := index.NewTxn(s, time.Now())
	register(txn, "1.0.0", once)
	for _, where := range []string{"in the same commit", "in a later one"} {
		if version, err := txn.Registered(once); version != "1.0.0" || err != nil {
			t.Errorf("%s: got %q, %v, want 1.0.0", where, version, err)
		}
		var other *index.OnceError
		if version, err := txn.Registered(index.Once{Key: once.Key, Files: "bb"}); version != "1.0.0" || !errors.As(err, &other) || other.Were != "aa" {
			t.Errorf("%s, with other files: got %q, %v, want a *OnceError", where, version, err)
		}
		if version, err := txn.Registered(index.Once{Key: "other", Files: "aa"}); version != "" || err != nil {
			t.Errorf("%s, with another key: got %q, %v, want none", where, version, err)
		}
		for _, e := range txn.Events {
			s.Apply(e, 1)
		}
		txn = index.NewTxn(s, time.Now())
	}
}
