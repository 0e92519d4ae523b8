package driver

// A LockHolder is a [Store] that can tell who makes changes of a model wait.
// Without it, a change that waits long says only that it waits.
type LockHolder interface {
	// LockHolder returns the holder of the lock of a model, as a text such as
	// "process 4711 (python3)". It is empty if that is not known. It must be
	// quick, and must not wait for the lock.
	LockHolder(useCase, model string) string
}
