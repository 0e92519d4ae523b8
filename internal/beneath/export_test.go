package beneath

// Slow has a folder leave all to os.Root.
func (d *Dir) Slow() *Dir {
	d.fast.close()
	d.fast = fast{}
	return d
}

// Fast reports whether the system resolves names by itself.
func (d *Dir) Fast() bool {
	f, _ := d.open(".", 0, 0)
	if f != nil {
		f.Close()
	}
	return f != nil
}
