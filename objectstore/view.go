package objectstore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/driver"
	"github.com/ubunye-go/modelregistry/internal/logformat"
)

// A revision has the newest change that was read, and the document.
type revision struct {
	newest   int64
	document seen
}

// Changed asks for the next change by its name, which costs a tenth of a
// listing. It ignores changes to the document by another program.
func (s *Store) Changed(ctx context.Context, useCase, model string, since driver.Revision) (bool, error) {
	name := mr.ModelName{UseCase: useCase, Model: model}
	rev, ok := since.(revision)
	if !ok || rev.newest == 0 { // a document without changes can be written by any program
		return true, nil
	}
	there, err := s.exists(ctx, slotKey(name, rev.newest+1))
	return there || err != nil, err
}

// LossCause names the lifecycle rule that may have removed a history.
func (s *Store) LossCause() string { return logformat.LossCause }

// Read calls look with a view of the model.
func (s *Store) Read(ctx context.Context, useCase, model string, look func(driver.View) error) error {
	name := mr.ModelName{UseCase: useCase, Model: model}
	v := s.view(ctx, name)
	if err := s.checkBucketBy(v.list); err != nil {
		return err
	}
	return look(v)
}

func (s *Store) view(ctx context.Context, name mr.ModelName) *view {
	return &view{s: s, ctx: ctx, name: name, newest: -1, listed: -1, slots: map[int64]*slot{}}
}

// A view reads objects when its methods are called. It keeps the end of the log
// that it found first.
type view struct {
	s         *Store
	ctx       context.Context // the call's
	name      mr.ModelName
	newest    int64 // -1 until find was called
	end       int64 // the position after the newest change
	listed    int64 // the newest change by a listing; -1 before there was one
	slots     map[int64]*slot
	writes    bool   // the view of an Append: a change will follow the newest one
	restarted bool   // the model was deleted and started again since it was last read
	hasCopy   bool   // a folder's history was found in place of changes
	before    []byte // that history, once all of it was read

	asked    seen // the document that see found, if writes
	document seen // the document that the caller knows
}

// Revision returns the newest change and the document, as far as they were
// read.
func (v *view) Revision() driver.Revision { return revision{max(0, v.newest), v.document} }

// Log returns the lines after a position. It reads from the newest change back
// to the change that holds the position. If a change is damaged or missing, a
// call for the whole log also returns the lines of the others.
func (v *view) Log(from int64) ([]byte, int64, error) {
	if err := v.find(); err != nil {
		return nil, 0, err
	}
	if v.newest == 0 {
		data, end, err := v.copied(from)
		if !errors.Is(err, errBegun) {
			return data, end, err
		}
		v.newest, v.listed = -1, -1
		return v.Log(from)
	}
	if from < 0 || from > v.end {
		return nil, 0, v.noPosition(from, v.end)
	}
	data, start, err := v.since(from)
	var damage *mr.CorruptError
	if errors.As(err, &damage) && from == 0 {
		data = v.readable()
		return data, int64(len(data)), err
	}
	if err != nil {
		return nil, 0, err
	}
	if skip := from - start; skip > 0 {
		if data[skip-1] != '\n' {
			return nil, 0, v.noPosition(from, v.end)
		}
		data = data[skip:]
	}
	return data, v.end, nil
}

// since returns the lines of the newest changes, back to the change that holds
// a position, and where they start.
func (v *view) since(from int64) (data []byte, start int64, err error) {
	first, start := v.newest+1, v.end
	for start > from && first > 1 {
		next := first
		first = max(1, first-v.guess(from, start, v.newest+1-first))
		if err := v.fetch(first, next-1); err != nil {
			return nil, 0, err
		}
		for n := next - 1; n >= first; n-- {
			if sl := v.slots[n]; sl.End != start {
				return nil, 0, v.corrupt(n, fmt.Errorf("it ends at byte %d of the log, and change %d begins at byte %d", sl.End, n+1, start))
			}
			start = v.slots[n].start()
		}
	}
	if first == 1 && start != 0 {
		return nil, 0, v.corrupt(1, fmt.Errorf("it is the first and begins at byte %d of the log", start))
	}
	for n := first; n <= v.newest; n++ {
		data = append(data, v.slots[n].lines...)
	}
	return data, start, nil
}

// readable returns the lines of all changes that can be read, for a check of a
// damaged log.
func (v *view) readable() (data []byte) {
	found := make([]*slot, v.newest)
	_ = v.s.each(v.ctx, len(found), func(ctx context.Context, i int) error {
		number := int64(i) + 1
		if found[i] = v.slots[number]; found[i] == nil {
			found[i], _ = v.s.slot(ctx, v.name, number)
		}
		return nil
	})
	for _, sl := range found {
		if sl != nil {
			data = append(data, sl.lines...)
		}
	}
	return data
}

// guess returns how many changes to fetch next on the way back from start to a
// position, by the size of the changes read so far. The newest changes may be
// far smaller than the others, so it does not return too many.
func (v *view) guess(from, start, seen int64) int64 {
	if from == 0 {
		return logformat.Last
	}
	if seen == 0 || start == v.end {
		return 1
	}
	return min((start-from-1)*seen/(v.end-start)+1, 2*seen+8)
}

func (v *view) noPosition(from, end int64) error {
	return &Error{"read", v.s.prefix + modelKey(v.name, historyDir),
		fmt.Errorf("no line ends at byte %d of a log of %d: %w", from, end, fs.ErrNotExist)}
}

func (v *view) corrupt(number int64, err error) error {
	return &mr.CorruptError{Path: v.s.prefix + slotKey(v.name, number), Err: err}
}

// probes is how many changes are asked for one by one before a listing finds
// how many there are.
const probes = 3

// fetch reads changes that exist, unless they were read before.
func (v *view) fetch(first, last int64) error {
	var missing []int64
	for n := first; n <= last; n++ {
		if v.slots[n] == nil {
			missing = append(missing, n)
		}
	}
	got := make([]*slot, len(missing))
	err := v.s.each(v.ctx, len(missing), func(ctx context.Context, i int) (err error) {
		got[i], err = v.s.slot(ctx, v.name, missing[i])
		if errors.Is(err, fs.ErrNotExist) { // although a later change exists
			key := slotKey(v.name, missing[i])
			err = v.corrupt(missing[i], &MissingChangeError{missing[i], v.s.prefix + key})
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

// fetchAfter reads all changes after a change.
func (v *view) fetchAfter(after int64) error {
	if err := v.find(); err != nil {
		return err
	}
	return v.fetch(after+1, v.newest)
}

// find searches for the newest change: one by one after the newest known one,
// or by a listing if that would take long.
func (v *view) find() error {
	if v.newest >= 0 {
		return nil
	}
	var n, end int64
	v.s.know(v.name, func(k *known) { n, end = k.newest, k.end })
	if n > 0 {
		for range probes {
			sl, there, err := v.following(n)
			switch {
			case err != nil:
				return err
			case !there, sl != nil && sl.start() != end:
				v.forget()
				return v.find()
			case sl == nil:
				v.setNewest(n, end)
				return nil
			}
			n++
			v.slots[n], end = sl, sl.End
		}
	}
	if v.listed < n {
		if err := v.list(); err != nil {
			return err
		}
	}
	if v.listed > n {
		n = v.listed
		if err := v.fetch(n, n); err != nil {
			return err
		}
		end = v.slots[n].End
	}
	v.setNewest(n, end)
	return nil
}

// following reads the change after n, or returns nil if there is none. In the
// view of an Append, there reports whether change n is still the one that was
// known. A single change is never deleted, but the whole model may have been
// deleted and started again. At the same time it asks for the document, which
// an Append needs.
func (v *view) following(n int64) (sl *slot, there bool, err error) {
	there = true
	asks := 1
	if v.writes && v.slots[n] == nil {
		asks = 3
	}
	err = v.s.each(v.ctx, asks, func(ctx context.Context, i int) (err error) {
		number := n + 1
		switch i {
		case 1:
			number = n
		case 2:
			return v.see(ctx)
		}
		got, err := v.s.slot(ctx, v.name, number)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if i == 1 {
			v.s.know(v.name, func(k *known) { there = got != nil && (k.newest != n || k.id == got.ID) })
		} else {
			sl = got
		}
		return nil
	})
	return sl, there, err
}

// forget drops all that is known about the model, because it was deleted, and
// perhaps started again.
func (v *view) forget() {
	v.s.know(v.name, func(k *known) { *k = known{trees: map[string]treeInfo{}} })
	v.slots, v.listed, v.restarted = map[int64]*slot{}, -1, true
}

func (v *view) list() (err error) {
	v.listed, err = v.s.newest(v.ctx, v.name)
	return err
}

// setNewest records the newest change.
func (v *view) setNewest(n, end int64) {
	v.newest, v.end = n, end
	if sl := v.slots[n]; sl != nil {
		v.s.reached(v.name, sl)
	}
}

// newest finds the newest change by a listing of one name. It returns 0 if
// there is none.
func (s *Store) newest(ctx context.Context, name mr.ModelName) (int64, error) {
	list, err := s.list(ctx, modelKey(name, historyDir), true, 1)
	if err != nil || len(list) == 0 {
		return 0, err
	}
	return slotNumber(list[0].key)
}

// slot reads one change, and remembers the versions that it names.
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
