package objectstore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	mr "github.com/ubunye-go/modelregistry"
)

// A revision is the newest change that was read.
type revision struct{ newest int64 }

// Changed asks for the next change by its name, which costs a tenth of a listing.
func (s *Store) Changed(ctx context.Context, name mr.ModelName, since mr.Revision) (bool, error) {
	rev, ok := since.(revision)
	if !ok || rev.newest == 0 { // a document alone can come any way
		return true, nil
	}
	there, err := s.exists(ctx, slotKey(name, rev.newest+1))
	return there || err != nil, err
}

// Read calls look with a view of the model.
func (s *Store) Read(ctx context.Context, name mr.ModelName, look func(mr.View) error) error {
	if err := s.access(ctx); err != nil {
		return err
	}
	return look(s.view(ctx, name))
}

func (s *Store) view(ctx context.Context, name mr.ModelName) *view {
	return &view{s: s, ctx: ctx, name: name, newest: -1, slots: map[int64]*slot{}}
}

// A view reads as it is asked. It keeps to the end that it found first.
type view struct {
	s      *Store
	ctx    context.Context // the call's
	name   mr.ModelName
	newest int64 // -1 until it was looked for
	slots  map[int64]*slot
}

// Document returns the document's bytes.
func (v *view) Document() ([]byte, bool, error) {
	data, err := v.s.get(v.ctx, modelKey(v.name, documentName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, false, nil
	}
	return data, err == nil, err
}

// DocumentChanged says no: nobody else writes it, and to look would cost a request for each change.
func (v *view) DocumentChanged(since mr.Revision) bool {
	rev, ok := since.(revision)
	return !ok || rev.newest == 0
}

// Revision returns the newest change, if the log was read.
func (v *view) Revision() mr.Revision { return revision{max(0, v.newest)} }

// Log returns the lines behind a position.
func (v *view) Log(from int64) ([]byte, int64, error) {
	if from < 0 || from%perSlot != 0 {
		return nil, 0, fmt.Errorf("position %d is none of this log: %w", from, fs.ErrNotExist)
	}
	after := from / perSlot
	if err := v.fetch(after); err != nil {
		return nil, 0, err
	}
	if after > v.newest {
		return nil, 0, fmt.Errorf("position %d of a log that ends at %d: %w", from, v.newest*perSlot, fs.ErrNotExist)
	}
	var data []byte
	for n := after + 1; n <= v.newest; n++ {
		data = append(data, v.slots[n].lines...)
	}
	return data, v.newest * perSlot, nil
}

// probes is how many changes are asked for one by one before a listing tells how many there are.
const probes = 3

// fetch reads the changes behind a number, up to the newest.
func (v *view) fetch(after int64) error {
	if v.newest < 0 {
		if err := v.find(after); err != nil {
			return err
		}
	}
	var missing []int64
	for n := after + 1; n <= v.newest; n++ {
		if v.slots[n] == nil {
			missing = append(missing, n)
		}
	}
	got := make([]*slot, len(missing))
	err := v.s.each(v.ctx, len(missing), func(ctx context.Context, i int) (err error) {
		got[i], err = v.s.slot(ctx, v.name, missing[i])
		if errors.Is(err, fs.ErrNotExist) { // and another behind it is there
			err = &mr.CorruptError{Path: slotKey(v.name, missing[i]), Err: errors.New("it is missing")}
		}
		return err
	})
	for i, s := range got {
		if s != nil {
			v.slots[missing[i]] = s
		}
	}
	return err
}

// find looks for the newest change: one by one behind a number, or behind what is
// known to be there, and by a listing if that would take long.
func (v *view) find(after int64) error {
	v.s.know(v.name, func(k *known) { after = max(after, k.newest) })
	if after > 0 {
		n := after
		for range probes {
			s, err := v.s.slot(v.ctx, v.name, n+1)
			if errors.Is(err, fs.ErrNotExist) {
				return v.settle(n, n == after)
			}
			if err != nil {
				return err
			}
			n++
			v.slots[n] = s
		}
	}
	n, err := v.s.newest(v.ctx, v.name)
	if err != nil {
		return err
	}
	return v.settle(n, false)
}

// newest finds the newest change by a listing of one; 0 if there is none.
func (s *Store) newest(ctx context.Context, name mr.ModelName) (int64, error) {
	list, err := s.list(ctx, modelKey(name, historyDir), true, 1)
	if err != nil || len(list) == 0 {
		return 0, err
	}
	return slotNumber(list[0].key)
}

// settle notes the newest change. One that only a caller's position speaks of may not
// be there: a registry.json that was copied here knows another history.
func (v *view) settle(n int64, unseen bool) error {
	seen := int64(0)
	v.s.know(v.name, func(k *known) { seen = k.newest })
	if unseen && n > seen {
		there, err := v.s.exists(v.ctx, slotKey(v.name, n))
		if err == nil && !there {
			n, err = v.s.newest(v.ctx, v.name)
		}
		if err != nil {
			return err
		}
	}
	v.newest = n
	v.s.know(v.name, func(k *known) { k.newest = max(k.newest, n) })
	return nil
}

// slot reads one change. What it says of versions is taken note of.
func (s *Store) slot(ctx context.Context, name mr.ModelName, number int64) (*slot, error) {
	key := slotKey(name, number)
	data, err := s.get(ctx, key)
	if err != nil {
		return nil, err
	}
	sl, err := decodeSlot(data, number)
	if err != nil {
		return nil, &mr.CorruptError{Path: s.prefix + key, Err: err}
	}
	s.know(name, func(k *known) {
		for version, info := range sl.Trees {
			if old := k.trees[version]; number >= old.number {
				if info.number = number; old.Staging != info.Staging {
					info.key = ""
				} else {
					info.key = old.key
				}
				k.trees[version] = info
			}
		}
	})
	return sl, nil
}
