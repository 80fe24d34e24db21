//go:build tools

// Package tools names what the test of HTTP/2 builds: h2spec, which asks a
// server 145 questions about the protocol. Its version is in go.mod.
package tools

import (
	_ "github.com/summerwind/h2spec/cmd/h2spec"
)
