package volume

// A Kind is a file system and how it is made.
type Kind struct {
	Name  string
	mkfs  []string // the command that makes it, without the image; none for one in memory
	mount []string // options of mount(8) besides the image and the folder
	check []string // the command that must run before it is mounted after a cut, without the image
}

// The kinds of file systems that tests use.
var (
	Ext4 = Kind{Name: "ext4", mkfs: []string{"mkfs.ext4", "-F", "-q"}}

	// Without a journal, writes are not ordered, and a check must repair the
	// damage of a cut.
	Ext4NoJournal = Kind{
		Name:  "ext4 without a journal",
		mkfs:  []string{"mkfs.ext4", "-F", "-q", "-O", "^has_journal"},
		check: []string{"e2fsck", "-f", "-y"},
	}

	// Inodes of 128 bytes can store whole seconds only.
	Ext4SmallInodes = Kind{Name: "ext4 with 128-byte inodes", mkfs: []string{"mkfs.ext4", "-F", "-q", "-I", "128"}}

	XFS   = Kind{Name: "xfs", mkfs: []string{"mkfs.xfs", "-f", "-q"}}
	Btrfs = Kind{Name: "btrfs", mkfs: []string{"mkfs.btrfs", "-f", "-q"}}
	Tmpfs = Kind{Name: "tmpfs", mount: []string{"-t", "tmpfs", "-o", "size=1g"}}

	// ExFAT runs through FUSE. Names that differ in case only are one file,
	// times are whole seconds, and there are no permissions, links or devices.
	ExFAT = Kind{Name: "exFAT through FUSE", mkfs: []string{"mkfs.exfat"}, mount: []string{"-t", "exfat-fuse"}}
)
