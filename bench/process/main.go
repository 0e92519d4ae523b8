// Command process is the program that the benchmarks measure as a whole
// process. It uses nothing but the registry, as a user's small program would.
package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/bench"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "process:", err)
		os.Exit(1)
	}
}

// run does one of these:
//
//	promote DIR VERSION   open, promote to production, close
//	leave DIR VERSION     the same with a document that is written when it is due
//	get DIR               open, get the version in production, close
//	scan FILE             read a document and scan it once
//	register DIR START    open, register from START for two seconds, print how many
func run(args []string) error {
	if len(args) < 2 {
		return errors.New("the command is missing")
	}
	if args[0] == "scan" {
		return scan(args[1])
	}
	opts := &mr.Options{}
	if args[0] == "leave" {
		opts.Checkpoint = mr.WhenDue
	}
	r, err := mr.Open(args[1], opts)
	if err != nil {
		return err
	}
	switch args[0] {
	case "promote", "leave":
		err = bench.Promote(r, args[2], mr.Production)
	case "get":
		_, err = bench.Get(r)
	case "register":
		err = register(r, args[2])
	default:
		err = fmt.Errorf("unknown command %q", args[0])
	}
	return errors.Join(err, r.Close())
}

// scan reads a file and examines each of its bytes, as a JSON parser must: it
// follows strings and counts how deep objects and lists are nested.
func scan(file string) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	depth, ends := 0, true
	for i := 0; i < len(data) && ends; i++ {
		switch data[i] {
		case '"':
			i, ends = skipString(data, i+1)
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		}
	}
	if depth != 0 || !ends {
		return fmt.Errorf("%s: the JSON ends early", file)
	}
	return nil
}

// skipString returns the end of the string that begins at i, and false if the
// string does not end.
func skipString(data []byte, i int) (end int, ok bool) {
	for {
		n := bytes.IndexByte(data[i:], '"')
		if n < 0 {
			return i, false
		}
		text := data[i : i+n]
		if escapes := n - len(bytes.TrimRight(text, `\`)); escapes%2 == 0 {
			return i + n, true
		}
		i += n + 1
	}
}

// register registers small versions from the given time on, for the length of a
// round, and prints their number.
func register(r *mr.ModelRegistry, start string) error {
	ns, err := strconv.ParseInt(start, 10, 64)
	if err != nil {
		return err
	}
	begin, n := time.Unix(0, ns), 0
	for time.Sleep(time.Until(begin)); time.Since(begin) < bench.Round; n++ {
		if _, err := bench.Register(r, bench.Small()); err != nil {
			return err
		}
	}
	fmt.Println(n)
	return nil
}
