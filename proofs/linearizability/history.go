package linearizability

import (
	"bufio"
	"encoding/json"
	"io"
	"math"
	"sync"

	"github.com/anishathalye/porcupine"
)

// A Record is an operation: its call alone, or with its return.
type Record struct {
	Client int
	Call   int64 // nanoseconds of the common clock
	Return int64 `json:",omitempty"` // 0: it has not returned
	Input  Input
	Output Output
}

// A Recorder writes records as lines of JSON, each in one write.
type Recorder struct {
	mu sync.Mutex
	w  io.Writer
}

func (r *Recorder) record(rec Record) error {
	line, err := json.Marshal(rec)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	_, err = r.w.Write(append(line, '\n'))
	return err
}

// A History is what all clients recorded, each in order. It may be added to concurrently.
type History struct {
	mu      sync.Mutex
	records []Record
	open    map[int]int // a client's call that has not returned
}

// read adds the records of a worker until its end, and calls each after one.
func (h *History) read(r io.Reader, each func()) {
	for in := bufio.NewScanner(r); in.Scan(); {
		var rec Record
		if json.Unmarshal(in.Bytes(), &rec) == nil { // else it was killed in the middle of it
			h.add(rec)
			each()
		}
	}
}

func (h *History) add(rec Record) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.open == nil {
		h.open = map[int]int{}
	}
	if i, ok := h.open[rec.Client]; ok && rec.Return != 0 {
		h.records[i] = rec
		delete(h.open, rec.Client)
		return
	}
	if rec.Return == 0 {
		h.open[rec.Client] = len(h.records)
	}
	h.records = append(h.records, rec)
}

// operations returns the history as porcupine takes it. A change whose outcome is unknown
// lasts for ever: it may be put anywhere after its call, at the very end too, where nobody sees it
// any more, which is to say never. A read of which nobody heard proves nothing.
func (h *History) operations() []porcupine.Operation {
	h.mu.Lock()
	defer h.mu.Unlock()
	var ops []porcupine.Operation
	for _, r := range h.records {
		if r.Return == 0 {
			r.Output = Output{Unknown: true}
		}
		if r.Output.Unknown {
			r.Return = math.MaxInt64
			if r.Input.reads() {
				continue
			}
		}
		ops = append(ops, porcupine.Operation{ClientId: r.Client, Input: r.Input, Call: r.Call, Output: r.Output, Return: r.Return})
	}
	return ops
}
