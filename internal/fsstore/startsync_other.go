//go:build !linux || arm

package fsstore

// StartSync does nothing: other systems have no call for it, and Go has none on
// arm.
func (f *diskFile) StartSync(offset, size int64) {}
