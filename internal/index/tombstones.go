package index

import (
	"bytes"
	"slices"
	"sync"

	"github.com/ubunye-go/modelregistry/internal/pyjson"
)

// tombstones holds the records of deleted versions, one object each, and finds
// each at once. After it was read, several goroutines may call get and all.
type tombstones struct {
	raw  []byte // all records as one object; nil if there is none, or if they changed since
	once sync.Once

	order     []string // the versions, in the order of their records
	byVersion map[string][]byte
	size      int64 // about how many bytes the records take in the document
}

// load sets the records to those of an object, which may be nil.
func (d *tombstones) load(raw []byte) {
	*d = tombstones{raw: raw, size: int64(len(raw))}
}

// parse finds each record in the object that was loaded.
func (d *tombstones) parse() {
	d.once.Do(func() {
		members, _ := pyjson.Object(d.raw)
		d.byVersion = make(map[string][]byte, len(members))
		for _, m := range members {
			if d.byVersion[m.Key] == nil {
				d.order = append(d.order, m.Key)
			}
			d.byVersion[m.Key] = m.Value
		}
	})
}

// get returns the record of a version, or nil.
func (d *tombstones) get(version string) []byte {
	d.parse()
	return d.byVersion[version]
}

// all returns the versions with a record, in the order of the records.
func (d *tombstones) all() []string {
	d.parse()
	return d.order
}

// set takes over the records in an object. A record that is null ends a
// version's record: the version is listed again.
func (d *tombstones) set(more []byte) {
	if more == nil {
		return
	}
	members, err := pyjson.Object(more)
	if err != nil || len(members) == 0 {
		return
	}
	d.parse()
	d.raw = nil
	for _, m := range members {
		old := d.byVersion[m.Key]
		switch null := string(m.Value) == "null"; {
		case null && old != nil:
			delete(d.byVersion, m.Key)
			at := slices.Index(d.order, m.Key)
			d.order = slices.Delete(slices.Clone(d.order), at, at+1)
		case !null:
			d.byVersion[m.Key] = bytes.Clone(m.Value) // the line with these bytes is not kept
			if old == nil {
				d.order = append(d.order, m.Key)
			}
		}
		d.size += tombstoneSize(m.Key, d.byVersion[m.Key]) - tombstoneSize(m.Key, old)
	}
}

func tombstoneSize(version string, record []byte) int64 {
	if record == nil {
		return 0
	}
	return int64(len(version) + len(record) + len(`"":,`))
}

// object returns the records as one object, or nil if there is none.
func (d *tombstones) object() []byte {
	if d.raw == nil && len(d.order) > 0 {
		members := make([]pyjson.Member, len(d.order))
		for i, version := range d.order {
			members[i] = pyjson.Member{Key: version, Value: d.byVersion[version]}
		}
		d.raw = appendObject(nil, members)
	}
	return d.raw
}
