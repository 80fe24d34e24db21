//go:build tools

// Package tools names what the tests of the control plane build from Go
// modules: an API server, its store and kubectl, and, for its custom resource
// definitions alone, the Gateway API. Versions are in go.mod.
package tools

import (
	_ "go.etcd.io/etcd/server/v3"
	_ "k8s.io/kubernetes/cmd/kube-apiserver"
	_ "k8s.io/kubernetes/cmd/kubectl"
	_ "sigs.k8s.io/gateway-api/apis/v1"
)
