package driver

// A LockHolder is a [Store] that can name the process that holds the lock of a
// model. Without it, the log says only that a change waits.
type LockHolder interface {
	// LockHolder returns the holder of the lock of a model, as a text such as
	// "process 4711 (python3)". It is empty if that is not known. It must be
	// quick, and must not wait for the lock.
	LockHolder(useCase, model string) string
}
