package objectstore_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"gocloud.dev/blob"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/driver"
	"github.com/ubunye-go/modelregistry/objectstore"
	"github.com/ubunye-go/modelregistry/registrytest"
)

// loseIndex returns a function that removes the changes and the document of a
// model.
func loseIndex(b *blob.Bucket, prefix string) func(mr.ModelName) error {
	return func(name mr.ModelName) error {
		model, ctx := prefix+name.String()+"/", context.Background()
		for iter := b.List(&blob.ListOptions{Prefix: model}); ; {
			o, err := iter.Next(ctx)
			if err == io.EOF {
				return nil
			}
			if err != nil {
				return err
			}
			part := strings.TrimPrefix(o.Key, model)
			if part != "registry.json" && part != "history.jsonl" && !strings.HasPrefix(part, "history/") {
				continue
			}
			if err := b.Delete(ctx, o.Key); err != nil {
				return err
			}
		}
	}
}

// If a model's changes and document are lost, no registration starts the model
// again over its versions.
func TestLostIndexIsNotRegisteredOver(t *testing.T) {
	t.Parallel()
	f, b := newFaulty(t)
	held := mr.New(newStore(t, b, nil), nil)
	registrytest.Put(t, held, fraud.In(mr.Production), files)
	registrytest.Put(t, held, fraud.At(""), files)
	upload := fraud.String() + "/.staging/" + strings.Repeat("0d", 16) + "/model/w"
	if err := errors.Join(loseIndex(f.b, "")(fraud), f.b.WriteAll(t.Context(), upload, nil, nil)); err != nil {
		t.Fatal(err)
	}
	before := f.dump(t)
	s := newStore(t, b, nil)
	for what, r := range map[string]*mr.ModelRegistry{"a registry that had read it": held, "another registry": mr.New(s, nil)} {
		_, err := r.Register(t.Context(), fraud, mr.FromFS(files), nil)
		var request *objectstore.Error
		if !errors.Is(err, mr.ErrIndexLost) || !errors.As(err, &request) || !strings.Contains(err.Error(), "1.0.0, 1.0.1 exist: copy the model to a folder and repair it there") {
			t.Errorf("%s: got error %v, want ErrIndexLost that names the versions and says what to do", what, err)
		}
	}
	if _, err := s.Sweep(t.Context(), fraud, &objectstore.SweepOptions{OlderThan: 1, Apply: true}); !errors.Is(err, mr.ErrIndexLost) {
		t.Errorf("Sweep: got error %v, want ErrIndexLost", err)
	}
	report, err := mr.New(s, nil).Verify(t.Context(), nil)
	if err != nil || len(report.Problems()) != 1 || report.Problems()[0].Kind != mr.HistoryLost {
		t.Errorf("Verify: %v, %v, want one problem, %q", report.Problems(), err, mr.HistoryLost)
	}
	if diff := cmp.Diff(before, f.dump(t)); diff != "" {
		t.Errorf("the bucket was changed:\n%s", diff)
	}
}

// If changes, the document or a folder's history is left, the model goes on.
func TestModelGoesOnWithoutChangesOrDocument(t *testing.T) {
	t.Parallel()
	for what, harm := range map[string]func(t *testing.T, b *blob.Bucket, log []byte){
		"without registry.json": func(t *testing.T, b *blob.Bucket, _ []byte) {
			if err := b.Delete(t.Context(), fraud.String()+"/registry.json"); err != nil {
				t.Fatal(err)
			}
		},
		"without changes": func(t *testing.T, b *blob.Bucket, _ []byte) {
			doc, err := b.ReadAll(t.Context(), fraud.String()+"/registry.json")
			if err == nil {
				err = errors.Join(loseIndex(b, "")(fraud), b.WriteAll(t.Context(), fraud.String()+"/registry.json", doc, nil))
			}
			if err != nil {
				t.Fatal(err)
			}
		},
		"with a folder's history": func(t *testing.T, b *blob.Bucket, log []byte) {
			err := errors.Join(loseIndex(b, "")(fraud), b.WriteAll(t.Context(), fraud.String()+"/history.jsonl", log, nil))
			if err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			f, b := newFaulty(t)
			s := newStore(t, b, nil)
			r := mr.New(s, nil)
			registrytest.Put(t, r, fraud.At("1.0.0"), files)
			registrytest.Put(t, r, fraud.At("1.0.1"), files)
			var log []byte
			if err := s.Read(t.Context(), fraud.UseCase, fraud.Model, func(v driver.View) (err error) { log, _, err = v.Log(0); return err }); err != nil {
				t.Fatal(err)
			}
			harm(t, f.b, log)
			v, err := mr.New(newStore(t, b, nil), nil).Register(t.Context(), fraud, mr.FromFS(files), nil)
			if err != nil || v.Version != "1.0.2" {
				t.Errorf("registered %q, %v, want 1.0.2", v.Version, err)
			}
		})
	}
}

// A folder that was copied after a crash in its first registration has an empty
// history, and has lost nothing.
func TestEmptyHistoryIsNotAModel(t *testing.T) {
	t.Parallel()
	f, b := newFaulty(t)
	registrytest.Put(t, mr.New(newStore(t, b, nil), nil), fraud.At("1.0.0"), files)
	if err := errors.Join(loseIndex(f.b, "")(fraud), f.b.WriteAll(t.Context(), fraud.String()+"/history.jsonl", []byte(`{"event":1`), nil)); err != nil {
		t.Fatal(err)
	}
	r := mr.New(newStore(t, b, nil), nil)
	for name, err := range r.Models(t.Context()) {
		t.Errorf("Models yields %v, %v", name, err)
	}
	if report, err := r.Verify(t.Context(), nil); err != nil || len(report.Problems()) > 0 || len(report.Models) != 1 {
		t.Errorf("Verify: %+v, %v", report, err)
	}
	registrytest.Put(t, r, fraud.At("1.0.0"), files)
}

// Files of a version whose change was made by another process at the same
// moment are not a loss, neither before the upload nor before the change.
func TestConcurrentFirstChangeIsNotALoss(t *testing.T) {
	t.Parallel()
	for look := range int64(2) {
		f, b := newFaulty(t)
		first, second := mr.New(newStore(t, b, nil), nil), mr.New(newStore(t, b, nil), nil)
		var looks atomic.Int64
		f.set(func() {
			f.before = func(op, key string) error {
				if op == "list" && strings.HasSuffix(key, "/versions/") && looks.Add(1) == look+1 {
					registrytest.Put(t, first, fraud.At("1.0.0"), files)
				}
				return nil
			}
		})
		v, err := second.Register(t.Context(), fraud, mr.FromFS(files), nil)
		if err != nil || v.Version != "1.0.1" {
			t.Errorf("read %d: registered %q, %v, want 1.0.1", look+1, v.Version, err)
		}
	}
}

// A name that differs from a model's in case only is refused before any file is
// uploaded.
func TestNamesThatDifferInCase(t *testing.T) {
	t.Parallel()
	f, b := newFaulty(t)
	r := registrytest.NewOn(t, newStore(t, b, nil), nil)
	registrytest.Put(t, r, fraud.At("1.0.0"), files)
	f.requests()
	for _, like := range []mr.ModelName{{UseCase: fraud.UseCase, Model: "fraudriskmodel"}, {UseCase: "Fraud_Detection", Model: fraud.Model}} {
		_, err := r.Register(t.Context(), like, mr.FromFS(files), nil)
		var name *mr.NameError
		if !errors.As(err, &name) || *name != (mr.NameError{Name: driver.Name(like), Other: driver.Name(fraud)}) {
			t.Errorf("register %s: got error %v, want a *NameError that names %s", like, err, fraud)
		}
	}
	if n := f.requests()["put"]; n > 0 {
		t.Errorf("%d objects were uploaded", n)
	}
	registrytest.Put(t, r, mr.ModelName{UseCase: "Fraud_Detection", Model: "another"}.At("1.0.0"), files)
}
