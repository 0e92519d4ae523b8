package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/bench"
)

// work runs operations of this package as worker.py does those of the others,
// and prints their times and results.
func work(store, operation string, args []string) error {
	r, err := mr.Open(store, nil)
	if err != nil {
		return err
	}
	if operation != "serve" {
		return errors.Join(operate(r, operation, args), r.Close())
	}
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		words := strings.Fields(in.Text())
		if err := operate(r, words[0], words[1:]); err != nil {
			return err
		}
	}
	return r.Close()
}

// champion is the name that the program points at a version, and gets.
const champion = "champion"

func operate(r *mr.ModelRegistry, operation string, args []string) error {
	ctx := context.Background()
	start := time.Now()
	var result any
	var err error
	switch operation {
	case "point":
		err = r.SetAliases(ctx, bench.Name, map[string]string{champion: args[0]}, nil)
	case "promote":
		err = bench.Promote(r, args[0], mr.Production)
	case "get":
		var m *mr.Model
		if m, err = r.GetModel(ctx, bench.Name.Aliased(champion), nil); err == nil {
			result, err = m.Version.Version, m.Close()
		}
	case "list":
		var list []mr.ModelVersion
		list, err = r.ListVersions(ctx, bench.Name)
		result = len(list)
	case "register":
		_, err = bench.Register(r, bench.Small())
	default:
		err = fmt.Errorf("unknown operation %q", operation)
	}
	took := time.Since(start)
	if err == nil {
		fmt.Println(took.Nanoseconds(), result)
	}
	return err
}
