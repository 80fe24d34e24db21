// Command bench_tools is what a benchmark of the gateway needs besides the
// gateway: a server that costs next to nothing, an external processor that does
// no MCP to compare the router with, and clients that check every answer.
//
// Each prints what it has to say as lines of JSON on standard output.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
)

func main() {
	commands := map[string]func([]string) error{
		"server":    serve,
		"processor": process,
		"load":      load,
		"listen":    listen,
	}
	if len(os.Args) < 2 || commands[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: bench_tools server|processor|load|listen [FLAGS]")
		os.Exit(2)
	}
	if err := commands[os.Args[1]](os.Args[2:]); err != nil {
		fmt.Fprintf(os.Stderr, "bench_tools %s: %v\n", os.Args[1], err)
		os.Exit(1)
	}
}

// endWithParent ends this program when whoever started it is gone: its input
// ends then, however that happened.
func endWithParent() {
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
}

// say prints a line for whoever started this program.
func say(value any) {
	line, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	fmt.Println(string(line))
}
