package fsstore

import (
	"bytes"
	"testing"
)

// FuzzWhole: of any bytes, what is kept is kept again, unless it is damaged; and of an append that is
// torn at any byte, what did not arrive being missing or NUL, nothing is kept and
// all that was before it.
func FuzzWhole(f *testing.F) {
	f.Add([]byte("1\n2\n"), []byte("3\n4\n5"), uint(7), uint(3))
	f.Add([]byte(""), []byte("1"), uint(0), uint(1))
	f.Add([]byte("{\x00}\n{2} \n"), []byte("\x00 \n"), uint(2), uint(0))
	f.Fuzz(func(t *testing.T, before, last []byte, cut, nuls uint) {
		n := whole(before)
		if n < 0 || n > len(before) || n > 0 && before[n-1] != '\n' || bytes.IndexByte(before[:n], 0) < 0 && whole(before[:n]) != n {
			t.Errorf("of %q the first %d are kept", before, n)
		}
		var sound []byte
		for line := range bytes.Lines(before) {
			sound = append(append(sound, clean(line)...), '\n')
		}
		var add []byte
		for i, line := range bytes.Split(last, []byte("\n")) {
			if i > 0 {
				add = append(add, " \n"...)
			}
			add = append(add, clean(line)...)
		}
		add = append(add, '\n')
		log := append(bytes.Clone(sound), add...)
		if n := whole(log); n != len(log) {
			t.Fatalf("of the sound %q %d are kept", log, n)
		}
		cut %= uint(len(add))
		torn := append(log[:len(sound)+int(cut):len(sound)+int(cut)], make([]byte, nuls%64)...)
		if n := whole(torn); n != len(sound) {
			t.Errorf("of %q %d are kept, want %d", torn, n, len(sound))
		}
		hole := bytes.Clone(log) // the rest of the append arrived, and not this byte
		hole[len(sound)+int(cut)] = 0
		if n := whole(hole); n != len(sound) {
			t.Errorf("of %q %d are kept, want %d", hole, n, len(sound))
		}
	})
}

// clean makes a line of any bytes: one that holds neither NUL nor newline, and does not end in a space.
func clean(line []byte) []byte {
	line = bytes.Map(func(r rune) rune {
		if r == 0 || r == '\n' {
			return '.'
		}
		return r
	}, line)
	return append(append([]byte{'{'}, line...), '}')
}
