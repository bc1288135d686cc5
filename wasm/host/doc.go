// Package host runs bedside.wasm under wazero, for Go programs and headless use.
//
// A Host compiles the module once and keeps a pool of instances; a Model is a
// bundle that each instance opens when it first needs it. Both are safe for
// concurrent use. The module gets no file system, no arguments, no environment and
// no network, and what it prints goes nowhere: the host reads the bundle, checks
// every shard and copies it in.
//
// An encoder computes on SIMD kernels, which are a WebAssembly module of their own: each
// instance that opens the model starts one and fills it with the weights. A long note is
// read in parts, between which a call can be given up without loss. Explaining an encoder's
// answer takes as many forwards as the note has sentences, at most some hundreds: each is left
// out, and its windows are read again.
package host
