package beneath

// Slow has a folder leave all to os.Root.
func (d *Dir) Slow() *Dir {
	if _, err := d.slow(); err != nil {
		panic(err)
	}
	d.fast.close()
	d.fast = nil
	return d
}

// Fast reports whether the system resolves names by itself.
func (d *Dir) Fast() bool {
	f, _ := d.fast.openOS(d.path, ".", 0)
	if f != nil {
		f.Close()
	}
	return f != nil
}

// OpenRoot opens the os.Root, which is else opened when it is first needed.
func (d *Dir) OpenRoot() error {
	_, err := d.slow()
	return err
}
