package fsroot

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"
)

// Shared returns the mode that a new file or folder should have in a folder. If
// the folder's group or all users may write to the folder, they share it: the
// new file then gets the folder's rights, too. So the umask of one user does
// not lock the others out. Of the rights to execute, a file gets only those of
// classes that may read and search the folder, and only if its owner may
// execute it. In any other folder the umask alone decides.
func Shared(own, folder fs.FileMode) fs.FileMode {
	if folder&0o022 == 0 {
		return own.Perm()
	}
	if own.IsDir() {
		return own&(fs.ModePerm|fs.ModeSetgid|fs.ModeSticky) | folder.Perm()
	}
	mode := own.Perm() | folder.Perm()&0o666
	for _, class := range []fs.FileMode{0o050, 0o005} {
		if own&0o100 != 0 && folder&class == class {
			mode |= class & 0o011
		}
	}
	return mode
}

// Share gives a new file or folder its Shared mode, and reports whether it had
// another one. A system that has no modes or refuses to change this one leaves
// it as it is.
func Share(root *os.Root, name string) (changed bool) {
	return share(root.Stat, root.Lstat, root.Chmod, path.Dir(name), name)
}

// SharePath is Share for a path.
func SharePath(name string) (changed bool) {
	return share(os.Stat, os.Lstat, os.Chmod, filepath.Dir(name), name)
}

func share(stat, lstat func(string) (fs.FileInfo, error), chmod func(string, fs.FileMode) error, dir, name string) (changed bool) {
	folder, err := stat(dir)
	if err != nil {
		return false
	}
	info, err := lstat(name)
	if err != nil || !info.IsDir() && !info.Mode().IsRegular() {
		return false
	}
	mode := Shared(info.Mode(), folder.Mode())
	if mode.Perm() == info.Mode().Perm() {
		return false
	}
	return chmod(name, mode) == nil
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

// Mkdir makes a folder with its Shared mode. In a shared folder it makes the
// new one under another name and renames it when its mode is set. So another
// user never finds it closed, and a process that is killed leaves no folder of
// that name closed.
//
// A rename can replace an empty folder that another process made at the same
// moment; that process then finds another folder of that name. Where case does
// not matter, the new folder may have the other's name in another case. So
// Mkdir renames only if the mode had to be set, and a caller that needs the
// exact name checks it again when the folder is not empty.
func Mkdir(root *os.Root, name string) error {
	if !isShared(root, path.Dir(name)) {
		return root.Mkdir(name, 0o777)
	}
	temp := tempName(name)
	if err := root.Mkdir(temp, 0o777); err != nil {
		return about(name, err)
	}
	if !Share(root, temp) {
		if err := root.Remove(temp); err != nil {
			return err
		}
		return root.Mkdir(name, 0o777)
	}
	var err error
	if _, there := root.Lstat(name); there == nil {
		err = &fs.PathError{Op: "mkdir", Path: name, Err: fs.ErrExist}
	} else {
		err = root.Rename(temp, name)
	}
	if err != nil {
		return errors.Join(err, root.Remove(temp))
	}
	return nil
}

// MkdirPath is Mkdir for the path of a folder that no other process uses yet.
func MkdirPath(dir string) error {
	if err := os.Mkdir(dir, 0o777); err != nil {
		return err
	}
	SharePath(dir)
	return nil
}

// MakeFile makes an empty file with its Shared mode, if there is no file of
// that name. In a shared folder the file has its mode when it gets its name, as
// a folder made by Mkdir has. Where there are no hard links, the mode is set
// afterwards.
func MakeFile(root *os.Root, name string) error {
	if isShared(root, path.Dir(name)) {
		temp := tempName(name)
		if err := makeEmpty(root, temp, os.O_EXCL); err != nil {
			return about(name, err)
		}
		Share(root, temp)
		err := root.Link(temp, name)
		if removeErr := root.Remove(temp); removeErr != nil {
			return removeErr
		}
		if err == nil || errors.Is(err, fs.ErrExist) {
			return nil
		}
	}
	if err := makeEmpty(root, name, 0); err != nil {
		return err
	}
	Share(root, name)
	return nil
}

func makeEmpty(root *os.Root, name string, flag int) error {
	f, _, err := OpenFile(root, name, os.O_WRONLY|os.O_CREATE|flag, 0o666)
	if err != nil {
		return err
	}
	return f.Close()
}

// isShared reports whether other users may write to a folder, so that they
// share it. Windows reports all rights for every folder, and its own rights are
// inherited.
func isShared(root *os.Root, folder string) bool {
	info, err := root.Stat(folder)
	return err == nil && info.Mode()&0o022 != 0 && runtime.GOOS != "windows"
}

// tempName returns an unused name in the folder of a name. It starts with a
// dot, as no use case or model does.
func tempName(name string) string {
	var b [16]byte
	rand.Read(b[:])
	return path.Join(path.Dir(name), ".new-"+hex.EncodeToString(b[:]))
}

// about makes an error about a temporary name one about the name itself.
func about(name string, err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return &fs.PathError{Op: p.Op, Path: name, Err: p.Err}
	}
	return err
}
