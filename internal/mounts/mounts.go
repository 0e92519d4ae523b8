// Package mounts tells which folders are on a file system that several machines
// may mount at the same time. It must not know what the folders hold.
package mounts

import (
	"strconv"
	"strings"
)

// A Mount is a mounted file system.
type Mount struct {
	Point  string // the folder that it is mounted on
	Type   string // as the system names it, such as "nfs4" or "fuse.s3fs"
	Source string // what is mounted; some programs give their own name instead
}

// find returns the mount with a device number, according to the text of
// /proc/self/mountinfo. A line is
//
//	42 27 0:39 / /mnt/models rw,relatime shared:1 - fuse.s3fs s3fs rw,user_id=0
//
// where any number of fields may stand before the "-". If the file system is
// mounted several times, find returns the deepest mount that the path is in.
func find(mountinfo string, major, minor uint64, path string) (m Mount, ok bool) {
	device := strconv.FormatUint(major, 10) + ":" + strconv.FormatUint(minor, 10)
	for line := range strings.Lines(mountinfo) {
		where, what, found := strings.Cut(line, " - ")
		w, f := strings.Fields(where), strings.Fields(what)
		if !found || len(w) < 5 || len(f) < 2 || w[2] != device {
			continue
		}
		next := Mount{Point: unescape(w[4]), Type: unescape(f[0]), Source: unescape(f[1])}
		if !ok || within(path, next.Point) && (!within(path, m.Point) || len(next.Point) >= len(m.Point)) {
			m, ok = next, true
		}
	}
	return m, ok
}

// within reports whether a path is a folder or below it.
func within(path, folder string) bool {
	return path == folder || strings.HasPrefix(path, strings.TrimSuffix(folder, "/")+"/")
}

// unescape decodes the octal escapes, such as \040 for a space.
func unescape(field string) string {
	var b strings.Builder
	for i := 0; i < len(field); i++ {
		if field[i] == '\\' && i+4 <= len(field) {
			if c, err := strconv.ParseUint(field[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(c))
				i += 3
				continue
			}
		}
		b.WriteByte(field[i])
	}
	return b.String()
}
