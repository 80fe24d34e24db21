//go:build tools

// Package tools names what the tests with Envoy Gateway build from Go modules:
// its control plane and, from the same module, its resource definitions. The
// version is in go.mod.
package tools

import _ "github.com/envoyproxy/gateway/cmd/envoy-gateway"
