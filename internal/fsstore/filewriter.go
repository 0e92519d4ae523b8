package fsstore

// A fileWriter writes a file from its start. It lets the system write to the
// disk what is complete, while the rest is still being made, so that the sync
// at the end has little left to do. A document of 8 MB is on the disk after 7
// ms instead of 10.
type fileWriter struct {
	f       File
	end     int64 // of what was written
	started int64 // the system may write what is before
}

// flushEvery is after how many bytes the system may begin. Parts that are much
// smaller take the disk longer.
const flushEvery = 1 << 20

func (w *fileWriter) Write(p []byte) (n int, err error) {
	n, err = w.f.WriteAt(p, w.end)
	w.end += int64(n)
	if err == nil && w.end-w.started >= flushEvery {
		w.f.StartSync(w.started, w.end-w.started)
		w.started = w.end
	}
	return n, err
}
