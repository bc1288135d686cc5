// Package host runs bedside.wasm under wazero, for Go programs and headless use.
//
// A Host compiles the module once and keeps a pool of instances; a Model is a
// bundle that each instance opens when it first needs it. Both are safe for
// concurrent use. The module gets no file system, no arguments, no environment and
// no network, and what it prints goes nowhere: the host reads the bundle, checks
// every shard and copies it in.
package host
