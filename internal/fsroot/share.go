package fsroot

import (
	"io/fs"
	"os"
	"path"
)

// Shared returns the mode that a new file or folder should have in a folder. If
// the folder's group or all users may write to the folder, they share it: the
// new file then gets the folder's rights, too, except the right to execute. So
// the umask of one user does not lock the others out. Otherwise the umask alone
// decides.
func Shared(own, folder fs.FileMode) fs.FileMode {
	if folder&0o022 == 0 {
		return own.Perm()
	}
	if own.IsDir() {
		return own&(fs.ModePerm|fs.ModeSetgid|fs.ModeSticky) | folder.Perm()
	}
	return own.Perm() | folder.Perm()&0o666
}

// Share gives a new file or folder its Shared mode. A system that has no modes
// or refuses to change this one leaves it as it is.
func Share(root *os.Root, name string) {
	folder, err := root.Stat(path.Dir(name))
	if err != nil {
		return
	}
	info, err := root.Lstat(name)
	if err != nil || !info.IsDir() && !info.Mode().IsRegular() {
		return
	}
	if mode := Shared(info.Mode(), folder.Mode()); mode.Perm() != info.Mode().Perm() {
		_ = root.Chmod(name, mode)
	}
}

// ShareLike gives a new file the mode of another one, which it is to replace,
// and its group if the user may set that. If there is no other file, or the
// system refuses, the mode stays as it is.
func ShareLike(root *os.Root, name, other string) {
	was, err := root.Lstat(other)
	if err != nil || !was.Mode().IsRegular() {
		return
	}
	info, err := root.Lstat(name)
	if err != nil || !info.Mode().IsRegular() {
		return
	}
	setGroup(root, name, info, was)
	if was.Mode().Perm() != info.Mode().Perm() {
		_ = root.Chmod(name, was.Mode().Perm())
	}
}
