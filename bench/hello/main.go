// Command hello is the smallest program of the command library that ubunye
// uses. It is what the benchmarks compare the start of ubunye with.
package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"
)

func main() {
	hello := &cobra.Command{Use: "hello", Short: "Say hello", Run: func(*cobra.Command, []string) { fmt.Println("hello") }}
	if hello.Execute() != nil {
		os.Exit(1)
	}
}
