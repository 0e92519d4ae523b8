package driver

// A LossExplainer is a [Store] that knows the usual cause of a lost history.
// Without it, a message about a lost history names no cause.
type LossExplainer interface {
	// LossCause returns the usual cause of a history that is missing, as the
	// rest of a message.
	LossCause() string
}
