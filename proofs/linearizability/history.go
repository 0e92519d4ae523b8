package linearizability

import (
	"bufio"
	"encoding/json"
	"io"
	"math"
	"sync"

	"github.com/anishathalye/porcupine"
)

// A Record is an operation: only its call, or its call and its return.
type Record struct {
	Client int
	Call   int64 // nanoseconds of the common clock
	Return int64 `json:",omitempty"` // 0 if it has not returned
	Input  Input
	Output Output
}

// A Recorder writes records as lines of JSON, each in one write. It is safe for
// concurrent use.
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

// A History contains the records of all clients, each in order. It is safe for
// concurrent use.
type History struct {
	mu      sync.Mutex
	records []Record
	open    map[int]int // by client: the index of the call that has not returned
}

// read adds the records of a worker until r ends. It calls each after every
// record.
func (h *History) read(r io.Reader, each func()) {
	for in := bufio.NewScanner(r); in.Scan(); {
		var rec Record
		if json.Unmarshal(in.Bytes(), &rec) == nil { // a killed process can leave a torn line
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

// operations returns the history in the form that porcupine needs. A change
// whose outcome is unknown gets no end, so it can have any place after its
// call. In the last place no read shows it, as if it never happened. A read
// whose result is unknown proves nothing, and is left out.
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
