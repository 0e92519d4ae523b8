package refcount

// A point is an access to memory that goroutines share.
type point int

const (
	pointCurrent  point = iota // the current item
	pointCountIn               // a counter
	pointCountOut              // a counter
	pointRetired               // whether the item was replaced
	pointBell                  // the bell
	pointCounter               // a counter, by Wait
)

// An explorer decides which goroutine goes on at each point.
type explorer interface {
	step(point)
	counter() int                 // of the goroutine that runs
	await(ready func() bool)      // keeps the goroutine from running until ready
	counts(counter int) (is bool) // whether a goroutine uses the counter
}

// explored is nil except in the test that runs this package's code in every
// order of its steps. The check for nil costs less than a nanosecond per use.
var explored explorer

func at(p point) {
	if explored != nil {
		explored.step(p)
	}
}

func atCounter(n int) {
	if explored != nil && explored.counts(n) {
		explored.step(pointCounter)
	}
}
