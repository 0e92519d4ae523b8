// Package users runs the folder store as several users of one group, each in
// processes of its own with its own umask. The package consists of tests. They
// need Linux and root.
package users
