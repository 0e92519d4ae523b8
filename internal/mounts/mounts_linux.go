package mounts

import "os"

// Of returns the mount that a folder with a device number is on. It is not
// found if the file system reports other device numbers than its mount, as
// btrfs does.
func Of(folder string, device uint64) (Mount, bool) {
	mountinfo, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return Mount{}, false
	}
	major, minor := MajorMinor(device)
	return find(string(mountinfo), major, minor, folder)
}

// MajorMinor returns the two parts of a device number as stat reports it.
func MajorMinor(device uint64) (major, minor uint64) {
	return device>>8&0xfff | device>>32&^0xfff, device&0xff | device>>12&^0xff
}
