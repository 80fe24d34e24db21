//go:build tools

// Package tools names what the tests with Istio build from Go modules: its
// control plane and, from the same module, its resource definitions. The
// version is in go.mod; a pseudo-version, since the module's releases carry no
// tag that Go takes.
package tools

import _ "istio.io/istio/pilot/cmd/pilot-discovery"
