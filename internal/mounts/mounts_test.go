package mounts

import "testing"

// Lines as the programs make them.
const mountinfo = `22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw,discard
40 27 0:39 / /mnt/s3 rw,nosuid,nodev,relatime shared:7 master:2 - fuse.s3fs s3fs rw,user_id=0,group_id=0
41 27 0:40 / /mnt/my\040models rw,relatime - fuse.rclone remote:models\040(1) rw
42 27 0:41 / /mnt/nfs rw,relatime - nfs4 server:/export rw,vers=4.2
43 27 0:41 /team /srv/team rw,relatime - nfs4 server:/export rw,vers=4.2
44 27 0:41 / /mnt/nfs/again rw,relatime - nfs4 server:/export rw,vers=4.2
a line of another kind
45 27 0:42 /
`

func TestFind(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		major, minor uint64
		path         string
		want         Mount
	}{
		{254, 0, "/var/store", Mount{"/", "ext4", "/dev/vda"}},
		{0, 39, "/mnt/s3/store", Mount{"/mnt/s3", "fuse.s3fs", "s3fs"}},
		{0, 40, "/mnt/my models/store", Mount{"/mnt/my models", "fuse.rclone", "remote:models (1)"}},
		{0, 41, "/mnt/nfs/store", Mount{"/mnt/nfs", "nfs4", "server:/export"}},
		{0, 41, "/mnt/nfs/again", Mount{"/mnt/nfs/again", "nfs4", "server:/export"}},
		{0, 41, "/mnt/nfs/against", Mount{"/mnt/nfs", "nfs4", "server:/export"}},
		{0, 41, "/srv/team/store", Mount{"/srv/team", "nfs4", "server:/export"}},
		{0, 41, "/a/link/that/leads/there", Mount{"/mnt/nfs", "nfs4", "server:/export"}},
		{0, 42, "/", Mount{}},
		{0, 99, "/", Mount{}},
	} {
		got, ok := find(mountinfo, test.major, test.minor, test.path)
		if got != test.want || ok != (test.want != Mount{}) {
			t.Errorf("the mount of %s with device %d:%d is %+v, %t, want %+v", test.path, test.major, test.minor, got, ok, test.want)
		}
	}
}

func TestKinds(t *testing.T) {
	t.Parallel()
	const local, network = "local", "network"
	for _, test := range []struct{ fstype, source, want string }{
		{"fuse.s3fs", "s3fs", "s3fs"},
		{"fuse.s3fs", "/tmp/other", "s3fs"},
		{"fuse", "s3fs#bucket", "s3fs"},
		{"fuse.gcsfuse", "models", "gcsfuse"},
		{"fuse", "gcsfuse", "gcsfuse"},
		{"fuse.rclone", "remote:models", "rclone"},
		{"fuse", "mountpoint-s3", "mountpoint-s3"},
		{"fuse.mountpoint-s3", "mountpoint-s3", "mountpoint-s3"},
		{"fuse", "blobfuse2", "blobfuse2"},
		{"fuse", "blobfuse", "blobfuse"},
		{"fuse.blobfuse", "blobfuse", "blobfuse"},
		{"fuse.goofys", "bucket", "goofys"},
		{"fuse.geesefs", "bucket:prefix", "geesefs"},
		{"fuse.s3ql", "s3://eu-central-1/bucket/", "s3ql"},
		{"fuse", "s3://bucket", "fuse"},
		{"nfs", "server:/export", network},
		{"nfs4", "server:/export", network},
		{"cifs", "//server/share", network},
		{"smb3", "//server/share", network},
		{"9p", "hostshare", network},
		{"ceph", "10.0.0.1:6789:/", network},
		{"lustre", "10.0.0.1@tcp:/fs", network},
		{"virtiofs", "shared", network},
		{"fuse.sshfs", "host:/dir", network},
		{"fuse.glusterfs", "host:/vol", network},
		{"fuse", "https://dav.example.com/", network},
		{"ext4", "/dev/vda", local},
		{"xfs", "s3fs", local}, // a source may have any name
		{"tmpfs", "rclone", local},
		{"overlay", "overlay", local},
		{"btrfs", "/dev/sda", local},
		{"fuseblk", "/dev/loop0", local}, // exfat-fuse, ntfs-3g
		{"fuse.exfat", "/dev/loop0", local},
		{"fuse", "/dev/fuse", local},
		{"fuse.fuse-overlayfs", "fuse-overlayfs", local},
		{"fuse.bindfs", "/srv/s3fs", local},
		{"fuse.lxcfs", "lxcfs", local},
	} {
		m := Mount{"/mnt", test.fstype, test.source}
		got, url, isBucket := m.Bucket()
		switch {
		case isBucket && m.Network():
			got = "a bucket and on the network"
		case isBucket && url == "":
			got = "a bucket without a URL"
		case m.Network():
			got = network
		case !isBucket:
			got = local
		}
		if got != test.want {
			t.Errorf("%s of %s is %s, want %s", test.fstype, test.source, got, test.want)
		}
	}
}
