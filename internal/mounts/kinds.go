package mounts

import (
	"slices"
	"strings"
)

// The forms of the URLs of buckets.
const (
	s3URL    = "s3://bucket/prefix"
	gcsURL   = "gs://bucket/prefix"
	azureURL = "azblob://container/prefix"
	anyURL   = "s3://bucket/prefix, gs://bucket/prefix or azblob://container/prefix"
)

// bucketPrograms are the programs that mount a bucket as a folder, with the
// form of the bucket's URL.
var bucketPrograms = map[string]string{
	"s3fs": s3URL, "mountpoint-s3": s3URL, "goofys": s3URL, "geesefs": s3URL, "s3ql": s3URL, "riofs": s3URL, "yas3fs": s3URL,
	"gcsfuse": gcsURL, "blobfuse": azureURL, "blobfuse2": azureURL, "cloudfuse": azureURL,
	"ossfs": anyURL, "ossfs2": anyURL, "cosfs": anyURL, "obsfs": anyURL, "rclone": anyURL, "alluxio-fuse": anyURL,
}

// bucketSchemes begin the source of a mounted bucket that names its URL.
var bucketSchemes = map[string]string{
	"s3://": s3URL, "s3c://": s3URL, "gs://": gcsURL, "azblob://": azureURL, "oss://": anyURL, "cos://": anyURL, "b2://": anyURL, "swift://": anyURL,
}

// networkTypes are the file systems, and the programs behind FUSE, whose files
// are on another machine, or on a disk that several machines share.
var networkTypes = []string{
	"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "ceph", "lustre", "afs", "coda", "beegfs", "beegfs_nodev", "gpfs", "glusterfs",
	"orangefs", "pvfs2", "panfs", "wekafs", "acfs", "ocfs2", "gfs2", "virtiofs", "vboxsf", "prl_fs", "vmhgfs", "davfs", "ncpfs",
	"ceph-fuse", "sshfs", "juicefs", "objectivefs", "seaweedfs", "mfs", "mfsmount", "moosefs", "lizardfs", "saunafs", "quobyte",
	"xtreemfs", "smbnetfs", "curlftpfs", "grpcfuse", "vmhgfs-fuse", "fuse_dfs", "hadoop-fuse-dfs",
}

// fuse returns the part of the type that a program behind FUSE gives. It is
// empty if the program gives none.
func (m Mount) fuse() (program string, is bool) {
	if m.Type == "fuse" {
		return "", true
	}
	return strings.CutPrefix(m.Type, "fuse.")
}

// Bucket returns the program that mounts a bucket as this file system, and the
// form of the bucket's URL.
func (m Mount) Bucket() (program, url string, is bool) {
	program, is = m.fuse()
	if !is {
		return "", "", false
	}
	source, _, _ := strings.Cut(m.Source, "#") // as in s3fs#bucket
	for _, name := range []string{program, source} {
		name = strings.ToLower(name)
		if url, is := bucketPrograms[name]; is {
			return name, url, true
		}
	}
	for scheme, url := range bucketSchemes {
		if strings.HasPrefix(m.Source, scheme) {
			return m.Type, url, true
		}
	}
	return "", "", false
}

// Network reports whether the files are on another machine, or on a disk that
// several machines share. It does not count buckets.
func (m Mount) Network() bool {
	name := m.Type
	if program, is := m.fuse(); is {
		name = program
		if strings.HasPrefix(m.Source, "http://") || strings.HasPrefix(m.Source, "https://") { // WebDAV
			return true
		}
	}
	return slices.Contains(networkTypes, strings.ToLower(name))
}
