package fsstore

import "syscall"

const fstatat = syscall.SYS_NEWFSTATAT
